//! What a verification found, as `audit verify` prints it.

use crate::Hash;
use serde::Serialize;

/// The outcome of a verification. Serialised as `audit verify --json` (`docs/auditors.md`, Verifying).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether everything is as the checkpoint commits to, and the checkpoint as the key signed it.
    pub ok: bool,
    /// How many entries the checkpoint counts; 0 if it could not be read.
    pub size: u64,
    /// The root that the checkpoint names; `None` if it could not be read.
    pub root: Option<Hash>,
    /// The first index that is altered, missing, out of place or unaccounted for; `None` if all is well, or if what
    /// is wrong belongs to no index (header, key, checkpoint, bytes after the end) or to none that can be told.
    pub first_bad: Option<u64>,
    /// What is wrong, or how far "ok" goes, in a sentence.
    pub what: String,
    /// What was checked.
    pub checked: Checked,
    /// Where the key came from that the checkpoint was checked with.
    pub key: KeyTrust,
    /// The verifier key (C2SP `signed-note`); `None` if none could be read.
    pub log: Option<String>,
    /// The key that the log of this name was remembered with, when that is another and none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remembered: Option<String>,
    /// How many bodies are gone, each accounted for by an `event.erase` if `ok`.
    pub erased: u64,
}

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Checked {
    /// A running log's tiles and entries.
    Live,
    /// One file.
    Export,
}

/// Where the key came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyTrust {
    /// Whoever asked gave it.
    Pinned,
    /// It was seen before, and the log continues what was seen.
    Remembered,
    /// It came with the log itself: whoever made the log could have made the key.
    Unpinned,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) index: Option<u64>,
    pub(crate) what: String,
}

impl Flaw {
    pub(crate) fn at(index: u64, what: impl Into<String>) -> Self {
        Self { index: Some(index), what: what.into() }
    }

    pub(crate) fn nowhere(what: impl Into<String>) -> Self {
        Self { index: None, what: what.into() }
    }
}
