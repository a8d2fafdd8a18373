//! What can go wrong outside a running instance.

use model::Problem;
use std::path::PathBuf;

/// Why a sandbox, an image or an app could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The builder's own code is why; the words are for the builder.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The machine does not give what instances need.
    #[error("the sandbox could not start")]
    Start(#[source] Cause),
    #[error("the engine could not be compiled: {0}")]
    Engine(String),
    #[error("`{path}` in the cache of compiled code could not be used")]
    Cache { path: PathBuf, source: std::io::Error },
    /// Bytes that are no image, or one that this server did not make.
    #[error("not an image: {0}")]
    Image(&'static str),
    /// The image must be made again from its sources.
    #[error("the image is for engine `{image}`; this server runs `{here}`")]
    OtherEngine { image: String, here: String },
    #[error("the image could not be compiled")]
    Compile(#[source] Cause),
    #[error("a task of the sandbox ended before its time")]
    Lost,
}

pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    pub(crate) fn compile(cause: wasmtime::Error) -> Self {
        Self::Compile(cause.into_boxed_dyn_error())
    }

    pub(crate) fn start(cause: wasmtime::Error) -> Self {
        Self::Start(cause.into_boxed_dyn_error())
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}
