//! The root key: the one secret that a backup never holds and that everything else descends from.
//!
//! Refuses to show itself: no `Debug` of its bytes, no serialisation but its own file (`key_file.rs`).

use crate::{TenantKey, derive::KeyMaterial, random_bytes};
use model::TenantId;
use std::fmt;

/// Length of a root key in bytes (256 bits, as AES-256 and HMAC-SHA-256 expect).
pub const ROOT_KEY_BYTES: usize = 32;

/// Length of the public id in bytes; it tells keys apart, and is no secret.
const ROOT_ID_BYTES: usize = 8;

/// Length of the check value in bytes; long enough that no other key shares it by chance.
const CHECK_VALUE_BYTES: usize = 16;

/// The root of the key hierarchy root → tenant → purpose.
#[derive(Clone)]
pub struct RootKey {
    pub(crate) material: KeyMaterial,
}

impl RootKey {
    /// A new random root key.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_bytes(random_bytes())
    }

    /// Wraps 32 bytes that came from a safe place, such as a systemd credential.
    #[must_use]
    pub fn from_bytes(bytes: [u8; ROOT_KEY_BYTES]) -> Self {
        Self { material: KeyMaterial::new(bytes) }
    }

    /// The public id: 16 hex digits derived from the key by HKDF (RFC 5869). Says nothing about the key itself.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(self.material.derive::<ROOT_ID_BYTES>(&[b"root id"]).as_slice())
    }

    /// What the database stores to recognise its root key: 32 hex digits derived by HKDF (RFC 5869).
    ///
    /// Compare with [`RootKey::matches`].
    #[must_use]
    pub fn check_value(&self) -> String {
        hex::encode(self.material.derive::<CHECK_VALUE_BYTES>(&[b"root check"]).as_slice())
    }

    /// Whether a stored id and check value are this key's.
    #[must_use]
    pub fn matches(&self, id: &str, check_value: &str) -> bool {
        let id_fits = crate::constant_time_eq(self.id().as_bytes(), id.as_bytes());
        id_fits & crate::constant_time_eq(self.check_value().as_bytes(), check_value.as_bytes())
    }

    /// The key of one tenant.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> TenantKey {
        TenantKey::new(self.material.child(&[b"tenant", tenant.as_str().as_bytes()]))
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_check_value_are_stable_and_not_the_key() {
        let key = RootKey::from_bytes([1; 32]);
        assert_eq!(key.id(), RootKey::from_bytes([1; 32]).id());
        assert_ne!(key.id(), RootKey::from_bytes([2; 32]).id());
        assert!(key.matches(&key.id(), &key.check_value()));
        assert!(!RootKey::from_bytes([2; 32]).matches(&key.id(), &key.check_value()));
        assert!(!key.check_value().contains("0101"));
        let shown = format!("{key:?}");
        assert!(!shown.contains("0101") && !shown.contains("1, 1"), "{shown}");
    }

    #[test]
    fn generated_keys_differ() {
        assert_ne!(RootKey::generate().id(), RootKey::generate().id());
    }
}
