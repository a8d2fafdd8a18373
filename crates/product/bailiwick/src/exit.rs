//! Exit codes: what scripts branch on. A code never changes what it means.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0.
    Done,
    /// 1: a problem says why and what to do.
    Refused,
    /// 2: the command itself was wrong.
    Wrong,
    /// 3: accepted, and waiting for a person.
    Waiting,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Wrong => 2,
            Exit::Waiting => 3,
        })
    }
}
