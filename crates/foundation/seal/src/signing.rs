//! Signatures: Ed25519 (RFC 8032) key pairs derived from a purpose key, so that no file holds them.
//!
//! Refuses other algorithms: what verifies is an Ed25519 key or nothing.

use crate::{Error, sha256};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// Length of the secret seed in bytes (RFC 8032, section 5.1.5).
pub const SEED_BYTES: usize = 32;
/// Length of a public key in bytes (RFC 8032, section 5.1.5).
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Length of a signature in bytes (RFC 8032, section 5.1.6).
pub const SIGNATURE_BYTES: usize = 64;

/// PKCS#8 v1 around an Ed25519 seed (RFC 8410, section 7): everything before the 32 bytes of the seed.
const PKCS8_V1_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// An Ed25519 key pair. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Ed25519KeyPair>,
    seed: Zeroizing<[u8; SEED_BYTES]>,
    public: PublicKey,
}

impl SigningKey {
    /// The pair that belongs to a seed: the same seed gives the same pair (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(seed) else {
            // Thirty-two bytes always are a seed; without a pair, nothing may be signed.
            std::process::abort()
        };
        let mut public = [0u8; PUBLIC_KEY_BYTES];
        for (slot, byte) in public.iter_mut().zip(pair.public_key().as_ref()) {
            *slot = *byte;
        }
        Self { pair: Arc::new(pair), seed: Zeroizing::new(*seed), public: PublicKey(public) }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a message (Ed25519, deterministic).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let signed = self.pair.sign(message);
        let mut signature = [0u8; SIGNATURE_BYTES];
        for (slot, byte) in signature.iter_mut().zip(signed.as_ref()) {
            *slot = *byte;
        }
        signature
    }

    /// The secret key as PKCS#8 version 1 DER (RFC 8410, section 7), the one form that token libraries take.
    #[must_use]
    pub fn to_pkcs8v1(&self) -> Zeroizing<Vec<u8>> {
        let mut document = Zeroizing::new(Vec::with_capacity(PKCS8_V1_PREFIX.len() + SEED_BYTES));
        document.extend_from_slice(&PKCS8_V1_PREFIX);
        document.extend_from_slice(self.seed.as_slice());
        document
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public)
    }
}

/// An Ed25519 public key. Shown as base64url of its 32 bytes, as the `x` of a JWK (RFC 8037, section 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; PUBLIC_KEY_BYTES]);

impl PublicKey {
    /// Wraps 32 bytes; whether they are a point on the curve shows when a signature is checked.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; PUBLIC_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// Checks a signature over a message (RFC 8032, section 5.1.7).
    ///
    /// # Errors
    /// [`Error::BadSignature`] if it does not fit, whatever the reason.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).map_err(|_| Error::BadSignature)
    }

    /// The key's id for token headers: its JWK thumbprint in base64url (RFC 7638, RFC 8037 appendix A.3).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{self}"}}"#).as_bytes()))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(digits: &str) -> [u8; 32] {
        hex::decode(digits).unwrap().try_into().unwrap()
    }

    /// RFC 8032, section 7.1: tests 1 to 3.
    #[test]
    fn rfc_8032_vectors() {
        let cases = [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ];
        for (secret, public, message, signature) in cases {
            let key = SigningKey::from_seed(&seed(secret));
            let message = hex::decode(message).unwrap();
            assert_eq!(hex::encode(key.public().as_bytes()), public);
            assert_eq!(hex::encode(key.sign(&message)), signature);
            key.public().verify(&message, &key.sign(&message)).unwrap();
            assert!(key.public().verify(b"another", &key.sign(&message)).is_err());
        }
    }

    /// RFC 8037, appendix A.3: the thumbprint of the key of RFC 8032, test 1.
    #[test]
    fn rfc_8037_thumbprint() {
        let key = SigningKey::from_seed(&seed("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
        assert_eq!(key.public().to_string(), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.public().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    /// The bytes that we frame are those that aws-lc-rs writes and reads.
    #[test]
    fn pkcs8_version_1_is_the_librarys() {
        let key = SigningKey::from_seed(&[3; 32]);
        let document = key.to_pkcs8v1();
        assert_eq!(document.as_slice(), key.pair.to_pkcs8v1().unwrap().as_ref());
        let read = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document).unwrap();
        assert_eq!(read.public_key().as_ref(), key.public().as_bytes());
    }

    #[test]
    fn a_changed_signature_or_odd_key_is_refused() {
        let key = SigningKey::from_seed(&[4; 32]);
        let good = key.sign(b"m");
        for at in 0..good.len() {
            let mut bad = good;
            bad[at] ^= 1;
            assert!(key.public().verify(b"m", &bad).is_err());
        }
        assert!(key.public().verify(b"m", &good[..63]).is_err());
        assert!(PublicKey::from_bytes([0xff; 32]).verify(b"m", &good).is_err());
        assert!(!format!("{key:?}").contains("0404"));
    }
}
