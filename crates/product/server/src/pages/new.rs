//! A new app without a terminal: a template, a dropped folder, or one pasted file. First what the gates say of it and what
//! it may do, then live, or a question to a reviewer.
//!
//! Nothing is kept between the two: the files travel in the form, and what is deployed passes every gate again.

mod form;

use super::{
    parts::{Said, quoted},
    requests::{Item, Seen, seven},
    shell::{Here, Read, Shell, Visit},
    switch::came_out,
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, html},
    template,
};
use askama::Template;
use authority::{Role, rules};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use catalog::{CheckDocument, Status, Unpacked};
use form::Sent;
use jiff::{ToSpan as _, tz::TimeZone};
use model::{Env, Finding, Manifest, Problem, ProblemKind, Severity, Tier, manifest::EXPIRES_AHEAD_DAYS_MAX};
use serde::Deserialize;
use std::sync::Arc;

const MANIFEST: &str = "bailiwick.toml";
/// Lines shown before and after the one that a finding is about.
const AROUND: u32 = 2;
/// A bundle of this size comes back in the page, so that the second click need not choose the folder again.
const CARRIED_MAX_BYTES: usize = 512 << 10;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    template: String,
}

#[derive(Template)]
#[template(path = "new.html")]
struct New {
    shell: Shell,
    templates: Vec<(String, String, &'static str, bool)>,
    teams: Vec<String>,
}

/// How one begins.
pub(super) async fn ask(State(server): State<Arc<Bailiwick>>, Read(which): Read<Which>, visit: Visit) -> Page {
    if !visit.viewer.may(&rules::APP_DEPLOY, None) {
        return Err(Trouble(not_a_builder()));
    }
    let today = server.clock.now().to_jiff().to_zoned(TimeZone::UTC).date();
    let chosen = if which.template.is_empty() { "tinypoll" } else { &which.template };
    let one = |name: String| {
        let tier = template::tier(&name, today).map_or("", Tier::as_str);
        (name.clone(), template::says(&name), tier, name == chosen)
    };
    let page = New {
        shell: visit.viewer.shell(Here::New),
        templates: template::names().into_iter().map(one).collect(),
        teams: teams(&visit),
    };
    Ok(html(StatusCode::OK, &page))
}

/// The groups of a person that can own an app: those that carry no role.
fn teams(visit: &Visit) -> Vec<String> {
    let roles: Vec<&str> = Role::ALL.iter().map(|role| role.group()).collect();
    let own = visit.viewer.facts.groups.iter().map(ToString::to_string);
    own.filter(|group| !roles.contains(&group.as_str())).collect()
}

fn not_a_builder() -> Problem {
    Problem::new(
        ProblemKind::Denied,
        "role.needed",
        "you may not deploy apps yet",
        "deploying is for people in the group `builders`",
        "ask an operator to put you into it",
    )
}

#[derive(Template)]
#[template(path = "judged.html")]
struct Judged {
    shell: Shell,
    title: String,
    state: &'static str,
    lead: String,
    may: Vec<Said>,
    reasons: Vec<Said>,
    items: Vec<Item>,
    findings: Vec<Seen>,
    blocks: bool,
    asks: bool,
    /// The archive, when it is small enough to travel in the page.
    carried: Option<String>,
    files: Vec<(String, usize)>,
    command: String,
}

/// What is sent: judged, and deployed when that is what the button says.
pub(super) async fn send(State(server): State<Arc<Bailiwick>>, headers: HeaderMap, visit: Visit) -> Page {
    let sent = Sent::read(&headers, &visit.asked.body).await.map_err(Trouble)?;
    let unpacked = server.files_of(&sent, &visit).map_err(Trouble)?;
    let archive = unpacked.pack().map_err(Trouble)?;
    if sent.field("do") == "deploy" {
        let deployed = server.deploy(&visit.asked.caller, archive.clone(), Env::Prod).await?;
        if deployed.status != Status::Refused {
            let name = deployed.app.clone().unwrap_or_default();
            return Ok(came_out(&visit.viewer, &name, &deployed));
        }
    }
    server.judged(&visit, unpacked).await
}

impl Bailiwick {
    /// The files that a form names: carried, made from a template, or dropped.
    fn files_of(&self, sent: &Sent, visit: &Visit) -> Result<Unpacked, Problem> {
        let carried = sent.field("bundle");
        if !carried.is_empty() {
            let bytes = BASE64_STANDARD.decode(carried).map_err(|_| nothing_sent())?;
            return catalog::Upload::new(bytes.into())?.unpack();
        }
        let today = self.clock.now().to_jiff().to_zoned(TimeZone::UTC).date();
        let expires = today.saturating_add(EXPIRES_AHEAD_DAYS_MAX.days());
        let filling = |team: &str| {
            let team =
                if team.is_empty() { teams(visit).into_iter().next().unwrap_or_default() } else { team.to_owned() };
            (sent.field("name").trim().to_owned(), team)
        };
        match sent.field("way").as_str() {
            "template" | "paste" => {
                let (name, team) = filling(&sent.field("team"));
                let filling = template::Filling { name: &name, team: &team, expires };
                let from = if sent.field("way") == "paste" { "blank".to_owned() } else { sent.field("template") };
                let mut files = template::files(&from, &filling, today)?;
                let pasted = sent.field("code");
                if !pasted.trim().is_empty() {
                    for file in files.iter_mut().filter(|file| file.path == "app.js") {
                        file.bytes = pasted.replace("\r\n", "\n").into_bytes();
                    }
                }
                Unpacked::of(files.into_iter().map(|file| (file.path, file.bytes.into())))
            }
            _ if sent.files().is_empty() => Err(nothing_sent()),
            _ => Unpacked::of(sent.folder()),
        }
    }

