//! The local credential: a key in the data folder (0600) that signs each request. Nothing in it can be replayed.
//!
//! A request carries a JWT for 60 seconds, bound to audience, method, path and body; a second use is refused, and so is one
//! from before this process: whether it was used, nobody knows any more.
//!
//! Signer and judge are on one machine, and go by the time since it was switched on: setting its clock, or the server's,
//! keeps nobody from switching something off, and makes nothing valid that was used. Refuses what another boot signed,
//! since that time begins again with each.

use crate::Error;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::{Clock, ProblemKind, SystemClock};
use seal::{RootKey, SigningKey, constant_time_eq, sha256};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
};
use store::running_ms;

/// Name of the key file in the data folder.
pub const CREDENTIAL_FILE: &str = "local-credential.key";

const LIFE_SECS: i64 = 60;
const LIFE_MS: i64 = LIFE_SECS * 1_000;
/// The kernel makes another at each boot, and shows every process the same (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const TYPE: &str = "bailiwick-machine+jwt";

/// What a signed request says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineClaims {
    /// The system's user that holds the key.
    pub sub: String,
    /// The server's origin.
    pub aud: String,
    /// By the wall clock, for readers and for servers of before; nothing is judged by it here.
    pub iat: i64,
    /// As `iat`.
    pub exp: i64,
    /// Which boot of the machine. Nothing is judged to be of now that does not say.
    #[serde(default)]
    pub boot: String,
    /// Milliseconds from that boot to the signature, asleep or not.
    #[serde(default)]
    pub up_ms: i64,
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
    boot: String,
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
    /// A file that is missing, readable by others, or not a key; a machine that does not tell its boots apart.
    pub fn load(data: &Path) -> Result<Self, Error> {
        Ok(Self::from_seed(&RootKey::load_file(&data.join(CREDENTIAL_FILE))?, boot()?))
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

    fn from_seed(seed: &RootKey, boot: String) -> Self {
        let tenant = seed.tenant(&model::TenantId::new("local-credential"));
        Self { key: tenant.purpose(seal::Purpose::TokenKey).signing_key(&seal::Context::table("machine")), boot }
    }

    /// Signs one request, now.
    ///
    /// # Errors
    /// Never in practice; the library's own error.
    pub fn sign(&self, request: &Signing<'_>) -> Result<String, Error> {
        self.sign_at(request, running_ms())
    }

    fn sign_at(&self, request: &Signing<'_>, up_ms: i64) -> Result<String, Error> {
        let now = SystemClock.now().as_secs();
        let claims = MachineClaims {
            sub: request.system_user.to_owned(),
            aud: request.audience.to_owned(),
            iat: now,
            exp: now + LIFE_SECS,
            boot: self.boot.clone(),
            up_ms,
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
    boot: String,
    /// When it began to remember.
    since_ms: i64,
    /// Until when each is remembered. INVARIANT: this counts on the one clock by which a proof ends.
    seen: Mutex<HashMap<String, i64>>,
}

impl std::fmt::Debug for MachineProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineProof").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl MachineProof {
    #[must_use]
    pub fn new(key: &MachineKey, audience: String) -> Self {
        let decoding = DecodingKey::from_ed_der(key.key.public().as_bytes());
        Self { decoding, audience, boot: key.boot.clone(), since_ms: running_ms(), seen: Mutex::default() }
    }

    /// Checks everything but the body, which the caller has not read yet; `body_is` finishes.
    ///
    /// # Errors
    /// Another key, boot, audience, method or path; too old, or from before this server; used before.
    pub fn check(&self, token: &str, method: &str, path: &str) -> Result<MachineClaims, Error> {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["exp", "aud", "sub"]);
        rules.validate_exp = false; // not by the wall clock: see the file's head
        let data = jsonwebtoken::decode::<MachineClaims>(token, &self.decoding, &rules).map_err(Error::Token)?;
        let (claims, now) = (data.claims, running_ms());
        let known = claims.boot == self.boot && (self.since_ms..=now).contains(&claims.up_ms);
        let timely = known && now - claims.up_ms < LIFE_MS;
        let fits = data.header.typ.as_deref() == Some(TYPE) && claims.htm == method && claims.htu == path;
        if !timely || !fits {
            return Err(stale());
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, until| *until > now);
        if seen.insert(claims.jti.clone(), claims.up_ms + LIFE_MS).is_some() {
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

fn boot() -> Result<String, Error> {
    let read = std::fs::read_to_string(BOOT_ID).map(|text| text.trim().to_owned());
    read.ok().filter(|boot| !boot.is_empty()).ok_or_else(|| {
        Error::refused(
            ProblemKind::Unavailable,
            "machine.boot",
            "this machine does not tell its boots apart",
            "`boot_id` under `/proc` cannot be read, and what was signed before the last boot would count again",
            "let this program see `/proc`",
        )
    })
}

fn stale() -> Error {
    Error::refused(
        ProblemKind::Unauthenticated,
        "machine.proof",
        "the local credential's signature does not fit this request",
        "each signature is for one request, to one server on this machine, for 60 seconds, and is used once",
        "run the command again, on the server's own machine (inside its container, if it runs in one), by the server's own version; if it stays, check `BAILIWICK_DATA` and `--server`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Signing<'static> =
        Signing { system_user: "root", audience: "http://here", method: "GET", path: "/x", body: b"" };

    fn holds(proof: &MachineProof, token: &str) -> bool {
        proof.check(token, ASKED.method, ASKED.path).is_ok()
    }

    #[test]
    fn a_signature_is_used_once_and_none_outlives_the_server() {
        let key = MachineKey::from_seed(&RootKey::generate(), boot().unwrap());
        let before = key.sign_at(&ASKED, running_ms() - 1).unwrap();
        let proof = MachineProof::new(&key, ASKED.audience.to_owned());
        let token = key.sign(&ASKED).unwrap();
        assert!(holds(&proof, &token));
        assert!(!holds(&proof, &token));
        // Started a little later, it cannot know what was used.
        assert!(!holds(&proof, &before));
    }

    #[test]
    fn a_signature_ends_by_the_time_since_its_own_boot() {
        let seed = RootKey::generate();
        let key = MachineKey::from_seed(&seed, boot().unwrap());
        // One that began long ago, so that nothing but its age ends a signature.
        let proof = MachineProof { since_ms: i64::MIN, ..MachineProof::new(&key, ASKED.audience.to_owned()) };
        let signed = |ago_ms: i64| key.sign_at(&ASKED, running_ms() - ago_ms).unwrap();
        assert!(holds(&proof, &signed(LIFE_MS - 30_000)));
        assert!(!holds(&proof, &signed(LIFE_MS)));
        assert!(!holds(&proof, &signed(-30_000)), "of a time to come");
        let rebooted = MachineKey::from_seed(&seed, "another".to_owned());
        assert!(!holds(&proof, &rebooted.sign(&ASKED).unwrap()));
    }
}
