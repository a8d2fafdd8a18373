//! What can go wrong with keys, envelopes and signatures. No variant carries key or plain bytes.

use std::{io, path::PathBuf};

/// Why an act of this crate was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Too short, or of a version that this build does not know.
    #[error("this is not a sealed value that this version can read")]
    MalformedEnvelope,
    /// The header names another key than the one at hand.
    #[error("the value was sealed under key `{found}`, not under `{expected}`")]
    OtherKey { expected: String, found: String },
    /// Altered bytes, or another row, column, purpose or tenant than it was sealed for.
    #[error("the sealed value does not open here: it was altered, or sealed for another place")]
    NotOpened,
    /// Opened, and is not the text that was asked for.
    #[error("the sealed value is not text")]
    NotText,
    /// A message authentication code that does not fit.
    #[error("the bytes do not match their authentication code")]
    BadMac,
    /// A signature that does not fit message and key.
    #[error("the signature does not match")]
    BadSignature,
    /// Not `sha256:` and 64 lower-case hex digits.
    #[error("`{found}` is not a digest: write `sha256:` and 64 hex digits")]
    MalformedDigest { found: String },
    /// Stored key or hash bytes of the wrong length or alphabet.
    #[error("the stored {what} is malformed")]
    Malformed { what: &'static str },
    /// The key file can be read by group or others.
    #[error("key file `{}` can be read by others (mode {mode:04o}): run `chmod 600 {}`", path.display(), path.display())]
    KeyFileOpen { path: PathBuf, mode: u32 },
    /// A key file is never written over.
    #[error("key file `{}` already exists and is never written over: move it away first", path.display())]
    KeyFileExists { path: PathBuf },
    /// Not a key file, or one that was damaged.
    #[error("`{}` is not a root key file, or it was damaged", path.display())]
    KeyFileMalformed { path: PathBuf },
    /// A passphrase that can be guessed.
    #[error("a passphrase has at least 12 characters")]
    ShortPassphrase,
    /// The passphrase does not open the locked key file, or the file was altered.
    #[error("the passphrase does not open the root key")]
    WrongPassphrase,
    /// The file system refused.
    #[error("key file `{}`: {source}", path.display())]
    KeyFile { path: PathBuf, source: io::Error },
}
