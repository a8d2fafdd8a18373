//! What a person sees when something is refused: the same words in terminal, page and API.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What sort of refusal this is; decides the HTTP status and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The input is wrong (400).
    Invalid,
    /// Nobody is signed in, or the credential is not valid (401).
    Unauthenticated,
    /// Known caller, not allowed (403).
    Denied,
    /// No such thing, or none that this caller may know of (404).
    NotFound,
    /// The thing is not in the state that the act needs (409).
    Conflict,
    /// Switched off or expired for good (410).
    Gone,
    /// Too large (413).
    TooLarge,
    /// Understood, but breaks a rule of the thing itself (422).
    Unprocessable,
    /// Too many, come back later (429).
    Limited,
    /// The other side did not answer as it should (502).
    Upstream,
    /// Not now: overloaded, recovering, record unwritable (503).
    Unavailable,
    /// Took longer than it may (504).
    TimedOut,
    /// Our fault; the words say only what to do next (500).
    Internal,
}

impl ProblemKind {
    /// The HTTP status (RFC 9110, section 15).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Denied => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::TooLarge => 413,
            Self::Unprocessable => 422,
            Self::Limited => 429,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::Unavailable => 503,
            Self::TimedOut => 504,
        }
    }
}

/// A refusal that explains itself. Holds no secret value and no internal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    #[serde(skip, default = "default_kind")]
    pub kind: ProblemKind,
    /// Stable code, such as `secret.not_granted`.
    pub code: String,
    /// What happened; lower case, backticks around the user's words.
    pub what: String,
    /// Where: `bailiwick.toml:21`, a path, a field; always written, since others look for it.
    #[serde(default)]
    pub at: Option<String>,
    pub why: String,
    /// What to do next.
    pub fix: String,
}

const fn default_kind() -> ProblemKind {
    ProblemKind::Internal
}

impl Problem {
    #[must_use]
    pub fn new(
        kind: ProblemKind,
        code: impl Into<String>,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { kind, code: code.into(), what: what.into(), at: None, why: why.into(), fix: fix.into() }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }

    /// Our fault. The cause goes to the operator's log, where it is handled; never in here.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            ProblemKind::Internal,
            "internal",
            "something went wrong on our side",
            "the server met an error that it did not expect; nothing was changed",
            "try again; if it happens again, give your operator the time and the trace id",
        )
    }

    /// HTTP status of the kind.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.kind.status()
    }
}

impl fmt::Display for Problem {
    /// The terminal form, without colour:
    ///
    /// ```text
    /// error[secret.not_granted]: `tinypoll` may not use `people-ops/stripe`
    ///    at: bailiwick.toml:21
    ///   why: the manifest does not ask for it
    ///   fix: add it under `[secrets]`, then deploy again
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.what)?;
        if let Some(at) = &self.at {
            write!(f, "\n   at: {at}")?;
        }
        write!(f, "\n  why: {}\n  fix: {}", self.why, self.fix)
    }
}

impl std::error::Error for Problem {}
