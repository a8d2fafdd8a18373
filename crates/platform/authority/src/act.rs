//! What is asked for: an act, its rule and its target.

use crate::{AppRef, Judged, Rule, Waiver};
use model::{AppId, Env, Group, PersonId, TenantId};
use std::fmt;

/// How an act's event becomes durable (design: The record).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Authority taken away: cut first, recorded as soon as possible.
    Cut,
    /// Every other change: in the same commit, refused if it cannot be.
    Act,
    /// A value released or refused, an export: recorded before it takes effect.
    Use,
    /// A request or a brokered call: recorded within a second, from a bounded buffer.
    Access,
}

/// Whether an act changes who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EpochEffect {
    /// Policy, role, membership, grant or app state change with it.
    Raises,
    Keeps,
}

/// On what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Target {
    pub tenant: TenantId,
    pub app: Option<AppId>,
    pub env: Option<Env>,
    /// With opaque ids: `app/ID`, `person/ID`, `secret/ID`.
    pub resource: String,
    /// Whom it is about, where the resource does not say so: whose request is decided, who is given a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<PersonId>,
}

impl Target {
    #[must_use]
    pub fn new(tenant: TenantId, resource: impl Into<String>) -> Self {
        Self { tenant, app: None, env: None, resource: resource.into(), about: None }
    }

    /// An app as a whole.
    #[must_use]
    pub fn app(tenant: TenantId, id: &AppId) -> Self {
        Self { app: Some(id.clone()), ..Self::new(tenant, format!("app/{id}")) }
    }

    /// An app in one environment, and something within it.
    #[must_use]
    pub fn within(tenant: TenantId, app: &AppRef, resource: impl Into<String>) -> Self {
        Self { app: Some(app.id.clone()), env: Some(app.env), ..Self::new(tenant, resource) }
    }

    /// Whom it is about, besides whoever does it.
    #[must_use]
    pub fn about(self, person: Option<&PersonId>) -> Self {
        Self { about: person.cloned(), ..self }
    }
}

/// Something that a caller may ask to do. A value of it carries the target.
pub trait Act: fmt::Debug + Send + Sync + 'static {
    /// Its line in the one table of acts.
    const RULE: &'static Rule;

    fn target(&self) -> Target;

    /// The team that owns the target, for rules that ask for it.
    fn team(&self) -> Option<Group> {
        None
    }

    /// Who asked for what this act would approve: requester ≠ approver is checked against it.
    fn requester(&self) -> Option<PersonId> {
        None
    }

    /// Whether the caller said `--break-glass`.
    fn break_glass(&self) -> BreakGlass {
        BreakGlass::No
    }

    /// What policy may judge besides caller and target.
    fn facts(&self) -> Judged {
        Judged::default()
    }

    /// Of an act that would bring a release to life: the waivers of its app. None for all others.
    fn waivers(&self) -> &[Waiver] {
        &[]
    }
}

/// An exception that is asked for by name, and shown for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakGlass {
    Yes,
    No,
}
