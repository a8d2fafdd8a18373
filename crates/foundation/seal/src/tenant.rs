//! The key of one tenant: what its purpose keys descend from.
//!
//! Seals nothing itself, so that no value is ever without a purpose.

use crate::{Context, Error, KeyVersion, Purpose, PurposeKey, derive::KeyMaterial, key_version_of};
use std::fmt;
use zeroize::Zeroizing;

/// The middle of the hierarchy root → tenant → purpose.
#[derive(Clone)]
pub struct TenantKey {
    material: KeyMaterial,
}

impl TenantKey {
    pub(crate) fn new(material: KeyMaterial) -> Self {
        Self { material }
    }

    /// The first version of the key for one purpose.
    #[must_use]
    pub fn purpose(&self, purpose: Purpose) -> PurposeKey {
        self.purpose_at(purpose, KeyVersion::FIRST)
    }

    /// A given version of the key for one purpose; rotation seals under a higher one.
    #[must_use]
    pub fn purpose_at(&self, purpose: Purpose, version: KeyVersion) -> PurposeKey {
        let number = version.0.to_be_bytes();
        let material = self.material.child(&[b"purpose", purpose.as_str().as_bytes(), &number]);
        PurposeKey::new(material, purpose, version)
    }

    /// Opens an envelope of whatever version its header names.
    ///
    /// # Errors
    /// As [`PurposeKey::open`].
    pub fn open(&self, purpose: Purpose, context: &Context, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.purpose_at(purpose, key_version_of(envelope)?).open(context, envelope)
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantKey(…)")
    }
}
