//! What a person sees when something is refused: the same words in terminal, page and API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fmt, time::Duration};

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
    /// How long to wait before it is worth another try, where that is known. Beside the document, as a header.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
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
        Self {
            kind,
            code: code.into(),
            what: what.into(),
            at: None,
            why: why.into(),
            fix: fix.into(),
            retry_after: None,
        }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn later(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// When to come back, in whole seconds and never too early (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after.map(|wait| (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
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

    /// `application/problem+json` (RFC 9457, section 3), with our fields beside the standard ones. `status` is the one that
    /// it is sent with, which need not be that of the kind.
    #[must_use]
    pub fn document(&self, status: u16) -> Value {
        let Self { kind: _, code, what, at, why, fix, retry_after: _ } = self;
        json!({
            "type": format!("urn:bailiwick:problem:{code}"), "title": what, "status": status, "detail": why,
            "code": code, "what": what, "at": at, "why": why, "fix": fix,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_standards_fields_and_ours() {
        let problem =
            Problem::new(ProblemKind::Gone, "app.retired", "it was ended", "its team did", "ask them").at("app");
        let text = r#"{"type":"urn:bailiwick:problem:app.retired","title":"it was ended","status":421,"detail":"its team did","code":"app.retired","what":"it was ended","at":"app","why":"its team did","fix":"ask them"}"#;
        let document = problem.document(421);
        assert_eq!(document, serde_json::from_str::<Value>(text).unwrap());
        let read: Problem = serde_json::from_value(document).unwrap();
        assert_eq!((read.code, read.fix, read.at), (problem.code, problem.fix, problem.at));
    }

    #[test]
    fn a_wait_is_said_in_whole_seconds_and_never_too_short() {
        let after = |ms| Problem::internal().later(Duration::from_millis(ms)).retry_after_secs();
        assert_eq!([0, 1, 1_000, 1_001, 60_000].map(after), [1, 1, 1, 2, 60].map(Some));
        assert_eq!(Problem::internal().retry_after_secs(), None);
    }
}
