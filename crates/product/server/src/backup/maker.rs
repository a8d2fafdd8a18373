//! Who made an archive. For whom it is encrypted is no secret, so whoever may write where backups lie could make one up;
//! what ends each archive is a code over everything in it, by a key that descends from the root key.
//!
//! Refuses, unless a person says otherwise, an archive that does not end so, or ends by another root key.

use super::failed;
use model::{Problem, ProblemKind, TenantId};
use seal::{Context, DigestWriter, Purpose, PurposeKey, RootKey};
use serde::{Deserialize, Serialize};
use std::io;

/// The last entry of an archive.
pub(super) const PROOF: &str = "proof.json";

/// Ends archives, and knows its own.
#[derive(Debug, Clone)]
pub(crate) struct Maker {
    /// The id of the root key, which is public.
    root: String,
    key: PurposeKey,
}

/// Whether an archive is taken that does not prove who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    Refused,
    /// It may be anybody's: of another root key, of a version that proved nothing, or made up.
    Accepted,
}

/// The end of an archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    root: String,
    code: String,
}

/// Everything that an archive holds, in order: names and contents, each with its length.
#[derive(Debug, Default)]
pub(super) struct Chain(DigestWriter);

impl Chain {
    pub(super) fn entry(&mut self, name: &str, bytes: &[u8]) {
        for part in [name.as_bytes(), bytes] {
            self.0.update(&(part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
    }
}

/// Why an archive is not taken for ours.
#[derive(Debug, thiserror::Error)]
enum NotOurs {
    #[error("it does not say who made it: versions before this one did not, and whoever makes one up does not")]
    Silent,
    #[error("it was made under the root key `{made}`, and the one here is `{here}`")]
    OtherRoot { made: String, here: String },
    #[error("it says that this root key's server made it, and that is not so: it was altered or made up")]
    Forged,
}

impl Maker {
    pub(crate) fn new(root: &RootKey) -> Self {
        Self { root: root.id(), key: root.tenant(&TenantId::main()).purpose(Purpose::Backup) }
    }

    fn context() -> Context {
        Context::table("backup archive")
    }

    pub(super) fn prove(&self, chain: Chain) -> Proof {
        let digest = chain.0.finish().to_string();
        Proof { root: self.root.clone(), code: hex::encode(self.key.mac(&Self::context(), digest.as_bytes())) }
    }

    /// # Errors
    /// When it is not proved that this root key's server made it; `problem` says that in words.
    pub(super) fn check(&self, chain: Chain, proof: Option<&Proof>) -> io::Result<()> {
        let digest = chain.0.finish().to_string();
        let holds = |proof: &Proof| {
            let code = hex::decode(&proof.code).unwrap_or_default();
            self.key.verify_mac(&Self::context(), digest.as_bytes(), &code).is_ok()
        };
        let why = match proof {
            None => NotOurs::Silent,
            Some(proof) if proof.root != self.root => {
                NotOurs::OtherRoot { made: proof.root.clone(), here: self.root.clone() }
            }
            Some(proof) if holds(proof) => return Ok(()),
            Some(_) => NotOurs::Forged,
        };
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }
}

/// Why an archive cannot be read, in words.
pub(super) fn problem(what: &str, error: &io::Error, fix: &str) -> Problem {
    let Some(why) = error.get_ref().and_then(|inner| inner.downcast_ref::<NotOurs>()) else {
        return failed(what, error, fix);
    };
    let (code, fix) = match why {
        NotOurs::OtherRoot { .. } => (
            "backup.root_key",
            "give the recovery copy of that root key; for its configuration alone, `--accept-unproven` once you have read it",
        ),
        NotOurs::Silent | NotOurs::Forged => (
            "backup.unproven",
            "take another backup; `--accept-unproven` takes this one, if you know for certain where it comes from",
        ),
    };
    Problem::new(ProblemKind::Unprocessable, code, what, why.to_string(), fix)
}
