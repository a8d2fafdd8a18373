//! What a gate saw.

use crate::{Edit, Timestamp, WaiverId};
use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Worth mending; does not stop a release.
    Warn,
    /// Stops the release until it is mended or waived.
    Block,
}

/// One thing that a gate saw, in the builder's words: never holds a secret value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code, such as `secret.found`.
    pub code: String,
    pub severity: Severity,
    /// Path inside the bundle, with `/`; absent when the finding is about the whole app.
    pub file: Option<String>,
    /// 1-based.
    pub line: Option<u32>,
    /// 1-based, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    pub what: String,
    pub why: String,
    pub fix: String,
    /// The same fix as changes that a machine can make, where it can; none when a person has to decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// The exception to it for this app. It is shown all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waived>,
}

impl Finding {
    /// Whether it stops the release: it does, unless a waiver of it holds.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.severity == Severity::Block && !self.is_waived()
    }

    /// Whether it would stop the release, and somebody with a name took that on.
    #[must_use]
    pub fn is_waived(&self) -> bool {
        self.waiver.as_ref().is_some_and(|waiver| waiver.state == WaiverState::Active)
    }
}

/// Whether an exception holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaiverState {
    Active,
    /// Its date came: the rule holds again.
    Lapsed,
    /// Somebody ended it before its date, or a newer one took its place.
    Ended,
}

impl WaiverState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Lapsed => "lapsed",
            Self::Ended => "ended",
        }
    }
}

/// The exception that a finding has, or had: who agreed to it, why, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waived {
    pub id: WaiverId,
    pub state: WaiverState,
    /// `person:ID`, `machine:USER`.
    pub by: String,
    /// The same as people know them; never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Sealed in the record, and filled in for whoever is shown the finding; none when whoever said it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// It holds before this moment; of one that was ended early, when that was.
    pub until: Timestamp,
}
