//! The one door to the server's code: runs the platform in this process.

use model::{Problem, ProblemKind};
use std::path::PathBuf;

/// What `up` was asked for.
#[derive(Debug, Clone)]
pub(crate) struct UpOptions {
    pub(crate) data: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) listen: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) demo: Demo,
}

/// Whether the samples are deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demo {
    Yes,
    No,
}

/// What there is to say once it serves.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) url: String,
    /// The first operator's one-time link, on a first start.
    pub(crate) link: Option<String>,
    /// What to try, and what was set up for it.
    pub(crate) lines: Vec<String>,
}

/// Serves until it is told to stop.
///
/// # Errors
/// What keeps it from serving.
pub(crate) async fn run(options: UpOptions, on_ready: impl FnOnce(Ready) + Send + 'static) -> Result<(), Problem> {
    drop((options, on_ready));
    Err(Problem::new(
        ProblemKind::Unavailable,
        "up.later",
        "this build cannot run a server",
        "the server is not part of it",
        "build the whole program with `cargo run --release -- up`",
    ))
}
