//! The seven questions that a small app is judged by, each answered from evidence: what the gates found, what the manifest
//! asks, what is stored. Nobody ticks them.

use crate::{
    Bailiwick,
    page::Trouble,
    pages::{
        parts::{Said, counted},
        secrets::{Health, health},
    },
};
use catalog::RequestView;
use model::{AppId, Class, Finding, Manifest, Problem, SecretId, Timestamp, manifest::Profile};
use std::collections::BTreeMap;
use vault::Standing;

/// One question with its answer.
pub(in crate::pages) struct Item {
    pub(in crate::pages) name: &'static str,
    /// `ok`, `look` or `bad`, with the shape that says the same.
    pub(in crate::pages) kind: &'static str,
    pub(in crate::pages) shape: &'static str,
    pub(in crate::pages) lines: Vec<Said>,
}

/// Lines of one answer; the worst decides how it looks.
#[derive(Default)]
struct Answer {
    worst: u8,
    lines: Vec<Said>,
}

impl Answer {
    fn ok(&mut self, text: impl Into<String>) {
        self.lines.push(Said::new(text));
    }

    fn look(&mut self, text: impl Into<String>) {
        self.worst = self.worst.max(1);
        self.lines.push(Said::new(text));
    }

    fn bad(&mut self, text: impl Into<String>) {
        self.worst = 2;
        self.lines.push(Said::new(text));
    }

    fn item(self, name: &'static str) -> Item {
        let (kind, shape) = match self.worst {
            0 => ("ok", "approved"),
            1 => ("look", "failed"),
            _ => ("bad", "block"),
        };
        Item { name, kind, shape, lines: self.lines }
    }
}

/// What the vault says of the secrets that a manifest names.
pub(in crate::pages) struct Kept {
    /// Those that somebody has put.
    pub(in crate::pages) standings: BTreeMap<SecretId, Standing>,
    /// Those that belong to another app, by its name.
    pub(in crate::pages) others: BTreeMap<SecretId, String>,
}

impl Bailiwick {
    pub(in crate::pages) async fn others_secrets(
        &self,
        manifest: &Manifest,
        app: Option<&AppId>,
    ) -> Result<BTreeMap<SecretId, String>, Problem> {
        self.vault.of_others(manifest, app).await.map_err(|error| Problem::from(&error))
    }
}

/// The seven, for a request.
pub(super) async fn of(
    server: &Bailiwick,
    request: &RequestView,
    manifest: &Manifest,
    others: BTreeMap<SecretId, String>,
) -> Result<Vec<Item>, Trouble> {
    let standings = server.vault.standings(manifest, request.env).await?;
    Ok(seven(server, manifest, &Kept { standings, others }, &request.findings))
}

/// The seven, for files that were not asked for yet.
pub(in crate::pages) fn seven(server: &Bailiwick, manifest: &Manifest, kept: &Kept, found: &[Finding]) -> Vec<Item> {
    vec![
        secrets(manifest, kept, found, server.clock.now()).item("Secrets"),
        authentication(manifest).item("Authentication"),
        least_privilege(manifest).item("Least privilege"),
        data(manifest).item("Data"),
        integrations(manifest).item("Integrations"),
        monitoring(server, manifest).item("Monitoring"),
        compliance(server, manifest, found).item("Compliance"),
    ]
}

fn secrets(manifest: &Manifest, kept: &Kept, found: &[Finding], now: Timestamp) -> Answer {
    let mut answer = Answer::default();
    match found.iter().filter(|finding| finding.code.starts_with("secret.found")).count() {
        0 => answer.ok("no credential stands in its files"),
        1 => answer.bad("one place in its files looks like a credential"),
        some => answer.bad(format!("{some} places in its files look like credentials")),
    }
    if manifest.secrets.is_empty() {
        answer.ok("it uses no secret");
    }
    for used in manifest.secrets.values() {
        if let Some(other) = kept.others.get(&used.id) {
            answer.bad(format!("`{}` belongs to the app `{other}`: no yes gives it to another", used.id));
            continue;
        }
        match kept.standings.get(&used.id).map(|standing| health(&used.id, standing, now)) {
            None => answer.look(format!("nobody has put `{}` for it yet", used.id)),
            Some(Health::Dead(says)) => answer.bad(says),
            Some(Health::Ends(says)) => answer.look(says),
            Some(Health::Good) => answer.ok(format!(
                "`{}` is in the vault, with an owner and a last day; its code sees a placeholder",
                used.id
            )),
        }
    }
    answer
}

fn authentication(manifest: &Manifest) -> Answer {
    let (mut answer, access) = (Answer::default(), &manifest.access);
    if access.everyone {
        answer.ok("everyone who is signed in may use it");
    }
    if !access.groups.is_empty() {
        let groups: Vec<String> = access.groups.iter().map(|group| format!("`{group}`")).collect();
        answer.ok(format!("people in {} may use it, signed in", groups.join(", ")));
    }
    for path in &access.public {
        answer.look(format!("strangers may reach `{}`", path.as_str()));
    }
    match access.mfa.len() {
        0 => answer.ok("no path asks for a second factor"),
        some => answer.ok(format!("{} need a second factor", counted(some as u64, "path pattern"))),
    }
    answer
}

