//! What the log holds for an event: a version and a salted commitment to its stored bytes, nothing else.
//!
//! The salt keeps an erased body from being guessed by hashing candidates; body and salt are erased together.

use crate::Hash;
use std::fmt;

/// The first byte of a leaf.
pub const LEAF_VERSION: u8 = 1;
/// Length of a salt in bytes: as long as the hash, so that guessing it is no easier than breaking that.
pub const SALT_BYTES: usize = 32;
/// Length of a leaf in bytes: version and SHA-256.
pub const LEAF_BYTES: usize = 33;

/// `version (1 byte) ‖ SHA-256(salt ‖ exact stored bytes)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Leaf([u8; LEAF_BYTES]);

/// A fresh random salt; each entry has its own.
#[must_use]
pub fn new_salt() -> [u8; SALT_BYTES] {
    seal::random_bytes()
}

impl Leaf {
    /// The leaf of an entry: `body` is the exact bytes that are stored, in no matter what format.
    #[must_use]
    pub fn of(salt: &[u8; SALT_BYTES], body: &[u8]) -> Self {
        let mut writer = seal::DigestWriter::new();
        writer.update(salt);
        writer.update(body);
        let digest = writer.finish();
        let mut leaf = [LEAF_VERSION; LEAF_BYTES];
        for (slot, byte) in leaf.iter_mut().skip(1).zip(digest.as_bytes()) {
            *slot = *byte;
        }
        Self(leaf)
    }

    /// Reads back a stored leaf; `None` unless it is [`LEAF_BYTES`] long and of [`LEAF_VERSION`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let leaf: [u8; LEAF_BYTES] = bytes.try_into().ok()?;
        (leaf.first() == Some(&LEAF_VERSION)).then_some(Self(leaf))
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; LEAF_BYTES] {
        &self.0
    }

    /// Its hash in the tree: SHA-256(0x00 ‖ leaf) (RFC 6962, section 2.1).
    #[must_use]
    pub fn hash(&self) -> Hash {
        tlog_tiles::record_hash(&self.0).into()
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaf({})", hex::encode(self.0))
    }
}
