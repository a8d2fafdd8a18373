//! What can go wrong in the vault. No variant holds a value, and no source could show one.

use authority::Denied;
use model::Problem;
use store::{HoldsStoreError, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("a stored value could not be opened")]
    Seal(#[from] seal::Error),
    #[error("a stored row cannot be read")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Refused(Box<Problem>),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
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

impl HoldsStoreError for Error {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Denied(_) | Self::Seal(_) | Self::Json(_) | Self::Refused(_) => None,
        }
    }
}
