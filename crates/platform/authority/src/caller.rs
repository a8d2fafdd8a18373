//! Who asks: a person, an app (for a person), this machine, the system itself, or a stranger.

use crate::Role;
use model::{AppId, CallId, Env, PersonId, SessionId, TenantId, Timestamp, TraceId};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::Arc};

/// An app in one of its environments; has a service account of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppRef {
    pub id: AppId,
    pub env: Env,
}

/// How a person proved who they are in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Factor {
    /// A one-time link alone.
    Link,
    /// A passkey, or single sign-on with a second factor, at this moment.
    Second { at: Timestamp },
}

/// Who asks, with the chain of who acts for whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Who {
    Person {
        id: PersonId,
        session: SessionId,
        factor: Factor,
        /// The session began at the organisation's own provider.
        #[serde(default)]
        single_sign_on: bool,
    },
    /// The app itself: a job, or a call with its service account's token.
    App(AppRef),
    /// The app while it serves this person: its own authority, narrowed by theirs.
    AppFor { app: AppRef, person: PersonId },
    /// The local credential, with the system's user that holds it.
    Machine { system_user: Arc<str> },
    /// A job of the platform, by name.
    System { job: Cow<'static, str> },
    /// Nobody is signed in.
    Stranger,
}

/// Where a call came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    pub ip: Option<std::net::IpAddr>,
    /// What the browser or client calls itself, cut to 200 characters.
    pub device: Option<Arc<str>>,
}

/// A known caller, in one tenant, in one trace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Caller {
    pub tenant: TenantId,
    pub who: Who,
    pub origin: Origin,
    pub trace: Option<TraceId>,
    /// The request that it came with.
    pub request: Option<CallId>,
}

impl Caller {
    #[must_use]
    pub const fn new(tenant: TenantId, who: Who) -> Self {
        Self { tenant, who, origin: Origin { ip: None, device: None }, trace: None, request: None }
    }

    /// A job of the platform, in the main tenant.
    #[must_use]
    pub fn system(job: &'static str) -> Self {
        Self::new(TenantId::main(), Who::System { job: Cow::Borrowed(job) })
    }

    #[must_use]
    pub fn from(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// In a trace, by a request of its own.
    #[must_use]
    pub fn traced(mut self, trace: TraceId) -> Self {
        (self.trace, self.request) = (Some(trace), Some(CallId::generate()));
        self
    }

    /// The same origin and trace, acting as an app (for the person who called, if one did).
    #[must_use]
    pub fn through(&self, app: AppRef) -> Self {
        let who = match self.person() {
            Some(person) => Who::AppFor { app, person: person.clone() },
            None => Who::App(app),
        };
        Self { who, ..self.clone() }
    }

    #[must_use]
    pub const fn person(&self) -> Option<&PersonId> {
        match &self.who {
            Who::Person { id, .. } | Who::AppFor { person: id, .. } => Some(id),
            Who::App(_) | Who::Machine { .. } | Who::System { .. } | Who::Stranger => None,
        }
    }

    /// When a person showed a second factor in this session.
    #[must_use]
    pub const fn proved(&self) -> Option<Timestamp> {
        match &self.who {
            Who::Person { factor: Factor::Second { at }, .. } => Some(*at),
            Who::Person { factor: Factor::Link, .. }
            | Who::App(_)
            | Who::AppFor { .. }
            | Who::Machine { .. }
            | Who::System { .. }
            | Who::Stranger => None,
        }
    }

    #[must_use]
    pub const fn app(&self) -> Option<&AppRef> {
        match &self.who {
            Who::App(app) | Who::AppFor { app, .. } => Some(app),
            Who::Person { .. } | Who::Machine { .. } | Who::System { .. } | Who::Stranger => None,
        }
    }

    /// The chain for the record, outermost actor first: `["app:ID/prod", "person:ID"]`.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        match &self.who {
            Who::Person { id, .. } => vec![format!("person:{id}")],
            Who::App(app) => vec![format!("app:{}/{}", app.id, app.env)],
            Who::AppFor { app, person } => vec![format!("app:{}/{}", app.id, app.env), format!("person:{person}")],
            Who::Machine { system_user } => vec![format!("machine:{system_user}")],
            Who::System { job } => vec![format!("system:{job}")],
            Who::Stranger => vec!["stranger".to_owned()],
        }
    }

    /// Whose key seals the free text of this caller's events; erasing a person deletes that key.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.who {
            Who::Person { id, .. } | Who::AppFor { person: id, .. } => format!("person:{id}"),
            Who::App(app) => format!("app:{}", app.id),
            Who::Machine { .. } => "machine".to_owned(),
            Who::System { .. } => "system".to_owned(),
            Who::Stranger => "stranger".to_owned(),
        }
    }

    pub(crate) const fn kind(&self) -> &'static str {
        match &self.who {
            Who::Person { .. } => "person",
            Who::App(_) => "app",
            Who::AppFor { .. } => "app_for_person",
            Who::Machine { .. } => "machine",
            Who::System { .. } => "system",
            Who::Stranger => "stranger",
        }
    }
}

impl Role {
    /// The built-in group that carries the role.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Builder => "builders",
            Self::Reviewer => "reviewers",
            Self::Operator => "operators",
            Self::Auditor => "auditors",
        }
    }
}
