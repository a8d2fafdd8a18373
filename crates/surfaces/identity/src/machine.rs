//! The local credential: a key in the data folder (0600) that signs each request. Nothing in it can be replayed.
//!
//! A request carries a JWT for 60 seconds, bound to audience, method, path and body; a second use is refused, and so is one
//! from before this process: whether it was used, nobody knows any more.

use crate::Error;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::{Clock, ProblemKind, SystemClock, Timestamp};
use seal::{RootKey, SigningKey, constant_time_eq, sha256};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Name of the key file in the data folder.
pub const CREDENTIAL_FILE: &str = "local-credential.key";

const LIFE_SECS: i64 = 60;
/// Clocks of one machine agree; this allows for a second boundary.
const SKEW_SECS: i64 = 5;
const TYPE: &str = "bailiwick-machine+jwt";

/// What a signed request says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineClaims {
    /// The system's user that holds the key.
    pub sub: String,
    /// The server's origin.
    pub aud: String,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    /// Method.
    pub htm: String,
    /// Path and query.
    pub htu: String,
    /// Base64url of the SHA-256 of the body.
    pub bh: String,
}

/// Both halves: the server checks with it, the client on the same machine signs with it.
pub struct MachineKey {
    key: SigningKey,
}

impl std::fmt::Debug for MachineKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MachineKey(…)")
    }
}

impl MachineKey {
    /// Reads the key file; refuses one that others can read.
    ///
    /// # Errors
    /// A file that is missing, readable by others, or not a key.
    pub fn load(data: &Path) -> Result<Self, Error> {
        Ok(Self::from_seed(&RootKey::load_file(&data.join(CREDENTIAL_FILE))?))
    }

    /// Makes the key file when there is none.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn load_or_create(data: &Path) -> Result<Self, Error> {
        let path = data.join(CREDENTIAL_FILE);
        if !path.exists() {
            RootKey::generate().create_file(&path)?;
        }
        Self::load(data)
    }

    fn from_seed(seed: &RootKey) -> Self {
        let tenant = seed.tenant(&model::TenantId::new("local-credential"));
        Self { key: tenant.purpose(seal::Purpose::TokenKey).signing_key(&seal::Context::table("machine")) }
    }

    /// Signs one request.
    ///
    /// # Errors
    /// Never in practice; the library's own error.
    pub fn sign(&self, request: &Signing<'_>, now: Timestamp) -> Result<String, Error> {
        let claims = MachineClaims {
            sub: request.system_user.to_owned(),
            aud: request.audience.to_owned(),
            iat: now.as_secs(),
            exp: now.as_secs() + LIFE_SECS,
            jti: model::RequestId::generate().to_string(),
            htm: request.method.to_owned(),
            htu: request.path.to_owned(),
            bh: BASE64_URL_SAFE_NO_PAD.encode(sha256(request.body)),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&self.key.to_pkcs8v1())).map_err(Error::Token)
    }
}

/// The request that is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    pub system_user: &'a str,
    pub audience: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub body: &'a [u8],
}

/// The server's side: checks proofs, and remembers them until they are too old to be tried again.
pub struct MachineProof {
    decoding: DecodingKey,
    audience: String,
    clock: Arc<dyn Clock>,
    /// When it began to remember, in seconds, by the slower of the machine's clock and the server's.
    since: i64,
    seen: Mutex<HashMap<String, i64>>,
}

impl std::fmt::Debug for MachineProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineProof").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl MachineProof {
    #[must_use]
    pub fn new(key: &MachineKey, audience: String, clock: Arc<dyn Clock>) -> Self {
        let decoding = DecodingKey::from_ed_der(key.key.public().as_bytes());
        let since = clock.now().as_secs().min(SystemClock.now().as_secs());
        Self { decoding, audience, clock, since, seen: Mutex::default() }
    }

    /// Checks everything but the body, which the caller has not read yet; `body_is` finishes.
    ///
    /// # Errors
    /// Another key, audience, method or path; too old, too far ahead; used before.
    pub fn check(&self, token: &str, method: &str, path: &str) -> Result<MachineClaims, Error> {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["exp", "aud", "sub"]);
        rules.validate_exp = false; // by our own clock, below
        let data = jsonwebtoken::decode::<MachineClaims>(token, &self.decoding, &rules).map_err(Error::Token)?;
        let (claims, now) = (data.claims, self.clock.now().as_secs());
        let lives = claims.exp > now && claims.exp - claims.iat <= LIFE_SECS;
        let timely = lives && claims.iat <= now + SKEW_SECS && claims.iat >= self.since;
        let fits = data.header.typ.as_deref() == Some(TYPE) && claims.htm == method && claims.htu == path;
        if !timely || !fits {
            return Err(stale());
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, exp| *exp > now);
        if seen.insert(claims.jti.clone(), claims.exp).is_some() {
            return Err(stale());
        }
        Ok(claims)
    }

    /// Whether the body is the one that was signed.
    ///
    /// # Errors
    /// It is not.
    pub fn body_is(claims: &MachineClaims, body: &[u8]) -> Result<(), Error> {
        let hash = BASE64_URL_SAFE_NO_PAD.encode(sha256(body));
        if constant_time_eq(hash.as_bytes(), claims.bh.as_bytes()) { Ok(()) } else { Err(stale()) }
    }
}

fn stale() -> Error {
    Error::refused(
        ProblemKind::Unauthenticated,
        "machine.proof",
        "the local credential's signature does not fit this request",
        "each signature is for one request, to one server, for 60 seconds, and is used once",
        "run the command again; if it stays, check this machine's clock and `BAILIWICK_DATA`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_signature_is_used_once_and_none_outlives_the_server() {
        let key = MachineKey::from_seed(&RootKey::generate());
        let asked = Signing { system_user: "root", audience: "http://here", method: "GET", path: "/x", body: b"" };
        let now = SystemClock.now();
        let proof = MachineProof::new(&key, asked.audience.to_owned(), Arc::new(SystemClock));
        let check = |proof: &MachineProof, token: &str| proof.check(token, asked.method, asked.path);
        let token = key.sign(&asked, now.plus(Duration::from_secs(1))).unwrap();
        assert!(check(&proof, &token).is_ok());
        assert!(check(&proof, &token).is_err());
        // Started again a little later, it cannot know what was used.
        let before = key.sign(&asked, now.minus(Duration::from_secs(2))).unwrap();
        assert!(check(&proof, &before).is_err());
    }
}