fn least_privilege(manifest: &Manifest) -> Answer {
    let mut answer = Answer::default();
    answer.ok(format!("it has an account of its own, `app-{}-{}`", manifest.app.team, manifest.app.name));
    if manifest.connect.is_empty() {
        answer.ok("it reaches nothing outside");
    }
    for connect in manifest.connect.values() {
        let wide = connect.paths.iter().any(|path| matches!(path.as_str(), "/**" | "/*"));
        let methods = connect.methods.join(", ");
        if wide {
            answer.look(format!("`{}`: {methods} on every path", connect.endpoint()));
        } else {
            answer.ok(format!(
                "`{}`: {methods} on {}",
                connect.endpoint(),
                counted(connect.paths.len() as u64, "path pattern")
            ));
        }
    }
    if manifest.runtime.profile == Profile::External {
        answer.look("it runs outside the platform: governed, not contained");
    }
    answer
}

fn data(manifest: &Manifest) -> Answer {
    let mut answer = Answer::default();
    if manifest.data.is_empty() {
        answer.ok("it keeps nothing");
    }
    for (name, kept) in &manifest.data {
        let sealed = kept.fields.values().filter(|field| field.class.encrypted()).count();
        let days = kept.retain.as_secs() / 86_400;
        let span = if days == 0 { "less than a day".to_owned() } else { counted(days, "day") };
        let says = format!(
            "`{name}`: deleted after {span}; {sealed} of {} encrypted",
            counted(kept.fields.len() as u64, "field")
        );
        let high = kept.fields.values().any(|field| field.class >= Class::Confidential);
        if high || (sealed > 0 && days > 365) { answer.look(says) } else { answer.ok(says) }
    }
    answer
}

fn integrations(manifest: &Manifest) -> Answer {
    let mut answer = Answer::default();
    if manifest.connect.is_empty() && manifest.browser.hosts.is_empty() {
        answer.ok("none");
    }
    for connect in manifest.connect.values() {
        let with =
            connect.secret.as_ref().map_or_else(String::new, |secret| format!(", with `{secret}` towards it alone"));
        let says = format!("`{}`: {}{with}", connect.endpoint(), connect.why);
        if connect.tls { answer.ok(says) } else { answer.look(format!("{says}; without TLS")) }
    }
    for host in &manifest.browser.hosts {
        answer.look(format!("its pages reach `{host}` from the user's browser"));
    }
    answer
}

/// Whether anybody looks, and hears of it. That everything is recorded is so for every app, and no answer about this one.
fn monitoring(server: &Bailiwick, manifest: &Manifest) -> Answer {
    let (mut answer, team) = (Answer::default(), &manifest.app.team);
    match server.identity.group_sizes().get(team).copied().unwrap_or_default() {
        0 => answer.look(format!("nobody is in `{team}`: nobody reads its log, and nobody is warned before it ends")),
        people => answer.ok(format!("its log and its warnings are for `{team}`: {}", persons(people))),
    }
    if server.config.notify.is_on() {
        answer.ok("what is wrong with it is sent to people, by mail or webhook");
    } else {
        answer.look("nobody is sent a word when something is wrong: this server has no `[notify]`");
    }
    if manifest.runtime.profile == Profile::External {
        answer.look("what it does where it runs is not seen here");
    }
    answer.ok(format!(
        "of every app the platform records each request, call, refusal and use of a secret; `bailiwick revoke {}` cuts it",
        manifest.app.name
    ));
    answer
}

fn persons(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn compliance(server: &Bailiwick, manifest: &Manifest, found: &[Finding]) -> Answer {
    let mut answer = Answer::default();
    match found.iter().filter(|finding| finding.blocks()).count() {
        0 => {}
        1 => answer.bad("it does not pass the gates: one finding blocks it"),
        some => answer.bad(format!("it does not pass the gates: {some} findings block it")),
    }
    for finding in found.iter().filter(|finding| finding.is_waived()) {
        answer.look(format!("EXCEPTION: `{}` is waived for it", finding.code));
    }
    let fields: usize = manifest.data.values().map(|kept| kept.fields.len()).sum();
    match fields {
        0 => {}
        1 => answer.ok("its one field has a class, its collection a time to live"),
        fields => answer.ok(format!("each of its {fields} fields has a class, each collection a time to live")),
    }
    match server.identity.group_sizes().get(&manifest.app.team).copied().unwrap_or_default() {
        0 => answer.look(format!("nobody is in its team, `{}`", manifest.app.team)),
        people => answer.ok(format!("`{}` answers for it: {}", manifest.app.team, persons(people))),
    }
    answer.ok(format!("it ends on {} unless it is deployed again", manifest.app.expires));
    answer
}
