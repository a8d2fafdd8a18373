//! What can go wrong in data. No variant holds a value of a record.

use authority::Denied;
use model::Problem;
use store::{HoldsStoreError, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("a stored field could not be opened")]
    Seal(#[from] seal::Error),
    #[error("a stored record is malformed")]
    Json(#[from] serde_json::Error),
    /// The call itself is refused, in the builder's words.
    #[error("{0}")]
    Refused(Box<Problem>),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl HoldsStoreError for Error {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Denied(_) | Self::Seal(_) | Self::Json(_) | Self::Refused(_) => None,
        }
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        match error {
            Error::Refused(problem) => Self::clone(problem),
            Error::Denied(denied) => denied.clone().into(),
            Error::Store(error) => error.problem(),
            Error::Seal(_) | Error::Json(_) => Self::internal(),
        }
    }
}
