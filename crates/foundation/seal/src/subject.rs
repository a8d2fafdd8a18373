//! Subject keys: one random key per person or thing, so that deleting its wrapped form erases what it sealed.
//!
//! Refuses derivation: a key that could be computed again could not be deleted.

use crate::{Context, Error, KeyId, KeyVersion, PurposeKey, derive::KeyMaterial, envelope::Cipher, random_bytes};
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// A random data key. Only its wrapped form is stored; once that is gone, what it sealed is gone.
#[derive(Clone)]
pub struct SubjectKey {
    inner: Arc<Inner>,
}

struct Inner {
    material: KeyMaterial,
    cipher: Cipher,
}

impl SubjectKey {
    /// A new random key.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_material(KeyMaterial::new(random_bytes()))
    }

    fn from_material(material: KeyMaterial) -> Self {
        let cipher = Cipher::new(&material, KeyVersion::FIRST);
        Self { inner: Arc::new(Inner { material, cipher }) }
    }

    /// Its public id, as it stands in the envelopes that it seals.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.inner.cipher.id()
    }

    /// Seals the key itself under `key`, for the row that `context` names.
    #[must_use]
    pub fn wrap(&self, key: &PurposeKey, context: &Context) -> Vec<u8> {
        key.seal(context, self.inner.material.bytes())
    }

    /// Opens what [`SubjectKey::wrap`] made.
    ///
    /// # Errors
    /// As [`PurposeKey::open`]; [`Error::Malformed`] if what opens is not a key.
    pub fn unwrap(key: &PurposeKey, context: &Context, wrapped: &[u8]) -> Result<Self, Error> {
        let bytes = key.open(context, wrapped)?;
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| Error::Malformed { what: "subject key" })?;
        Ok(Self::from_material(KeyMaterial::new(bytes)))
    }

    /// As [`PurposeKey::seal`], under this key.
    #[must_use]
    pub fn seal(&self, context: &Context, plain: &[u8]) -> Vec<u8> {
        self.inner.cipher.seal(context, plain)
    }

    /// As [`PurposeKey::open`], under this key.
    ///
    /// # Errors
    /// As [`PurposeKey::open`].
    pub fn open(&self, context: &Context, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.inner.cipher.open(context, envelope)
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectKey({})", self.id())
    }
}
