//! Log keys: the Ed25519 key that signs a log's checkpoints, and its public form (C2SP `signed-note`).
//!
//! Signatures are made and checked by `seal`, not by the note library's own Ed25519: one implementation of the
//! algorithm in the house, and the key never leaves `seal`'s type. The library frames notes and matches names and ids.

use crate::Error;
use base64::{Engine, prelude::BASE64_STANDARD};
use seal::{PublicKey, SigningKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// The algorithm byte of Ed25519 in a verifier key (C2SP `signed-note`).
const ED25519: u8 = 1;

/// The longest name that is accepted, in bytes: a host name (253) and a tenant.
const MAX_NAME_BYTES: usize = 400;

/// The origin line, and so the key name, of one tenant's log: `<host>/log/<tenant>`, a URL without its scheme as C2SP
/// `tlog-checkpoint` asks.
///
/// # Errors
/// [`Error::MalformedName`] if host or tenant hold what a key name may not.
pub fn origin(host: &str, tenant: &model::TenantId) -> Result<String, Error> {
    let name = format!("{host}/log/{tenant}");
    if host.is_empty() || tenant.as_str().is_empty() {
        return Err(Error::MalformedName { found: name });
    }
    checked_name(&name).map(str::to_owned)
}

fn checked_name(name: &str) -> Result<&str, Error> {
    let fits = signed_note::is_key_name_valid(name) && name.len() <= MAX_NAME_BYTES;
    if fits && !name.chars().any(char::is_control) {
        Ok(name)
    } else {
        Err(Error::MalformedName { found: name.chars().take(80).collect() })
    }
}

/// The key that signs one log's checkpoints, with the log's origin as its name.
#[derive(Debug, Clone)]
pub struct LogKey {
    signing: SigningKey,
    verifier: VerifierKey,
}

impl LogKey {
    /// Names a signing key, derived by `seal` for the tenant's log.
    ///
    /// # Errors
    /// [`Error::MalformedName`] if the origin cannot be a key name.
    pub fn new(origin: &str, signing: SigningKey) -> Result<Self, Error> {
        let verifier = VerifierKey { name: checked_name(origin)?.to_owned(), public: signing.public() };
        Ok(Self { signing, verifier })
    }

    /// The public half, to be given to whoever verifies.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The origin line of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.verifier.name
    }

    pub(crate) fn sign(&self, text: &[u8]) -> [u8; seal::SIGNATURE_BYTES] {
        self.signing.sign(text)
    }
}

/// The public key of a log: `name+hash+key` (C2SP `signed-note`), as text and in JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: PublicKey,
}

impl VerifierKey {
    /// The key's name: the origin of its log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// What a log is remembered by: SHA-256 of algorithm and key in hex, whatever the log calls itself.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(seal::sha256(&self.typed()))
    }

    /// The id that stands in signature lines: four bytes of SHA-256 over name and key (C2SP `signed-note`).
    #[must_use]
    pub fn id(&self) -> u32 {
        signed_note::key_id(&self.name, &self.typed())
    }

    /// The same key under the name that its log had at another time.
    pub(crate) fn named(&self, name: &str) -> Result<Self, Error> {
        Ok(Self { name: checked_name(name)?.to_owned(), public: self.public })
    }

    fn typed(&self) -> Vec<u8> {
        [&[ED25519], self.public.as_bytes().as_slice()].concat()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id(), BASE64_STANDARD.encode(self.typed()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::MalformedKey { found: text.chars().take(120).collect() };
        let mut fields = text.splitn(3, '+');
        let (Some(name), Some(_id), Some(key)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(malformed());
        };
        let typed = BASE64_STANDARD.decode(key).map_err(|_| malformed())?;
        let [ED25519, public @ ..] = typed.as_slice() else {
            return Err(malformed());
        };
        let public = PublicKey::from_bytes(public.try_into().map_err(|_| malformed())?);
        let parsed = Self { name: checked_name(name).map_err(|_| malformed())?.to_owned(), public };
        // One spelling for each key: this also compares the id.
        if parsed.to_string() == text { Ok(parsed) } else { Err(malformed()) }
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifierKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl signed_note::Verifier for VerifierKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id()
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        self.public.verify(text, signature).is_ok()
    }
}
