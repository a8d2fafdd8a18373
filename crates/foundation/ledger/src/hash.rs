//! A node of the Merkle tree: 32 bytes, shown in base64 as checkpoints do.

use crate::Error;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// Length of a hash in bytes (SHA-256).
pub const HASH_BYTES: usize = 32;

/// Length of a hash in base64 with padding (RFC 4648, section 4).
pub(crate) const HASH_TEXT_BYTES: usize = 44;

/// A leaf hash, node hash or root (RFC 6962, section 2.1). Shown and serialised in base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// The root of the empty tree: SHA-256 of nothing (RFC 6962, section 2.1).
    pub const EMPTY: Self = Self(tlog_tiles::EMPTY_HASH.0);

    #[must_use]
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// The hash over a left and a right one: SHA-256(0x01 ‖ left ‖ right) (RFC 6962, section 2.1).
    pub(crate) fn over(left: Self, right: Self) -> Self {
        tlog_tiles::node_hash(left.into(), right.into()).into()
    }

    /// The hashes that a hash tile holds one after the other.
    pub(crate) fn many(bytes: &[u8]) -> Option<Vec<Self>> {
        let (chunks, rest) = bytes.as_chunks::<HASH_BYTES>();
        rest.is_empty().then(|| chunks.iter().copied().map(Self).collect())
    }
}

impl From<tlog_tiles::Hash> for Hash {
    fn from(hash: tlog_tiles::Hash) -> Self {
        Self(hash.0)
    }
}

impl From<Hash> for tlog_tiles::Hash {
    fn from(hash: Hash) -> Self {
        Self(hash.0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0u8; HASH_BYTES];
        let exact = text.len() == HASH_TEXT_BYTES;
        match BASE64_STANDARD.decode_slice(text, &mut bytes) {
            Ok(HASH_BYTES) if exact => Ok(Self(bytes)),
            _ => Err(Error::MalformedHash),
        }
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