    async fn judged(&self, visit: &Visit, unpacked: Unpacked) -> Result<Response, Trouble> {
        let now = self.clock.now();
        let manifest = unpacked.manifest(now);
        // Whoever may not deploy this has none of it run: module code runs in the gates.
        if let Some(manifest) = &manifest {
            let act = self.catalog.plan(manifest, &unpacked.digest().to_string(), Env::Prod)?;
            let _may = self.allowed(&visit.asked, act).await?;
        }
        let files: Vec<(String, usize)> =
            unpacked.files().map(|(path, bytes)| (path.to_owned(), bytes.len())).collect();
        let archive = unpacked.pack().map_err(Trouble)?;
        let carried = (archive.len() <= CARRIED_MAX_BYTES).then(|| BASE64_STANDARD.encode(&archive));
        let findings = match catalog::check(unpacked.clone(), &self.sandbox, now).await {
            Ok(checked) => checked.findings().to_vec(),
            Err(document) => {
                let CheckDocument { findings, .. } = *document;
                findings
            }
        };
        let blocks = findings.iter().any(|finding| finding.severity == Severity::Block);
        let page = self.judgement(visit, &unpacked, manifest.as_ref(), &findings, blocks).await?;
        Ok(html(StatusCode::OK, &Judged { carried, files, ..page }))
    }

    async fn judgement(
        &self,
        visit: &Visit,
        unpacked: &Unpacked,
        manifest: Option<&Manifest>,
        findings: &[Finding],
        blocks: bool,
    ) -> Result<Judged, Trouble> {
        let name = manifest.map_or_else(|| "your app".to_owned(), |manifest| manifest.app.name.clone());
        let asks = manifest.is_some_and(|manifest| manifest.tier() != Tier::Low);
        let lead = match (blocks, asks) {
            (true, _) => "Mend what blocks, then send it again. Nothing was deployed.",
            (false, true) => "It passed every gate. It needs a person's yes before it serves.",
            (false, false) => "It passed every gate, and can serve at once.",
        };
        let items = match manifest {
            Some(manifest) => {
                let versions = self.catalog.secrets_of(manifest, Env::Prod).await?;
                let found: Vec<_> = findings.iter().map(|finding| (finding.code.as_str(), finding.severity)).collect();
                seven(self, manifest, &versions, &found)
            }
            None => vec![],
        };
        Ok(Judged {
            shell: visit.viewer.shell(Here::New),
            title: if blocks { format!("{name} is not ready") } else { format!("{name} is ready") },
            state: if blocks { "block" } else { "pass" },
            lead: lead.to_owned(),
            may: manifest
                .map(|manifest| manifest.sentences().iter().map(|line| Said::sentence(&line.text)).collect())
                .unwrap_or_default(),
            reasons: manifest
                .map(|manifest| manifest.tier_reasons().into_iter().map(|reason| Said::new(reason.why)).collect())
                .unwrap_or_default(),
            items,
            findings: findings.iter().map(|finding| with_source(finding, unpacked)).collect(),
            blocks,
            asks,
            carried: None,
            files: vec![],
            command: format!("bailiwick deploy {}", quoted(&name)),
        })
    }
}

/// A finding with the lines that it is about.
fn with_source(finding: &Finding, unpacked: &Unpacked) -> Seen {
    let mut seen = Seen::new(finding);
    let bytes = finding.file.as_deref().and_then(|file| unpacked.get(file));
    let (Some(bytes), Some(line)) = (bytes, finding.line) else { return seen };
    // A credential is not shown again, to nobody.
    if finding.code.starts_with("secret.") {
        return seen;
    }
    let text = String::from_utf8_lossy(bytes);
    let first = line.saturating_sub(AROUND).max(1);
    let around = text.lines().zip(1_u32..).skip(first as usize - 1).take((line + AROUND + 1 - first) as usize);
    seen.source = around.map(|(text, number)| (number, text.chars().take(200).collect(), number == line)).collect();
    seen
}

fn nothing_sent() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "new.nothing",
        "no file was sent",
        "an app is a folder with `bailiwick.toml` in it",
        format!("choose the folder that holds `{MANIFEST}`"),
    )
}
