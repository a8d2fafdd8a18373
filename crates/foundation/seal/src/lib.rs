//! The only cryptography of the house: keys, envelopes, keyed indexes, digests, tokens, signatures.
//!
//! Every primitive comes from aws-lc-rs, but for what it does not have (Argon2id, and age for backups); nothing here
//! invents one. Keys descend root → tenant → purpose, so that
//! what one tenant or one purpose sealed cannot be opened as another's, and a copy of the database without the root
//! key reveals no value.
//!
//! Refuses: key material in `Debug`, key files that others can read, writing over a key file, opening under another
//! context, choosing algorithms at run time.

mod backup;
mod context;
mod derive;
mod digest;
mod envelope;
mod error;
mod key_file;
mod passphrase;
mod purpose;
mod random;
mod root;
mod signing;
mod subject;
mod tenant;
mod token;
mod webhook;

pub use backup::{BackupKeyError, Encrypting, Recipient, RecoveryKey};
pub use context::Context;
pub use digest::{Digest, DigestWriter, sha256};
pub use envelope::{ENVELOPE_OVERHEAD_BYTES, KeyId, KeyVersion, key_version_of};
pub use error::Error;
pub use passphrase::PASSPHRASE_MIN_CHARS;
pub use purpose::{INDEX_BYTES, MAC_BYTES, Purpose, PurposeKey};
pub use random::{constant_time_eq, random_bytes};
pub use root::{ROOT_KEY_BYTES, RootKey};
pub use signing::{PUBLIC_KEY_BYTES, PublicKey, SEED_BYTES, SIGNATURE_BYTES, SigningKey};
pub use subject::SubjectKey;
pub use tenant::TenantKey;
pub use token::{Token, TokenHash};
pub use webhook::WebhookKey;
/// What opening returns: bytes that are wiped when dropped.
pub use zeroize::Zeroizing;
