//! Tokens: random secrets that are handed out once and stored only as a hash.
//!
//! A token carries 256 random bits, so a plain SHA-256 suffices: there is nothing to guess, hence no salt and no
//! slow hash. Refuses to be shown: `Debug` hides it, and only `expose` gives the text.

use crate::{Error, constant_time_eq, random_bytes, sha256};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, hash, str::FromStr};
use zeroize::Zeroizing;

/// Prefix of what is hashed, so that a token's hash is no other digest of the same text.
const TOKEN_DOMAIN: &str = "bailiwick token 1:";

/// A random 256-bit secret in base64url (43 characters, RFC 4648, section 5).
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(Zeroizing::new(random_bytes::<32>()))))
    }

    /// Its text, to be handed out once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored in its stead.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The stored form of a token: SHA-256 with a prefix of its own, shown as 64 hex digits. Compares in constant time.
#[derive(Clone, Copy, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of whatever text someone presented; any text has one, and only a token's is stored.
    #[must_use]
    pub fn of(presented: &str) -> Self {
        let text = Zeroizing::new([TOKEN_DOMAIN, presented].concat());
        Self(sha256(text.as_bytes()))
    }

    /// A hash as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.0, &other.0)
    }
}

impl hash::Hash for TokenHash {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({self})")
    }
}

impl FromStr for TokenHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| Error::Malformed { what: "token hash" })?;
        Ok(Self(bytes))
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let token = Token::generate();
        assert_eq!(token.expose().len(), 43);
        assert!(token.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(TokenHash::of(token.expose()), token.hash());
        assert_ne!(Token::generate().hash(), token.hash());
        assert_eq!(token.hash().to_string().parse::<TokenHash>().unwrap(), token.hash());
        assert!(!format!("{token:?}").contains(token.expose()));
        assert_ne!(token.hash().as_bytes(), &sha256(token.expose().as_bytes()));
    }

    #[test]
    fn malformed_hashes_are_refused() {
        for wrong in ["", "00", "zz", &"0".repeat(63), &"0".repeat(66)] {
            assert!(wrong.parse::<TokenHash>().is_err());
        }
    }
}
