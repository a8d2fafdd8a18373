//! What can go wrong in the broker itself; what is refused to a guest is a `model::Problem` in a response.

use store::{HoldsStoreError, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("the machine's DNS settings cannot be used: {0}")]
    Dns(String),
}

impl HoldsStoreError for Error {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Tls(_) | Self::Dns(_) => None,
        }
    }
}
