//! What acts of the catalog answer with: the documents that scripts parse.

use authority::{AppState, Cut, CutState};
use model::{AppId, Env, EventId, Finding, Problem, ReleaseNumber, RequestId, Tier, Timestamp};
use serde::Serialize;
use store::Recorded;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Live,
    /// A person has to say yes first.
    Waiting,
    /// Nothing serves, since its date is past; its team may deploy.
    Expired,
    Refused,
}

/// What `deploy`, `approve` and `rollback` print.
#[derive(Debug, Clone, Serialize)]
pub struct Deployed {
    pub app: Option<String>,
    pub app_id: Option<AppId>,
    pub env: Env,
    pub release: Option<ReleaseNumber>,
    pub digest: Option<String>,
    pub tier: Option<Tier>,
    pub status: Status,
    pub url: Option<String>,
    pub findings: Vec<Finding>,
    pub request: Option<RequestId>,
    pub event: Option<EventId>,
    /// The yes that made it live just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// A yes, as the document of `approve` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Approval {
    /// `person:ID`, `machine:USER`.
    pub by: String,
    /// `break-glass`, when nobody but the local credential said yes.
    pub exception: Option<&'static str>,
    pub independent: bool,
    /// What the approver has from whoever asked: `account`, `role`, `link`.
    pub dependence: Vec<&'static str>,
}

/// Where a cut is kept when it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    Record,
    /// Beside the database; a restart keeps it cut.
    Journal,
    /// Nowhere else: a restart before it is written brings back what was cut.
    Memory,
}

impl From<Recorded> for Kept {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::InDatabase | Recorded::Unheard => Self::Record,
            Recorded::InJournal => Self::Journal,
            Recorded::InMemory => Self::Memory,
        }
    }
}

/// What a revoke cut, where and when: the body of the event `app.revoke.done`.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    pub app: String,
    pub app_id: AppId,
    pub why: String,
    pub asked_at: Timestamp,
    pub done_at: Timestamp,
    pub event: EventId,
    /// The id of `app.revoke.done`, which has this receipt once nothing of it is `expiring` any more.
    pub done_event: EventId,
    /// False when the record could not be written yet: the app is cut all the same, and both events come later.
    pub recorded: bool,
    pub kept: Kept,
    pub surfaces: Vec<Cut>,
}

impl Receipt {
    /// Whether something of it is not dead yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.surfaces.iter().any(|line| line.state == CutState::Expiring)
    }
}

/// What `restore` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    pub app: String,
    pub app_id: AppId,
    /// `live`, or `waiting` when something still needs a person's yes, or `expired`.
    pub status: Status,
    /// What serves again.
    pub environments: Vec<RestoredEnv>,
    /// What serves again once somebody has said yes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<RestoreWaits>,
    /// What stays off, since a waiver that it needs is over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_off: Vec<RestoreOff>,
    /// What is not switched off any more, and serves nothing until its team deploys to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub empty: Vec<RestoreEmpty>,
    pub event: EventId,
}

#[derive(Debug, Clone, Serialize)]
pub struct RestoredEnv {
    pub env: Env,
    pub release: ReleaseNumber,
    pub url: String,
    /// What was issued under a lower one stays dead.
    pub credential_epoch: u64,
}

/// A release whose yes does not hold any more: approving the request lets it serve again, with its data.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreWaits {
    pub env: Env,
    pub release: ReleaseNumber,
    pub request: RequestId,
}

/// A release that needs a waiver which is over: another one, and a second `restore`, let it serve again.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreOff {
    pub env: Env,
    pub release: ReleaseNumber,
    pub problem: Problem,
}

/// An environment that never served (`waiting`), or is past its date (`expired`).
#[derive(Debug, Clone, Serialize)]
pub struct RestoreEmpty {
    pub env: Env,
    pub state: AppState,
}

/// The certificate that stays when an app is gone.
#[derive(Debug, Clone, Serialize)]
pub struct Retired {
    pub app: String,
    pub app_id: AppId,
    pub retired_at: Timestamp,
    pub deleted: Vec<String>,
    pub event: EventId,
    /// Nobody retired it: the grace after its date was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Grace>,
    /// Of the answer alone: false while another node has not said that it serves nothing of it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub everywhere: Option<bool>,
}

/// The time between the last date of an app and the end of its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Grace {
    pub began_at: Timestamp,
    pub ended_at: Timestamp,
}
