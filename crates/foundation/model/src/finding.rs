//! What a gate saw.

use crate::Edit;
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
}
