//! The root key's file: one line, readable by its owner alone.
//!
//! ```text
//! bailiwick-root-key-1:<id, 16 hex digits>:<key, base64url of 32 bytes>
//! ```
//!
//! The id shows damage, such as a recovery copy that was typed wrongly. Refuses to read a file that group or others
//! can reach, and to write over anything.

use crate::{Error, ROOT_KEY_BYTES, RootKey, random_bytes};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const PREFIX: &str = "bailiwick-root-key-1:";

/// A key file is one line of 82 bytes; whatever is longer than this is something else.
const MAX_FILE_BYTES: u64 = 4096;

/// Read and write for the owner, nothing for anyone else.
const OWNER_ONLY: u32 = 0o600;
const OTHERS: u32 = 0o077;

impl RootKey {
    /// Reads a key file.
    ///
    /// # Errors
    /// [`Error::KeyFileOpen`] if group or others have any permission on it, [`Error::KeyFileMalformed`] if it is no
    /// key file or was damaged, [`Error::KeyFile`] if it cannot be read.
    pub fn load_file(path: &Path) -> Result<Self, Error> {
        let text = read_private(path)?;
        parse(&text).ok_or_else(|| Error::KeyFileMalformed { path: path.to_owned() })
    }

    /// Reads a key file that somebody trusted put there for this process alone, and whose permissions are theirs: a
    /// credential of systemd, whose access list shows as permissions of the group.
    ///
    /// # Errors
    /// [`Error::KeyFileMalformed`], [`Error::KeyFile`].
    pub fn load_credential(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::KeyFile { path: path.to_owned(), source })?;
        parse(&read_whole(file, path)?).ok_or_else(|| Error::KeyFileMalformed { path: path.to_owned() })
    }

    /// Writes the key to a new file with mode 0600; file and folder are on disk when this returns, and a crash
    /// leaves either the whole file or none.
    ///
    /// # Errors
    /// [`Error::KeyFileExists`] if there is anything at `path`, [`Error::KeyFile`] if it cannot be written.
    pub fn create_file(&self, path: &Path) -> Result<(), Error> {
        create_private(path, self.to_line().as_bytes())
    }

    fn to_line(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(self.material.bytes()));
        Zeroizing::new([PREFIX, &self.id(), ":", &key, "\n"].concat())
    }
}

/// The text of a file that its owner alone can reach.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<String>, Error> {
    let failed = |source| Error::KeyFile { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // Judged on the open file, so that nobody can swap it in between.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::KeyFileMalformed { path: path.to_owned() });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(Error::KeyFileOpen { path: path.to_owned(), mode });
    }
    read_whole(file, path)
}

fn read_whole(file: File, path: &Path) -> Result<Zeroizing<String>, Error> {
    let mut text = Zeroizing::new(String::with_capacity(512));
    match file.take(MAX_FILE_BYTES).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Error::KeyFileMalformed { path: path.to_owned() })
        }
        Err(source) => Err(Error::KeyFile { path: path.to_owned(), source }),
    }
}

/// Writes a new file for its owner alone, whole or not at all.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::KeyFile { path: path.to_owned(), source };
    let folder = folder_of(path);
    let draft = folder.join(format!(".root-key-{}.new", hex::encode(random_bytes::<8>())));
    let written = write_draft(&draft, bytes).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Error::KeyFileExists { path: path.to_owned() });
        }
        Err(error) => return Err(failed(error)),
    }
    removed.map_err(failed)?;
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn parse(text: &str) -> Option<RootKey> {
    let (id, key) = text.trim().strip_prefix(PREFIX)?.split_once(':')?;
    let mut bytes = Zeroizing::new([0u8; ROOT_KEY_BYTES]);
    let length = BASE64_URL_SAFE_NO_PAD.decode_slice(key, bytes.as_mut_slice()).ok()?;
    let root = RootKey::from_bytes(*bytes);
    (length == ROOT_KEY_BYTES && root.id() == id).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_written_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let key = RootKey::generate();
        key.create_file(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(RootKey::load_file(&path).unwrap().check_value(), key.check_value());

        let refused = RootKey::generate().create_file(&path);
        assert!(matches!(refused, Err(Error::KeyFileExists { .. })));
        assert_eq!(RootKey::load_file(&path).unwrap().id(), key.id());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_others_can_reach_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        RootKey::generate().create_file(&path).unwrap();
        for bits in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            let refused = RootKey::load_file(&path).unwrap_err();
            assert!(matches!(refused, Error::KeyFileOpen { mode, .. } if mode == bits), "{refused}");
            assert!(refused.to_string().contains("chmod 600"));
        }
        for bits in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            RootKey::load_file(&path).unwrap();
        }
    }

    #[test]
    fn a_credential_is_read_whatever_its_permissions_show() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let key = RootKey::generate();
        key.create_file(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        assert!(RootKey::load_file(&path).is_err());
        assert_eq!(RootKey::load_credential(&path).unwrap().check_value(), key.check_value());
    }

    #[test]
    fn damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let line = RootKey::generate().to_line();
        let write = |text: &[u8]| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            RootKey::load_file(&path)
        };
        write(line.as_bytes()).unwrap();
        for at in 0..line.len() - 1 {
            let mut bad = line.as_bytes().to_vec();
            bad[at] ^= 1;
            assert!(write(&bad).is_err(), "byte {at}");
        }
        assert!(write(b"").is_err());
        assert!(write(&[0xff; 100]).is_err());
        assert!(write(&line.as_bytes()[..60]).is_err());
        assert!(RootKey::load_credential(&path).is_err());
        assert!(matches!(RootKey::load_file(folder.path()), Err(Error::KeyFileMalformed { .. })));
        assert!(matches!(RootKey::load_file(&folder.path().join("none")), Err(Error::KeyFile { .. })));
    }
}
