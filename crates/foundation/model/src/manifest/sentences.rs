//! What an app may do, in sentences that a reviewer reads instead of code, each under the surface that gives it.

use super::{Collection, Connect, Job, Manifest, Profile, measure};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// The surface that holds a line of authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SurfaceName {
    Gateway,
    Identity,
    Vault,
    Data,
    Broker,
}

impl SurfaceName {
    pub const ALL: [Self; 5] = [Self::Gateway, Self::Identity, Self::Vault, Self::Data, Self::Broker];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Identity => "identity",
            Self::Vault => "vault",
            Self::Data => "data",
            Self::Broker => "broker",
        }
    }
}

impl fmt::Display for SurfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of authority in plain words. The app is its unspoken subject: 'may POST to …'.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Sentence {
    pub surface: SurfaceName,
    pub text: String,
}

impl Connect {
    /// `slack.com`, `rooms.corp.example:8443`, `http://10.0.0.7` without TLS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) => self.host.clone(),
            (true, port) => format!("{}:{port}", self.host),
            (false, 80) => format!("http://{}", self.host),
            (false, port) => format!("http://{}:{port}", self.host),
        }
    }
}

impl Manifest {
    /// All that the app may do, by surface: gateway, identity, vault, data, broker.
    #[must_use]
    pub fn sentences(&self) -> Vec<Sentence> {
        let texts = [
            (SurfaceName::Gateway, self.gateway()),
            (SurfaceName::Identity, self.identity()),
            (SurfaceName::Vault, self.vault()),
            (SurfaceName::Data, self.data.iter().flat_map(|(name, kept)| collection(name, kept)).collect()),
            (SurfaceName::Broker, self.broker()),
        ];
        texts
            .into_iter()
            .flat_map(|(surface, texts)| texts.into_iter().map(move |text| Sentence { surface, text }))
            .collect()
    }

    fn gateway(&self) -> Vec<String> {
        let access = &self.access;
        let mut lines = Vec::new();
        if access.everyone {
            lines.push("everyone who is signed in may use it".to_owned());
        }
        if !access.groups.is_empty() {
            lines.push(format!("people in {} may use it", listed(access.groups.iter().map(AsRef::as_ref), "or")));
        }
        lines.extend(access.public.iter().map(|path| public(path.as_str())));
        lines.extend(access.mfa.iter().map(|path| second_factor(path.as_str())));
        if !access.addresses.is_empty() {
            let networks: Vec<String> = access.addresses.iter().map(ToString::to_string).collect();
            lines.push(format!("it answers only {}", listed(networks.iter().map(String::as_str), "or")));
        }
        lines.extend(self.limits.requests.iter().map(|rate| format!("answers at most {}", rate.words())));
        lines.extend(self.jobs.iter().map(|(name, job)| runs(name, job)));
        lines.extend(self.browser.hosts.iter().map(|host| page_reach(host)));
        lines.push(self.instance());
        lines
    }

    fn instance(&self) -> String {
        let limits = &self.runtime.limits;
        match self.runtime.profile {
            Profile::Static => "serves files and runs no code".to_owned(),
            Profile::External => "runs outside the platform: governed, not contained".to_owned(),
            Profile::Wasm => format!(
                "one request may take {} of memory, {} of CPU and {}; {} run at once",
                measure::size_words(limits.memory_bytes),
                measure::duration_words(limits.cpu),
                measure::duration_words(limits.time),
                limits.parallel
            ),
        }
    }

    fn identity(&self) -> Vec<String> {
        let app = &self.app;
        let mut lines = vec![format!(
            "acts as `{}` of the team `{}`, for `{}` data, until {}",
            app.name, app.team, app.class, app.expires
        )];
        for (role, groups) in &self.access.roles {
            lines.extend(groups.iter().map(|group| has_role(group.as_str(), role)));
        }
        lines
    }

    fn vault(&self) -> Vec<String> {
        self.secrets
            .iter()
            .map(|(name, secret)| {
                let hosts: BTreeMap<String, ()> = self
                    .connect
                    .values()
                    .filter(|connect| connect.secret.as_ref() == Some(name))
                    .map(|connect| (connect.endpoint(), ()))
                    .collect();
                let towards = if hosts.is_empty() {
                    "towards no destination".to_owned()
                } else {
                    format!("towards {}", listed(hosts.keys().map(String::as_str), "and"))
                };
                format!("{}, {towards}", uses_secret(name, secret.id.as_str()))
            })
            .collect()
    }

    fn broker(&self) -> Vec<String> {
        let lines = self.connect.values().flat_map(|connect| {
            let methods: Vec<&str> = connect.methods.iter().map(String::as_str).collect();
            connect.paths.iter().map(move |path| {
                let endpoint = connect.endpoint();
                format!("{}: {}", sends(&methods, &endpoint, path.as_str(), connect.secret.as_deref()), connect.why)
            })
        });
        lines.collect()
    }
}

pub(super) fn sends(methods: &[&str], endpoint: &str, path: &str, secret: Option<&str>) -> String {
    let with = secret.map(|secret| format!(" with `{secret}`")).unwrap_or_default();
    let reads = methods.iter().all(|method| matches!(*method, "GET" | "HEAD"));
    let way = if reads { "from" } else { "to" };
    format!("may {} {way} {endpoint}{path}{with}", methods.join(" or "))
}

pub(super) fn uses_secret(name: &str, id: &str) -> String {
    format!("may use the secret `{id}` as `{name}`")
}

pub(super) fn public(path: &str) -> String {
    format!("strangers may reach `{path}`")
}

pub(super) fn second_factor(path: &str) -> String {
    format!("`{path}` needs a second factor")
}

pub(super) fn page_reach(host: &str) -> String {
    format!("its pages may reach `{host}`")
}

pub(super) fn has_role(group: &str, role: &str) -> String {
    format!("people in `{group}` have the role `{role}`")
}

pub(super) fn runs(name: &str, job: &Job) -> String {
    format!("runs the job `{name}` at `{}` ({}), for no user", job.schedule, job.zone)
}

/// What is kept, and who may take all of it out.
pub(super) fn collection(name: &str, kept: &Collection) -> Vec<String> {
    let out = kept.export.iter().map(|group| takes_out(name, group.as_str()));
    [keeps(name, kept)].into_iter().chain(out).collect()
}

pub(super) fn takes_out(name: &str, group: &str) -> String {
    format!("people in `{group}` may take all of `{name}` out, with a second factor")
}

fn keeps(name: &str, kept: &Collection) -> String {
    let fields = kept.fields.iter().map(|(field, declared)| {
        let encrypted = if declared.class.encrypted() { ", encrypted" } else { "" };
        format!("`{field}` ({}{encrypted})", declared.class)
    });
    let fields: Vec<String> = fields.collect();
    format!("keeps `{name}` for {}: {}", measure::duration_words(kept.retain), fields.join(", "))
}

/// `a`, `b` or `c`, each in backticks.
fn listed<'a>(items: impl Iterator<Item = &'a str>, last: &str) -> String {
    let items: Vec<String> = items.map(|item| format!("`{item}`")).collect();
    match items.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        _ => items.concat(),
    }
}
