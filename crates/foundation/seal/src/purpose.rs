//! Purpose keys: what values are sealed, indexed, authenticated and signed with.
//!
//! Each use (encrypt, index, mac, sign) has a key of its own, so that none is evidence about another. A value that
//! was sealed for one purpose does not open for a second.

use crate::{Context, Error, KeyId, KeyVersion, SigningKey, context::push, derive::KeyMaterial, envelope::Cipher};
use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// Length of a keyed index in bytes: HMAC-SHA-256 truncated to 128 bits (RFC 2104, section 5), where two of 2⁶⁴
/// values would have to exist before any two met by chance.
pub const INDEX_BYTES: usize = 16;

/// Length of an authentication code in bytes: HMAC-SHA-256, whole.
pub const MAC_BYTES: usize = 32;

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What a key is for. The names are part of the derivation: a name that was used is never used for another.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Purpose {
            $($(#[$doc])* $name,)*
        }

        impl Purpose {
            /// All of them, so that tests can compare each with each.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name that enters the derivation.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

purposes! {
    /// Values of secrets in the vault.
    SecretValue = "secret-value",
    /// Classified fields of collections.
    DataField = "data-field",
    /// Equality over classified fields.
    DataIndex = "data-index",
    /// Names and addresses of people.
    Directory = "directory",
    /// Equality over addresses in the directory.
    DirectoryIndex = "directory-index",
    /// Free text in events, and the keys of its subjects.
    EventText = "event-text",
    /// Wrapping of per-subject keys.
    SubjectWrap = "subject-wrap",
    /// Signatures on the tenant's log.
    LogKey = "log-key",
    /// Signatures on tokens that service accounts carry.
    TokenKey = "token-key",
    /// Session cookies and the codes that carry a sign-in to an app.
    SessionKey = "session-key",
    /// One-time links.
    LinkKey = "link-key",
    /// Assertions that accompany a request to an external app.
    AssertionKey = "assertion-key",
    /// Files that a node keeps beside the database and reads back.
    Cache = "cache",
    /// Compiled code that a node keeps and loads again.
    CodeCache = "code-cache",
    /// The cut journal and the newest checkpoint beside the database.
    Journal = "journal",
    /// What the control API hands to its own client.
    ControlToken = "control-token",
    /// Cursors that name a place in a list, so that nobody makes them up.
    Cursor = "cursor",
    /// The state of a sign-in that is under way, while the browser holds it; and a form that waits for its person meanwhile.
    Ceremony = "ceremony",
    /// What proves who a person is: their passkeys.
    Passkey = "passkey",
    /// How people sign in: what operators set up in the console, with the provider's client secret.
    SignIn = "sign-in",
    /// Backups.
    Backup = "backup",
    /// Whom a rate limit counts, in the rows that nodes share.
    Rate = "rate",
}

/// The key of one tenant for one purpose, in one version. Cheap to clone; derive once and keep.
#[derive(Clone)]
pub struct PurposeKey {
    inner: Arc<Inner>,
}

struct Inner {
    material: KeyMaterial,
    purpose: Purpose,
    version: KeyVersion,
    cipher: Cipher,
    index: hmac::Key,
    mac: hmac::Key,
}

impl PurposeKey {
    pub(crate) fn new(material: KeyMaterial, purpose: Purpose, version: KeyVersion) -> Self {
        let cipher = Cipher::new(&material, version);
        let index = hmac::Key::new(hmac::HMAC_SHA256, material.derive::<32>(&[b"index"]).as_slice());
        let mac = hmac::Key::new(hmac::HMAC_SHA256, material.derive::<32>(&[b"mac"]).as_slice());
        Self { inner: Arc::new(Inner { material, purpose, version, cipher, index, mac }) }
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.inner.purpose
    }

    /// Which version.
    #[must_use]
    pub fn version(&self) -> KeyVersion {
        self.inner.version
    }

    /// Its public id, as it stands in envelopes.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.inner.cipher.id()
    }

    /// Encrypts `plain` for the place that `context` names: AES-256-GCM-SIV (RFC 8452), random nonce, so that the
    /// same value never looks the same twice. [`crate::ENVELOPE_OVERHEAD_BYTES`] longer than `plain`.
    #[must_use]
    pub fn seal(&self, context: &Context, plain: &[u8]) -> Vec<u8> {
        self.inner.cipher.seal(context, plain)
    }

    /// Decrypts what [`PurposeKey::seal`] made for the same place.
    ///
    /// # Errors
    /// [`Error::MalformedEnvelope`], [`Error::OtherKey`] when the header names another key (tenant, purpose or
    /// version), [`Error::NotOpened`] when a byte or the context differs.
    pub fn open(&self, context: &Context, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.inner.cipher.open(context, envelope)
    }

    /// As [`PurposeKey::seal`], for text, in base64url without padding (RFC 4648, section 5).
    #[must_use]
    pub fn seal_text(&self, context: &Context, plain: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.seal(context, plain.as_bytes()))
    }

    /// Opens what [`PurposeKey::seal_text`] made.
    ///
    /// # Errors
    /// As [`PurposeKey::open`], and [`Error::NotText`].
    pub fn open_text(&self, context: &Context, sealed: &str) -> Result<Zeroizing<String>, Error> {
        let envelope = BASE64_URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Error::MalformedEnvelope)?;
        let plain = self.open(context, &envelope)?;
        std::str::from_utf8(&plain).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| Error::NotText)
    }

    /// A keyed index: equal values in equal contexts give equal bytes, and without the key they tell nothing else.
    /// HMAC-SHA-256 (RFC 2104) truncated to [`INDEX_BYTES`]. The context should name table and column, not the row.
    #[must_use]
    pub fn index(&self, context: &Context, value: &[u8]) -> [u8; INDEX_BYTES] {
        let tag = tag(&self.inner.index, context, value);
        let mut index = [0u8; INDEX_BYTES];
        for (slot, byte) in index.iter_mut().zip(tag.as_ref()) {
            *slot = *byte;
        }
        index
    }

    /// Authenticates bytes that stay readable, such as a cache file: HMAC-SHA-256 (RFC 2104).
    #[must_use]
    pub fn mac(&self, context: &Context, bytes: &[u8]) -> [u8; MAC_BYTES] {
        let tag = tag(&self.inner.mac, context, bytes);
        let mut code = [0u8; MAC_BYTES];
        for (slot, byte) in code.iter_mut().zip(tag.as_ref()) {
            *slot = *byte;
        }
        code
    }

    /// Checks what [`PurposeKey::mac`] made, in constant time.
    ///
    /// # Errors
    /// [`Error::BadMac`] if bytes, context, code or key differ.
    pub fn verify_mac(&self, context: &Context, bytes: &[u8], code: &[u8]) -> Result<(), Error> {
        hmac::verify(&self.inner.mac, &message(context, bytes), code).map_err(|_| Error::BadMac)
    }

    /// An Ed25519 key pair that belongs to this key and `context`: the same each time, so no file holds it.
    #[must_use]
    pub fn signing_key(&self, context: &Context) -> SigningKey {
        SigningKey::from_seed(&self.inner.material.derive(&[b"sign", context.encoded()]))
    }
}

fn message(context: &Context, bytes: &[u8]) -> Vec<u8> {
    let mut message = context.encoded().to_vec();
    // Under a name of their own, the bytes cannot pass for one more part of the context.
    push(&mut message, b"message");
    message.extend_from_slice(bytes);
    message
}

fn tag(key: &hmac::Key, context: &Context, bytes: &[u8]) -> hmac::Tag {
    hmac::sign(key, &message(context, bytes))
}

impl fmt::Debug for PurposeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PurposeKey({} {} v{})", self.inner.purpose.as_str(), self.id(), self.inner.version.0)
    }
}
