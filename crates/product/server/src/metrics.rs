//! `/metrics`, in the OpenMetrics text format: what this node recorded since it started, and how it is.
//!
//! The numbers are the record's own (`store::Tally`): a request that is an event is counted, and nothing else is. Beside
//! them stand how often jobs of the system ended, apps by state, and what is ready. Refuses people: labels are acts, surfaces, outcomes, jobs and ids of apps.

use crate::Bailiwick;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use std::fmt;
use store::{Counts, Tally};

/// What OpenMetrics 1.0 calls its text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Event {
    surface: String,
    action: String,
    app: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfApp {
    app: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Check {
    check: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Job {
    job: String,
}

/// Which room an event belongs to.
fn surface(action: &str) -> &'static str {
    room(action).unwrap_or("platform")
}

/// Every act has its own here: one that is not named would be counted with the platform's by mistake.
fn room(action: &str) -> Option<&'static str> {
    let first = action.split('.').next().unwrap_or_default();
    match (action, first) {
        ("app.use" | "app.use_public", _) => Some("gateway"),
        ("app.sign_in", _)
        | (
            _,
            "person" | "link" | "links" | "session" | "passkey" | "login" | "role" | "provider" | "sign_in" | "oidc"
            | "credential" | "token" | "app_token",
        ) => Some("identity"),
        (_, "secret") => Some("vault"),
        (_, "data") => Some("data"),
        (_, "egress") => Some("broker"),
        (_, "app" | "release" | "request" | "waiver" | "receipt" | "job") => Some("catalog"),
        (
            _,
            "audit" | "query" | "notice" | "expiry" | "alarm" | "backup" | "storage" | "metrics" | "policy"
            | "platform" | "record",
        ) => Some("platform"),
        _ => None,
    }
}

struct Families {
    events: Family<Event, Counter>,
    requests: Family<OfApp, Counter>,
    request_bytes: Family<OfApp, Counter>,
    calls: Family<OfApp, Counter>,
    call_bytes: Family<OfApp, Counter>,
    secrets: Family<OfApp, Counter>,
    apps: Family<State, Gauge>,
    checks: Family<Check, Gauge>,
    jobs: Family<Job, Counter>,
}

impl Families {
    fn register(registry: &mut Registry) -> Self {
        let all = Self {
            events: Family::default(),
            requests: Family::default(),
            request_bytes: Family::default(),
            calls: Family::default(),
            call_bytes: Family::default(),
            secrets: Family::default(),
            apps: Family::default(),
            checks: Family::default(),
            jobs: Family::default(),
        };
        registry.register("bailiwick_events", "Events of the record, by act", all.events.clone());
        registry.register("bailiwick_requests", "Requests to apps", all.requests.clone());
        let bytes = "Bytes of the answers of apps";
        registry.register_with_unit("bailiwick_response", bytes, Unit::Bytes, all.request_bytes.clone());
        registry.register("bailiwick_calls", "Calls of apps to destinations outside", all.calls.clone());
        let bytes = "Bytes of the answers to calls of apps";
        registry.register_with_unit("bailiwick_call", bytes, Unit::Bytes, all.call_bytes.clone());
        registry.register("bailiwick_secret_uses", "Secrets attached to calls, or refused", all.secrets.clone());
        registry.register("bailiwick_apps", "Apps, by state", all.apps.clone());
        registry.register("bailiwick_ready", "Whether a part of the server is ready", all.checks.clone());
        registry.register("bailiwick_jobs", "Jobs of the system that this node ran to their end", all.jobs.clone());
        all
    }

    fn take(&self, counts: &Counts, tally: Tally) {
        let app = counts.app.as_ref().map_or_else(String::new, ToString::to_string);
        let outcome = counts.outcome.as_str().to_owned();
        let event = Event {
            surface: surface(&counts.action).to_owned(),
            action: counts.action.clone(),
            app: app.clone(),
            outcome: outcome.clone(),
        };
        self.events.get_or_create(&event).inc_by(tally.events);
        let of_app = OfApp { app, outcome };
        let (events, bytes) = match counts.action.as_str() {
            "app.use" | "app.use_public" => (&self.requests, Some(&self.request_bytes)),
            "egress.call" => (&self.calls, Some(&self.call_bytes)),
            "secret.use" => (&self.secrets, None),
            _ => return,
        };
        events.get_or_create(&of_app).inc_by(tally.events);
        if let Some(bytes) = bytes {
            bytes.get_or_create(&of_app).inc_by(tally.bytes);
        }
    }
}

impl Bailiwick {
    /// The whole page.
    pub(crate) async fn metrics(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        let families = Families::register(&mut registry);
        for (counts, tally) in self.store.tallies() {
            families.take(&counts, tally);
        }
        for app in self.authority.facts(&self.tenant).apps.values() {
            let state = State { state: app.state.as_str().to_owned() };
            families.apps.get_or_create(&state).inc();
        }
        for check in self.checks().await {
            let label = Check { check: check.part.name().to_owned() };
            families.checks.get_or_create(&label).set(i64::from(check.problem.is_none()));
        }
        for (job, ended) in self.ended.all() {
            families.jobs.get_or_create(&Job { job: job.to_owned() }).inc_by(ended);
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_called_as_everywhere_else() {
        use authority::AppState::{Expired, Live, Retired, Revoked, Waiting};
        for state in [Waiting, Live, Expired, Revoked, Retired] {
            assert_eq!(serde_json::json!(state), state.as_str());
        }
    }

    #[test]
    fn every_act_belongs_to_a_surface() {
        for rule in authority::ACTS {
            assert!(room(rule.name).is_some(), "{} is named nowhere", rule.name);
        }
        assert_eq!(room("nothing.known"), None);
        for (action, expected) in [
            ("app.use", "gateway"),
            ("app.use_public", "gateway"),
            ("app.sign_in", "identity"),
            ("passkey.sign_in", "identity"),
            ("credential.use", "identity"),
            ("app.revoke", "catalog"),
            ("waiver.grant", "catalog"),
            ("backup.create", "platform"),
            ("egress.call", "broker"),
            ("secret.use", "vault"),
            ("data.read", "data"),
        ] {
            assert_eq!(surface(action), expected);
        }
    }
}
