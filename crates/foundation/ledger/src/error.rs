//! What can go wrong with logs, keys and proofs. That a log does not verify is a verdict, not an error.

use std::{io, path::PathBuf};

/// Why whoever supplies tiles and entries could not.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Why an act of this crate was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a checkpoint in the form of C2SP `tlog-checkpoint` and `signed-note`.
    #[error("this is not a checkpoint: {why}")]
    MalformedCheckpoint { why: &'static str },
    /// A note that the key did not sign, or signed in other words.
    #[error("the checkpoint is not signed by `{key}`")]
    NotSigned { key: String },
    /// Not a verifier key in the form of C2SP `signed-note`.
    #[error("`{found}` is not a verifier key: it reads `name+hash+key`, as `audit` prints it")]
    MalformedKey { found: String },
    /// Whitespace, `+` or nothing at all in a name that keys and origin lines carry.
    #[error("`{found}` cannot name a log: it may hold no space, no `+` and no control character")]
    MalformedName { found: String },
    /// Not a tile path of C2SP `tlog-tiles`.
    #[error("`{found}` is not the path of a tile")]
    MalformedTilePath { found: String },
    /// Not 32 bytes in base64.
    #[error("this is not a hash")]
    MalformedHash,
    /// Tiles that do not have the root that the checkpoint names.
    #[error("the stored tiles do not match the checkpoint of size {size}")]
    TilesDiffer { size: u64 },
    /// A tile that should be there.
    #[error("tile `{path}` is missing")]
    TileMissing { path: String },
    /// A tile of the wrong length.
    #[error("tile `{path}` is malformed")]
    TileMalformed { path: String },
    /// An index that the log does not reach.
    #[error("index {index} is not in a log of {size} entries")]
    NotInLog { index: u64, size: u64 },
    /// A size that the log does not reach.
    #[error("a log of {to} entries has no earlier state of {from}")]
    NotEarlier { from: u64, to: u64 },
    /// A proof whose hashes do not lead to the root.
    #[error("the proof does not lead to the checkpoint's root")]
    ProofFails,
    /// A proof in a form that this version does not read.
    #[error("this is not a proof that this version can read: {why}")]
    MalformedProof { why: &'static str },
    /// The log is shorter than what was seen before.
    #[error("the log has {found} entries, and {remembered} were seen before: it was cut or an old copy restored")]
    Shrunk { remembered: u64, found: u64 },
    /// The log is not a continuation of what was seen before.
    #[error("the log of {found} entries does not continue the one of {remembered} that was seen before")]
    Forked { remembered: u64, found: u64 },
    /// What was remembered is damaged; it is not taken for absent.
    #[error("the remembered checkpoint `{}` is damaged: find out why, then move it away", path.display())]
    MemoryDamaged { path: PathBuf },
    /// What was remembered cannot be read or written.
    #[error("remembered checkpoint `{}`: {source}", path.display())]
    Memory { path: PathBuf, source: io::Error },
    /// The export cannot be read.
    #[error("the export cannot be read: {0}")]
    Read(#[source] io::Error),
    /// The export cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(#[source] io::Error),
    /// Whoever supplies tiles and entries could not.
    #[error("tiles or entries cannot be read: {0}")]
    Source(#[source] SourceError),
    /// An entry whose body is gone, or too long, cannot stand in this form.
    #[error("entry {index} cannot be written: {why}")]
    Entry { index: u64, why: &'static str },
}
