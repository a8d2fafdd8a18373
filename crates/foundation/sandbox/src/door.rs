//! The only way out of an instance. The caller implements it, once per request, and decides what passes.

use crate::{Report, body::Body};
use futures_util::future::BoxFuture;

/// A request on its way out, or why there is no answer.
pub type Sending = BoxFuture<'static, Result<http::Response<Body>, DoorError>>;

/// All that one instance can do to the world.
///
/// Requests run on the caller's runtime and end with the instance. The other two are called on a guest's thread and
/// must not block.
pub trait Door: Send + Sync {
    fn send(&self, request: http::Request<Body>) -> Sending;
    fn log(&self, line: LogLine);
    /// The last call: nothing of the instance is left.
    fn ended(&self, report: Report);
}

/// Why a request that may go out got no answer. A refusal by rule is a response, not this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    #[error("the destination cannot be reached: {0}")]
    Unreachable(String),
    #[error("the destination did not answer in time")]
    TimedOut,
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("not allowed")]
    Denied,
}

/// One line of the app's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub level: Level,
    pub text: String,
    /// `file:line:column` in the builder's sources.
    pub at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Log,
    Info,
    Warn,
    Error,
}

impl Level {
    /// As it is written anywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Log => "log",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
