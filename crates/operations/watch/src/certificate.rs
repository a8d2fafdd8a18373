//! When the server's own certificate ends.
//!
//! Refuses to warn of one whose dates cannot be read: TLS itself does not take that.

use gateway::{Certificates, validity};
use model::Timestamp;

/// Digits of the digest that names it.
const NAME_CHARS: usize = 16;

/// The certificate that is served now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    pub(crate) digest: String,
    pub since: Timestamp,
    pub ends_at: Timestamp,
}

/// `None`: its dates cannot be read.
#[must_use]
pub fn of(certificates: &Certificates) -> Option<Own> {
    let leaf = certificates.leaf()?;
    let (since, ends_at) = validity(&leaf)?;
    let digest = seal::Digest::of(&leaf).to_hex().chars().take(NAME_CHARS).collect();
    Some(Own { digest, since, ends_at })
}
