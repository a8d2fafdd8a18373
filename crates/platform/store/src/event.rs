//! An event as it is written: who, what and on what come from the permit; free text is sealed.
//!
//! Refuses names, addresses and free text in the open: the body holds opaque ids, and what a person wrote (`why`) or
//! came from (`from`) only under their subject's key.

use crate::{StoreError, engine::Statement, params, sql};
use authority::{Caller, Denied, Durability, Origin, Spent, Target};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::{EventId, Timestamp};
use seal::{Context, SubjectKey};
use serde_json::{Map, Value as Json, json};

/// Length of the salt that keeps a leaf from being guessed, in bytes.
const SALT_BYTES: usize = 32;

/// How an act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    Allowed,
    Denied,
    Failed,
}

impl Outcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// A second event in the same commit: `app.revoke.done` with its receipt.
#[derive(Debug, Clone)]
pub struct Also {
    /// Made by the caller, so that the detail can name its own event.
    pub id: EventId,
    pub action: &'static str,
    pub outcome: Outcome,
    /// Holds ids only, nothing personal.
    pub detail: Json,
    /// Free text of the caller; sealed.
    pub why: Option<String>,
}

/// What an event says, before it is sealed.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) id: EventId,
    pub(crate) at: Timestamp,
    pub(crate) caller: &'a Caller,
    pub(crate) target: &'a Target,
    pub(crate) action: &'a str,
    pub(crate) durability: &'static str,
    pub(crate) exception: Option<&'static str>,
    pub(crate) outcome: Outcome,
    pub(crate) detail: Json,
    pub(crate) why: Option<&'a str>,
}

impl<'a> Draft<'a> {
    pub(crate) fn of(spent: &'a Spent, id: EventId, at: Timestamp, outcome: Outcome, detail: Json) -> Self {
        Self {
            id,
            at,
            caller: spent.caller(),
            target: spent.target(),
            action: spent.rule().name,
            durability: word(spent.rule().durability),
            exception: spent.exception(),
            outcome,
            detail,
            why: None,
        }
    }

    /// A second event of the same permit; it stands in the same commit.
    pub(crate) fn also(spent: &'a Spent, also: &'a Also, at: Timestamp) -> Self {
        Self {
            action: also.action,
            why: also.why.as_deref(),
            ..Self::of(spent, also.id.clone(), at, also.outcome, also.detail.clone())
        }
    }

    pub(crate) fn refusal(denied: &'a Denied, caller: &'a Caller, target: &'a Target, at: Timestamp) -> Self {
        Self {
            id: EventId::generate(),
            at,
            caller,
            target,
            action: denied.act,
            durability: word(Durability::Use),
            exception: None,
            outcome: Outcome::Denied,
            detail: json!({ "code": denied.code }),
            why: None,
        }
    }

    pub(crate) fn why(self, why: Option<&'a str>) -> Self {
        Self { why, ..self }
    }

    /// The statement that stores it.
    pub(crate) fn statement(&self, key: &SubjectKey) -> Result<Statement, StoreError> {
        let body = serde_json::to_vec(&self.body(key)?).map_err(StoreError::json)?;
        let app = self.target.app.as_ref().or_else(|| self.caller.app().map(|app| &app.id));
        let salt = seal::random_bytes::<SALT_BYTES>();
        Ok(Statement::new(
            sql::INSERT_EVENT,
            params![
                &self.id,
                &self.target.tenant,
                self.at,
                self.action,
                app,
                self.caller.person(),
                self.target.resource.as_str(),
                self.outcome.as_str(),
                self.caller.trace.as_ref(),
                self.durability,
                self.caller.subject(),
                salt,
                body,
            ],
        ))
    }

    fn body(&self, key: &SubjectKey) -> Result<Json, StoreError> {
        let app = self.target.app.as_ref().or_else(|| self.caller.app().map(|app| &app.id));
        let mut body = Map::new();
        let mut put = |name: &str, value: Json| body.insert(name.to_owned(), value);
        put("id", json!(self.id));
        put("timestamp", json!(self.at));
        put("tenant_id", json!(self.target.tenant));
        put("app_id", json!(app));
        put("env", json!(self.target.env.or_else(|| self.caller.app().map(|app| app.env))));
        put("user_id", json!(self.caller.person()));
        put("actor", json!(self.caller.chain()));
        put("action", json!(self.action));
        put("resource", json!(self.target.resource));
        put("outcome", json!(self.outcome.as_str()));
        put("request_id", Json::Null);
        put("trace_id", json!(self.caller.trace));
        put("durability", json!(self.durability));
        if let Some(exception) = self.exception {
            put("exception", json!(exception));
        }
        put("detail", self.detail.clone());
        if let Some(why) = self.why {
            put("why_sealed", json!(BASE64_STANDARD.encode(key.seal(&context(&self.id, "why"), why.as_bytes()))));
        }
        if self.caller.origin != Origin::default() {
            let from = json!({ "ip": self.caller.origin.ip, "device": self.caller.origin.device });
            let plain = serde_json::to_vec(&from).map_err(StoreError::json)?;
            put("from_sealed", json!(BASE64_STANDARD.encode(key.seal(&context(&self.id, "from"), &plain))));
        }
        Ok(Json::Object(body))
    }
}

/// Which event and which field a sealed text belongs to.
pub(crate) fn context(id: &EventId, column: &str) -> Context {
    Context::table("events").column(column).row(id.as_str())
}

const fn word(durability: Durability) -> &'static str {
    match durability {
        Durability::Cut => "cut",
        Durability::Act => "act",
        Durability::Use => "use",
        Durability::Access => "access",
    }
}
