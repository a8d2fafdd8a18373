//! The proof of one event as one document: what `audit prove` prints, and anyone can check.
//!
//! Refuses salt without body and body without salt; an erased event is proved by its hash alone.

use crate::{
    Checkpoint, Error, Hash, Leaf, ReadTiles, SALT_BYTES, SignedCheckpoint, StoredEntry, VerifierKey,
    proof::{leaf_hash, prove_inclusion, verify_inclusion},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

/// The form of [`EventProof`] in JSON.
pub const PROOF_FORMAT: &str = "bailiwick-proof 1";

/// All that shows one event to be in a log, in one document: what `audit prove` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventProof {
    /// [`PROOF_FORMAT`].
    pub format: String,
    /// The log's key. Whoever checks the proof compares it with one from elsewhere.
    pub key: VerifierKey,
    /// The signed note (C2SP `tlog-checkpoint`).
    pub checkpoint: String,
    pub index: u64,
    /// 32 bytes in base64; `None` once erased.
    pub salt: Option<String>,
    /// The exact stored bytes, which are text; `None` once erased.
    pub body: Option<String>,
    /// The hash of the leaf: of salt and body where those are there.
    pub leaf: Hash,
    /// The nodes of RFC 6962, section 2.1.1, in its order.
    pub hashes: Vec<Hash>,
}

impl EventProof {
    /// Makes the proof for an entry. `leaf` is its hash in the log, which an erased entry still has.
    ///
    /// # Errors
    /// As [`prove_inclusion`]; [`Error::Entry`] if the body is not text; [`Error::ProofFails`] if the entry is not what
    /// the log holds.
    pub fn new<R: ReadTiles + ?Sized>(
        key: &VerifierKey,
        checkpoint: &SignedCheckpoint,
        index: u64,
        entry: &StoredEntry,
        tiles: &R,
    ) -> Result<Self, Error> {
        let hashes = prove_inclusion(checkpoint.checkpoint(), index, tiles)?;
        let (salt, body, leaf) = match entry {
            StoredEntry::Kept { salt, body } => {
                let text = std::str::from_utf8(body).map_err(|_| Error::Entry { index, why: "it is not text" })?;
                (Some(BASE64_STANDARD.encode(salt)), Some(text.to_owned()), Leaf::of(salt, body).hash())
            }
            StoredEntry::Gone => (None, None, leaf_hash(checkpoint.checkpoint(), index, tiles)?),
        };
        verify_inclusion(checkpoint.checkpoint(), index, leaf, &hashes)?;
        let checkpoint = checkpoint.note().to_owned();
        Ok(Self { format: PROOF_FORMAT.to_owned(), key: key.clone(), checkpoint, index, salt, body, leaf, hashes })
    }

    /// Checks everything: signature, leaf and path. The key that was used is [`EventProof::key`]; a `pinned` one must
    /// be the same.
    ///
    /// # Errors
    /// [`Error::MalformedProof`], [`Error::NotSigned`], [`Error::MalformedCheckpoint`], [`Error::NotInLog`],
    /// [`Error::ProofFails`].
    pub fn verify(&self, pinned: Option<&VerifierKey>) -> Result<Checkpoint, Error> {
        if self.format != PROOF_FORMAT {
            return Err(Error::MalformedProof { why: "it is of another version" });
        }
        if let Some(pinned) = pinned.filter(|pinned| pinned.public() != self.key.public()) {
            return Err(Error::NotSigned { key: pinned.to_string() });
        }
        let signed = SignedCheckpoint::open(&self.checkpoint, &self.key)?;
        match (&self.salt, &self.body) {
            (Some(salt), Some(body)) => {
                let salt = BASE64_STANDARD.decode(salt).ok().and_then(|salt| <[u8; SALT_BYTES]>::try_from(salt).ok());
                let salt = salt.ok_or(Error::MalformedProof { why: "its salt is malformed" })?;
                if Leaf::of(&salt, body.as_bytes()).hash() != self.leaf {
                    return Err(Error::ProofFails);
                }
            }
            (None, None) => {}
            _ => {
                return Err(Error::MalformedProof { why: "salt and body belong together" });
            }
        }
        verify_inclusion(signed.checkpoint(), self.index, self.leaf, &self.hashes)?;
        Ok(signed.checkpoint().clone())
    }
}
