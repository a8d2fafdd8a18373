//! Why an instance ended before its time, in words for the app's log, and the account of what a request used.

use std::time::Duration;

/// Why there is no response, or no whole one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    #[error("the request used more than its {} ms of CPU time; do less in one request, or {}", limit.as_millis(), more("cpu", limit.as_millis(), "ms"))]
    Cpu { limit: Duration },
    #[error("the request took longer than its {} ms; wait for less, or {}", limit.as_millis(), more("time", limit.as_millis(), "ms"))]
    Time { limit: Duration },
    #[error("the request needed more than its {} MiB of memory; keep less at once, or {}", limit_bytes >> 20, more("memory", u128::from(limit_bytes >> 20), "MiB"))]
    Memory { limit_bytes: u64 },
    #[error("the response is larger than allowed: {what}")]
    Output { what: String },
    /// The code did what no recovery can follow.
    #[error("the app's code broke off: {text}")]
    Trap { text: String },
    /// The handler threw; `text` is the error with its stack, in the builder's lines.
    #[error("the handler ended with an error: {text}")]
    Uncaught { text: String },
    #[error("the handler ended without a response")]
    NoResponse,
    /// The response's body ended before it was whole.
    #[error("the app broke its response off")]
    Incomplete,
    /// The caller went away, or the app was switched off.
    #[error("the request was cancelled")]
    Cancelled,
    #[error("the app is serving as many requests as it may; try again in a moment")]
    Busy,
    /// The request could not be given to the app as it is.
    #[error("the request cannot be given to an app: {what}")]
    Unfit { what: &'static str },
    /// The compiled code is gone from the cache: load the image again.
    #[error("the app's code is not loaded")]
    NotLoaded,
}

/// Where the limit stands, and what to write there for twice as much.
fn more(key: &str, limit: u128, unit: &str) -> String {
    let twice = limit.saturating_mul(2);
    format!("set `{key} = \"{twice}{unit}\"` in `limits` under `[runtime]` of `bailiwick.toml`, then deploy again")
}

/// What one request used; delivered once, when nothing of the instance is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub cpu: Duration,
    /// From the call to the end of instance and response body.
    pub wall: Duration,
    pub peak_memory_bytes: u64,
    pub response_bytes: u64,
    /// Absent when handler and body came to their own end.
    pub stopped: Option<Stopped>,
}
