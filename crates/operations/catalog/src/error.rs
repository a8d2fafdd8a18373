//! What can go wrong in the catalog.

use authority::{Denied, SurfaceError};
use model::Problem;
use store::{HoldsStoreError, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Surface(#[from] SurfaceError),
    #[error("a stored manifest cannot be read any more")]
    Manifest,
    #[error("{0}")]
    Refused(Problem),
}

impl HoldsStoreError for Error {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Surface(SurfaceError::Failed { source, .. }) => source.downcast_ref::<StoreError>(),
            Self::Surface(SurfaceError::Refused(_)) | Self::Denied(_) | Self::Manifest | Self::Refused(_) => None,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        match error {
            Error::Refused(problem) | Error::Surface(SurfaceError::Refused(problem)) => problem.clone(),
            Error::Denied(denied) => denied.clone().into(),
            Error::Store(error) => error.problem(),
            Error::Surface(SurfaceError::Failed { .. }) | Error::Manifest => Self::internal(),
        }
    }
}
