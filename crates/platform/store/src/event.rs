//! An event as it is written: who, what and on what come from the permit; free text is sealed.
//!
//! Refuses names, addresses and free text in the open: the body holds opaque ids, and what a person wrote (`why`) or
//! came from (`from`) only under their subject's key.

use crate::{
    StoreError, Value, differences,
    engine::{EngineTx, Statement},
    notices,
};
use authority::{Caller, Denied, Durability, Origin, Spent, Target};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::{AppId, CallId, Env, EventId, PersonId, TenantId, Timestamp, TraceId};
use seal::{Context, SubjectKey};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::borrow::Cow;

/// Length of the salt that keeps a leaf from being guessed, in bytes.
const SALT_BYTES: usize = 32;
/// The most of a resource that is stored, in bytes: PostgreSQL's indexes take 2,704 for a whole row.
const RESOURCE_BYTES_MAX: usize = 1_000;

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
    pub(crate) detail: Cow<'a, Json>,
    pub(crate) why: Option<&'a str>,
    /// Whom it is about, where neither caller nor resource says so.
    pub(crate) about: Option<&'a PersonId>,
}

/// The stored bytes, in this order: written straight from what is at hand, since there is one for each request.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a EventId,
    timestamp: Timestamp,
    tenant_id: &'a TenantId,
    app_id: Option<&'a AppId>,
    env: Option<Env>,
    user_id: Option<&'a PersonId>,
    actor: Vec<String>,
    action: &'a str,
    resource: Cow<'a, str>,
    outcome: &'static str,
    request_id: Option<&'a CallId>,
    trace_id: Option<&'a TraceId>,
    durability: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'a PersonId>,
    detail: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    why_sealed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_sealed: Option<String>,
}

impl<'a> Draft<'a> {
    pub(crate) fn of(spent: &'a Spent, id: EventId, at: Timestamp, outcome: Outcome, detail: Cow<'a, Json>) -> Self {
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
            about: spent.target().about.as_ref(),
        }
    }

    /// A second event of the same permit; it stands in the same commit.
    pub(crate) fn also(spent: &'a Spent, also: &'a Also, at: Timestamp) -> Self {
        Self {
            action: also.action,
            why: also.why.as_deref(),
            ..Self::of(spent, also.id.clone(), at, also.outcome, Cow::Borrowed(&also.detail))
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
            detail: Cow::Owned(json!({ "code": denied.code })),
            why: None,
            about: target.about.as_ref(),
        }
    }

    pub(crate) fn why(self, why: Option<&'a str>) -> Self {
        Self { why, ..self }
    }

    /// Whom the act found it to be about, besides what its target says.
    pub(crate) fn about(self, person: Option<&'a PersonId>) -> Self {
        Self { about: person.or(self.about), ..self }
    }

    /// The statements that store it, and what is to be told of it. The only way an event is written.
    pub(crate) fn statements(&self, tx: &EngineTx, key: &SubjectKey) -> Result<Vec<Statement>, StoreError> {
        let mut statements = vec![self.statement(tx, key)?];
        statements.extend(notices::of(self));
        Ok(statements)
    }

    fn statement(&self, tx: &EngineTx, key: &SubjectKey) -> Result<Statement, StoreError> {
        let body = serde_json::to_vec(&self.body(key)?).map_err(StoreError::json)?;
        let salt = seal::random_bytes::<SALT_BYTES>();
        let params = vec![
            (&self.id).into(),
            (&self.target.tenant).into(),
            self.at.into(),
            self.action.into(),
            self.app().into(),
            self.caller.person().into(),
            self.resource().into_owned().into(),
            self.outcome.as_str().into(),
            self.caller.trace.as_ref().into(),
            self.durability.into(),
            self.caller.subject().into(),
            salt.into(),
            body.into(),
            self.about.into(),
        ];
        Ok(Statement { sql: differences::insert_event(tx), params })
    }

    pub(crate) fn app(&self) -> Option<&AppId> {
        app(self.caller, self.target)
    }

    /// What it is on, as it is stored. An id from a request is somebody's words until it is looked up: whatever they are,
    /// the event is written.
    pub(crate) fn resource(&self) -> Cow<'_, str> {
        storable(&self.target.resource)
    }

    pub(crate) fn env(&self) -> Option<Env> {
        self.target.env.or_else(|| self.caller.app().map(|app| app.env))
    }

    fn body(&self, key: &SubjectKey) -> Result<Body<'_>, StoreError> {
        let sealed = |column: &str, plain: &[u8]| BASE64_STANDARD.encode(key.seal(&context(&self.id, column), plain));
        let origin = &self.caller.origin;
        let from_sealed = if *origin == Origin::default() {
            None
        } else {
            let from = json!({ "ip": origin.ip, "device": origin.device });
            Some(sealed("from", &serde_json::to_vec(&from).map_err(StoreError::json)?))
        };
        Ok(Body {
            id: &self.id,
            timestamp: self.at,
            tenant_id: &self.target.tenant,
            app_id: self.app(),
            env: self.env(),
            user_id: self.caller.person(),
            actor: self.caller.chain(),
            action: self.action,
            resource: self.resource(),
            outcome: self.outcome.as_str(),
            request_id: self.caller.request.as_ref(),
            trace_id: self.caller.trace.as_ref(),
            durability: self.durability,
            exception: self.exception,
            about: self.about,
            detail: &self.detail,
            why_sealed: self.why.map(|why| sealed("why", why.as_bytes())),
            from_sealed,
        })
    }
}

/// Which app an event is about: what was acted on, or who acted.
pub(crate) fn app<'a>(caller: &'a Caller, target: &'a Target) -> Option<&'a AppId> {
    target.app.as_ref().or_else(|| caller.app().map(|app| &app.id))
}

fn storable(resource: &str) -> Cow<'_, str> {
    if resource.contains('\0') {
        let mut text = resource.replace('\0', "\u{fffd}");
        text.truncate(text.floor_char_boundary(RESOURCE_BYTES_MAX));
        return Cow::Owned(text);
    }
    Cow::Borrowed(resource.get(..resource.floor_char_boundary(RESOURCE_BYTES_MAX)).unwrap_or_default())
}

/// Refuses what no row holds, of whoever did it and of what it was on: what waits to be written must be what can be.
pub(crate) fn check(caller: &Caller, target: &Target) -> Result<(), StoreError> {
    let texts = [
        Some(target.tenant.as_str()),
        app(caller, target).map(AppId::as_str),
        caller.person().map(PersonId::as_str),
        Some(target.resource.as_str()),
        caller.trace.as_ref().map(TraceId::as_str),
        target.about.as_ref().map(PersonId::as_str),
    ];
    texts.into_iter().flatten().enumerate().try_for_each(|(at, text)| Value::check_text(at + 1, text))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_stored_as_it_is_or_as_much_of_it_as_can_be() {
        assert_eq!(storable("secret/people-ops/slack-bot/prod"), "secret/people-ops/slack-bot/prod");
        assert_eq!(storable("secret/\0a"), "secret/\u{fffd}a");
        for long in ["ü".repeat(4_000), format!("x{}", "ü".repeat(4_000)), "\0".repeat(4_000)] {
            let stored = storable(&long);
            assert!((998..=RESOURCE_BYTES_MAX).contains(&stored.len()), "{}", stored.len());
            assert!(!stored.contains('\0'));
        }
    }
}
