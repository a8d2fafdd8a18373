//! What is noted of a cut: enough to do and to record it later, by another process, with nothing in memory.

use crate::{Also, Outcome, StoreError};
use authority::{ACTS, AppRef, Kept, Rule, Spent, Target, rules};
use model::{AppId, Env, EventId, Group, PersonId, SecretId, SessionId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// What is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutOf {
    Apps(Vec<AppRef>),
    Person(PersonId),
    Secret {
        id: SecretId,
        env: Env,
    },
    Session(SessionId),
    /// Every session of a person that began before, but this one and what came from it.
    Others {
        person: PersonId,
        here: SessionId,
    },
    /// What a provider says has ended there: sessions that began with one of its sessions, or with one of its people,
    /// by the keyed indexes of their rows, up to a moment.
    AtProvider {
        issuer: String,
        sid: Option<Vec<u8>>,
        subject: Option<Vec<u8>>,
        before: Timestamp,
        /// Those that memory knew: what came from them ends with them.
        sessions: Vec<SessionId>,
        /// The token that said so, which says it once.
        token: String,
    },
    /// A provider that vouches for nobody any more: in this form, and every session that began there up to then.
    Provider {
        issuer: String,
        digest: String,
    },
    /// A role that somebody had until its date.
    Role {
        person: PersonId,
        role: Group,
    },
    /// Nothing more: what a cut came to, when every node has said so.
    Done(AppId),
}

/// One cut, with all that its events will say.
#[derive(Debug, Clone)]
pub struct CutNote {
    /// The id that its event will have, or has.
    pub event: EventId,
    pub at: Timestamp,
    pub of: CutOf,
    /// Ids only, nothing personal.
    pub detail: Json,
    /// Free text of the caller; sealed wherever it is kept.
    pub why: Option<String>,
    pub also: Vec<Also>,
    /// A further event that comes only once others have done their part, whenever this is written: its room keeps it.
    pub owed: Option<Also>,
    pub(crate) spent: Arc<Spent>,
}

impl CutNote {
    pub(crate) fn new(spent: Spent, of: CutOf, at: Timestamp) -> Self {
        let (event, detail) = (EventId::generate(), json!({}));
        Self { event, at, of, detail, why: None, also: Vec::new(), owed: None, spent: Arc::new(spent) }
    }

    #[must_use]
    pub fn rule(&self) -> &'static Rule {
        self.spent.rule()
    }

    #[must_use]
    pub fn target(&self) -> &Target {
        self.spent.target()
    }

    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.spent.target().tenant
    }

    /// The caller's chain, as its event has it.
    #[must_use]
    pub fn by(&self) -> String {
        self.spent.caller().chain().join(" ")
    }

    /// The person who made the cut, if it was one.
    #[must_use]
    pub fn person(&self) -> Option<&PersonId> {
        self.spent.caller().person()
    }

    /// Every further event that it promises.
    pub fn promised(&self) -> impl Iterator<Item = &Also> {
        self.also.iter().chain(&self.owed)
    }

    /// The apps that are cut, if it is apps.
    #[must_use]
    pub fn apps(&self) -> &[AppRef] {
        match &self.of {
            CutOf::Apps(apps) => apps,
            CutOf::Person(_)
            | CutOf::Secret { .. }
            | CutOf::Session(_)
            | CutOf::Others { .. }
            | CutOf::AtProvider { .. }
            | CutOf::Provider { .. }
            | CutOf::Role { .. }
            | CutOf::Done(_) => &[],
        }
    }

    /// Whether it is the same act on the same thing, asked for by the same caller: what another asks is theirs on the
    /// record, whoever was first.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        // What is ended beside one session depends on when it is asked: a later asking is another.
        let timed = matches!(self.of, CutOf::Others { .. });
        !timed
            && self.rule() == other.rule()
            && self.target() == other.target()
            && self.of == other.of
            && self.spent.caller().chain() == other.spent.caller().chain()
    }

    /// Whether such cuts come by themselves or in great numbers.
    pub(crate) fn is_common(&self) -> bool {
        [&rules::SESSION_END, &rules::SESSIONS_END, &rules::OIDC_LOGOUT, &rules::APP_EXPIRE, &rules::ROLE_LAPSE]
            .contains(&self.rule())
    }
}

/// As it stands in the journal, before it is sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    kept: Kept,
    event: EventId,
    at: Timestamp,
    of: CutOf,
    detail: Json,
    why: Option<String>,
    also: Vec<WrittenAlso>,
    #[serde(default)]
    owed: Option<WrittenAlso>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenAlso {
    id: EventId,
    action: String,
    detail: Json,
    why: Option<String>,
}

impl CutNote {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let also = |also: &Also| WrittenAlso {
            id: also.id.clone(),
            action: also.action.to_owned(),
            detail: also.detail.clone(),
            why: also.why.clone(),
        };
        let written = Written {
            kept: self.spent.keep(),
            event: self.event.clone(),
            at: self.at,
            of: self.of.clone(),
            detail: self.detail.clone(),
            why: self.why.clone(),
            also: self.also.iter().map(also).collect(),
            owed: self.owed.as_ref().map(also),
        };
        serde_json::to_vec(&written).map_err(StoreError::json)
    }

    /// `None` for what only another version knows: its cut cannot be done here.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        let also = |also: WrittenAlso| {
            let rule = ACTS.iter().find(|rule| rule.name == also.action)?;
            let outcome = Outcome::Allowed;
            Some(Also { id: also.id, action: rule.name, outcome, detail: also.detail, why: also.why })
        };
        Some(Self {
            event: written.event,
            at: written.at,
            of: written.of,
            detail: written.detail,
            why: written.why,
            also: written.also.into_iter().map(also).collect::<Option<_>>()?,
            owed: match written.owed {
                Some(owed) => Some(also(owed)?),
                None => None,
            },
            spent: Arc::new(Spent::again(written.kept)?),
        })
    }
}

/// The detail of an event that was written after its time.
pub(crate) fn late(detail: Json, written_at: Timestamp) -> Json {
    match detail {
        Json::Object(mut fields) => {
            fields.insert("written_late_at".to_owned(), json!(written_at));
            Json::Object(fields)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            json!({ "written_late_at": written_at, "detail": detail })
        }
    }
}
