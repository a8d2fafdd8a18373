//! What can go wrong here.

use authority::Denied;
use model::Problem;
use store::{HoldsStoreError, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error("{0}")]
    Refused(Problem),
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        match error {
            Error::Refused(problem) => problem.clone(),
            Error::Denied(denied) => denied.clone().into(),
            Error::Identity(error) => error.into(),
            Error::Store(error) => error.problem(),
        }
    }
}

impl HoldsStoreError for Error {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Denied(_) | Self::Identity(_) | Self::Refused(_) => None,
        }
    }
}
