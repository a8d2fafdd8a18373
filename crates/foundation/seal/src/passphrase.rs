//! A root key that a passphrase opens: one line, which may be copied to other nodes and into backups of the
//! configuration, since it is worth nothing without the passphrase.
//!
//! ```text
//! bailiwick-root-locked-1:<id, 16 hex digits>:<memory KiB>:<passes>:<lanes>:<salt>:<sealed key>
//! ```
//!
//! The passphrase becomes a key by Argon2id (RFC 9106), the one primitive that aws-lc does not have; the root key
//! itself is random, so that a new passphrase needs no new root. Refuses a passphrase that is short, and costs in the
//! file that are below what is written today or beyond what a machine can pay.

use crate::{
    Context, Error, KeyVersion, ROOT_KEY_BYTES, RootKey, derive::KeyMaterial, envelope::Cipher, key_file::read_private,
    random_bytes,
};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use std::path::Path;
use zeroize::Zeroizing;

const PREFIX: &str = "bailiwick-root-locked-1:";
const SALT_BYTES: usize = 16;
/// 64 MiB and three passes, the second recommendation of RFC 9106, section 4, for one lane: half a second, once a
/// start.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// Somebody who can write the file could otherwise make the server use up the machine.
const MEMORY_MAX_KIB: u32 = 1 << 20;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;
/// Shorter ones are guessed, whatever a guess costs.
pub const PASSPHRASE_MIN_CHARS: usize = 12;

/// What a guess costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl RootKey {
    /// Writes the key to a new file with mode 0600, locked by the passphrase.
    ///
    /// # Errors
    /// [`Error::ShortPassphrase`]; else as [`RootKey::create_file`].
    pub fn create_locked_file(&self, path: &Path, passphrase: &str) -> Result<(), Error> {
        if passphrase.chars().count() < PASSPHRASE_MIN_CHARS {
            return Err(Error::ShortPassphrase);
        }
        let cost = Cost { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES };
        crate::key_file::create_private(path, self.locked(passphrase, cost)?.as_bytes())
    }

    /// Reads a locked key file.
    ///
    /// # Errors
    /// [`Error::WrongPassphrase`]; else as [`RootKey::load_file`].
    pub fn load_locked_file(path: &Path, passphrase: &str) -> Result<Self, Error> {
        locked_at(path)?.open(passphrase)
    }

    /// The public id of the key in a locked file, which only its passphrase opens. It is what the file says of itself.
    ///
    /// # Errors
    /// As [`RootKey::load_file`].
    pub fn locked_id(path: &Path) -> Result<String, Error> {
        Ok(locked_at(path)?.id)
    }

    fn locked(&self, passphrase: &str, cost: Cost) -> Result<String, Error> {
        let salt = random_bytes::<SALT_BYTES>();
        let sealed = cipher(passphrase, &salt, cost)?.seal(&context(&self.id()), self.material.bytes());
        let (salt, sealed) = (BASE64_URL_SAFE_NO_PAD.encode(salt), BASE64_URL_SAFE_NO_PAD.encode(sealed));
        let Cost { memory_kib, passes, lanes } = cost;
        Ok(format!("{PREFIX}{}:{memory_kib}:{passes}:{lanes}:{salt}:{sealed}\n", self.id()))
    }
}

struct Locked {
    id: String,
    cost: Cost,
    salt: Vec<u8>,
    sealed: Vec<u8>,
}

impl Locked {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().strip_prefix(PREFIX)?.split(':');
        let mut next = || parts.next();
        let id = next()?.to_owned();
        let number =
            |part: Option<&str>, most: u32| part?.parse::<u32>().ok().filter(|number| (1..=most).contains(number));
        let cost = Cost {
            memory_kib: number(next(), MEMORY_MAX_KIB)?,
            passes: number(next(), PASSES_MAX)?,
            lanes: number(next(), LANES_MAX)?,
        };
        let bytes = |part: Option<&str>| BASE64_URL_SAFE_NO_PAD.decode(part?).ok();
        let (salt, sealed) = (bytes(next())?, bytes(next())?);
        (next().is_none() && salt.len() == SALT_BYTES).then_some(Self { id, cost, salt, sealed })
    }

    fn open(&self, passphrase: &str) -> Result<RootKey, Error> {
        let cipher = cipher(passphrase, &self.salt, self.cost)?;
        let bytes = cipher.open(&context(&self.id), &self.sealed).map_err(|_| Error::WrongPassphrase)?;
        let bytes = <[u8; ROOT_KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| Error::WrongPassphrase)?;
        let root = RootKey::from_bytes(bytes);
        if root.id() == self.id { Ok(root) } else { Err(Error::WrongPassphrase) }
    }
}

fn locked_at(path: &Path) -> Result<Locked, Error> {
    Locked::parse(&read_private(path)?).ok_or_else(|| Error::KeyFileMalformed { path: path.to_owned() })
}

fn context(id: &str) -> Context {
    Context::table("root key").row(id)
}

fn cipher(passphrase: &str, salt: &[u8], cost: Cost) -> Result<Cipher, Error> {
    let failed = |_| Error::Malformed { what: "cost of the passphrase" };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0_u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        .map_err(failed)?;
    Ok(Cipher::new(&KeyMaterial::new(*key), KeyVersion::FIRST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
    const PHRASE: &str = "correct horse battery";

    #[test]
    fn a_passphrase_opens_what_it_locked_and_no_other_does() {
        let root = RootKey::generate();
        let line = root.locked(PHRASE, CHEAP).unwrap();
        assert_ne!(line, root.locked(PHRASE, CHEAP).unwrap(), "each salt is new");
        let locked = Locked::parse(&line).unwrap();
        assert_eq!(locked.open(PHRASE).unwrap().check_value(), root.check_value());
        for other in ["", "correct horse batterz", "correct horse battery "] {
            assert!(matches!(locked.open(other), Err(Error::WrongPassphrase)), "{other}");
        }
    }

    #[test]
    fn damage_is_seen_and_costs_are_bounded() {
        let line = RootKey::generate().locked(PHRASE, CHEAP).unwrap();
        let line = line.trim_end();
        for at in 0..line.len() {
            let mut bad = line.as_bytes().to_vec();
            bad[at] ^= 1;
            let opened = String::from_utf8(bad).ok().and_then(|bad| Locked::parse(&bad)?.open(PHRASE).ok());
            assert!(opened.is_none(), "byte {at}");
        }
        for cost in [":9999999:1:1:", ":64:9999:1:", ":64:1:99:", ":0:1:1:", ":64:0:1:"] {
            assert!(Locked::parse(&line.replace(":64:1:1:", cost)).is_none(), "{cost}");
        }
    }

    #[test]
    fn a_locked_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.locked");
        let root = RootKey::generate();
        assert!(matches!(root.create_locked_file(&path, "short"), Err(Error::ShortPassphrase)));
        root.create_locked_file(&path, PHRASE).unwrap();
        assert_eq!(RootKey::load_locked_file(&path, PHRASE).unwrap().id(), root.id());
        assert!(matches!(RootKey::load_locked_file(&path, "another passphrase"), Err(Error::WrongPassphrase)));
        assert!(matches!(root.create_locked_file(&path, PHRASE), Err(Error::KeyFileExists { .. })));
        assert_eq!(RootKey::locked_id(&path).unwrap(), root.id());
        // Neither kind of file passes for the other.
        assert!(matches!(RootKey::load_file(&path), Err(Error::KeyFileMalformed { .. })));
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(RootKey::locked_id(&path), Err(Error::KeyFileOpen { .. })));
    }
}
