//! What can go wrong in identity.

use authority::Denied;
use model::{Problem, ProblemKind};
use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("sealed text could not be opened")]
    Seal(#[from] seal::Error),
    #[error("token")]
    Token(#[source] jsonwebtoken::errors::Error),
    #[error("the state of a sign-in could not be read or written")]
    State(#[source] serde_json::Error),
    #[error("{0}")]
    Refused(Problem),
}

impl Error {
    pub(crate) fn refused(
        kind: ProblemKind,
        code: &str,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Refused(Problem::new(kind, code, what, why, fix))
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        match error {
            Error::Refused(problem) => problem.clone(),
            Error::Denied(denied) => denied.clone().into(),
            Error::Store(error) => error.problem(),
            Error::Token(_) => Self::new(
                ProblemKind::Unauthenticated,
                "token.invalid",
                "the token is not valid",
                "it is malformed, expired, or was not issued here",
                "get a new one with `bailiwick token NAME`",
            ),
            Error::Seal(_) | Error::State(_) => Self::internal(),
        }
    }
}

impl store::HoldsStoreError for Error {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Denied(_) | Self::Seal(_) | Self::State(_) | Self::Token(_) | Self::Refused(_) => None,
        }
    }
}
