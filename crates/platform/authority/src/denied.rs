//! A denial: the rule, the reason in plain words, and who could allow it.

use model::{Problem, ProblemKind};

/// Why a permit was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{act}: {why}")]
pub struct Denied {
    /// The act that was asked for.
    pub act: &'static str,
    /// Stable code, such as `role.missing`, `policy.retention`.
    pub code: String,
    pub why: String,
    /// What to do next, or who could allow it.
    pub fix: String,
    pub kind: ProblemKind,
}

impl Denied {
    pub(crate) fn new(act: &'static str, code: &str, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { act, code: code.to_owned(), why: why.into(), fix: fix.into(), kind: ProblemKind::Denied }
    }

    pub(crate) const fn with_kind(mut self, kind: ProblemKind) -> Self {
        self.kind = kind;
        self
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let does = crate::ACTS.iter().find(|rule| rule.name == denied.act).map_or(denied.act, |rule| rule.says);
        Self::new(denied.kind, denied.code, format!("you may not {does}"), denied.why, denied.fix)
    }
}
