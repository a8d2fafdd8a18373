//! The nouns of the house: ids, classes, tiers, environments, the manifest, findings, and `Problem`.
//!
//! No I/O, no clock, no randomness except the making of ids. Every other crate may use this one; it uses none.

mod class;
mod edit;
mod env;
mod finding;
mod ids;
pub mod manifest;
mod notice;
mod problem;
mod said;
mod time;

pub use class::{Class, Tier, UnknownWord};
pub use edit::{Edit, edited};
pub use env::Env;
pub use finding::{Finding, Severity, Waived, WaiverState};
pub use ids::{
    AppId, CallId, EventId, Group, PersonId, ReleaseNumber, RequestId, SecretId, SessionId, TenantId, TraceId, WaiverId,
};
pub use manifest::Manifest;
pub use notice::NoticeKind;
pub use problem::{Problem, ProblemKind};
pub use said::{Said, sentence};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
