//! Checkpoints that were seen before: one small file for each log key; and which key each name had.
//!
//! Kept by key, so that a renamed log is still held to its past; and by name, so that a log that calls itself by
//! another's name is told from it. Refuses to forget: a shorter or forked log never replaces what is remembered, and a
//! damaged file is an error, not an absence.

use crate::{ConsistencyProof, Error, SignedCheckpoint, VerifierKey};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The longest file that is read back, in bytes: a key and a note.
const MAX_FILE_BYTES: u64 = 32 * 1024;

/// How the files of checkpoints end.
const CHECKPOINT: &str = "checkpoint";

/// A folder of remembered checkpoints.
#[derive(Debug, Clone)]
pub struct Remembered {
    folder: PathBuf,
}

/// What a new checkpoint is to what was remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Nothing was known of this key; it is now.
    First,
    /// The same checkpoint.
    Same,
    /// A later one, proved to continue what was known; it is now remembered.
    Continued,
}

impl Remembered {
    /// Opens the folder, and makes it if there is none.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|source| Error::Memory { path: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The checkpoint last seen under a key, its signature checked again.
    ///
    /// # Errors
    /// [`Error::Memory`], or [`Error::MemoryDamaged`] if the file is not what was written.
    pub fn recall(&self, key: &VerifierKey) -> Result<Option<SignedCheckpoint>, Error> {
        let path = self.path(key);
        let damaged = || Error::MemoryDamaged { path: path.clone() };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > MAX_FILE_BYTES => return Err(damaged()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Memory { path, source }),
        }
        let bytes = fs::read(&path).map_err(|source| Error::Memory { path: path.clone(), source })?;
        let text = String::from_utf8(bytes).map_err(|_| damaged())?;
        let (line, note) = text.split_once('\n').ok_or_else(damaged)?;
        // Its name may differ from today's: the log may have been renamed since.
        let kept: VerifierKey = line.parse().map_err(|_| damaged())?;
        if kept.public() != key.public() {
            return Err(damaged());
        }
        SignedCheckpoint::open(note, &kept).map(Some).map_err(|_| damaged())
    }

    /// Holds a checkpoint against what is remembered of its key, and remembers it if it continues that.
    ///
    /// `proof` must lead from the remembered size to the new one; it may be missing if nothing is remembered or both
    /// sizes are equal.
    ///
    /// # Errors
    /// [`Error::Shrunk`], [`Error::Forked`], [`Error::ProofFails`] without a proof that fits; [`Error::Memory`],
    /// [`Error::MemoryDamaged`].
    pub fn check(
        &self,
        key: &VerifierKey,
        new: &SignedCheckpoint,
        proof: Option<&ConsistencyProof>,
    ) -> Result<Memory, Error> {
        let found = new.checkpoint();
        let Some(known) = self.recall(key)? else {
            self.keep(key, new)?;
            self.name(key)?;
            return Ok(Memory::First);
        };
        let known = known.checkpoint();
        if found.size() < known.size() {
            return Err(Error::Shrunk { remembered: known.size(), found: found.size() });
        }
        if found.size() == known.size() {
            return match found.root() == known.root() {
                true => Ok(Memory::Same),
                false => Err(Error::Forked { remembered: known.size(), found: found.size() }),
            };
        }
        if known.size() > 0 {
            let forked = |_| Error::Forked { remembered: known.size(), found: found.size() };
            proof.ok_or(Error::ProofFails)?.verify(known, found).map_err(forked)?;
        }
        self.keep(key, new)?;
        Ok(Memory::Continued)
    }

    /// Replaces what is remembered, whole or not at all.
    pub(crate) fn keep(&self, key: &VerifierKey, checkpoint: &SignedCheckpoint) -> Result<(), Error> {
        self.write(self.path(key), &format!("{key}\n{}", checkpoint.note()))
    }

    fn write(&self, path: PathBuf, text: &str) -> Result<(), Error> {
        let draft = path.with_extension(format!("{}.new", hex::encode(seal::random_bytes::<8>())));
        let written = write_synced(&draft, text).and_then(|()| fs::rename(&draft, &path));
        if let Err(source) = written {
            // The draft is of no use; that it may still lie there does no harm.
            drop(fs::remove_file(&draft));
            return Err(Error::Memory { path, source });
        }
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| Error::Memory { path, source })
    }

    /// The key under which the log of this name was seen.
    ///
    /// # Errors
    /// [`Error::Memory`], or [`Error::MemoryDamaged`] if the file is not what was written.
    pub fn key_of(&self, name: &str) -> Result<Option<VerifierKey>, Error> {
        let path = self.name_path(name);
        let line = match fs::read(&path) {
            Ok(line) => line,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.older_key_of(name),
            Err(source) => return Err(Error::Memory { path, source }),
        };
        let key = std::str::from_utf8(&line).ok().and_then(|line| line.trim_end().parse::<VerifierKey>().ok());
        match key.filter(|key| key.name() == name) {
            Some(key) => Ok(Some(key)),
            None => Err(Error::MemoryDamaged { path }),
        }
    }

    /// From the checkpoints alone, as they were kept before names were.
    fn older_key_of(&self, name: &str) -> Result<Option<VerifierKey>, Error> {
        let unread = |source| Error::Memory { path: self.folder.clone(), source };
        for entry in fs::read_dir(&self.folder).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            let small = fs::metadata(&path).is_ok_and(|about| about.is_file() && about.len() <= MAX_FILE_BYTES);
            if !small || path.extension().is_none_or(|ending| ending != CHECKPOINT) {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            let key = text.lines().next().and_then(|line| line.parse::<VerifierKey>().ok());
            if let Some(key) = key.filter(|key| key.name() == name) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// From now on, the log of this name is the one with this key.
    pub(crate) fn name(&self, key: &VerifierKey) -> Result<(), Error> {
        let path = self.name_path(key.name());
        let line = format!("{key}\n");
        if fs::read(&path).is_ok_and(|known| known == line.as_bytes()) {
            return Ok(());
        }
        self.write(path, &line)
    }

    fn name_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}.key", hex::encode(seal::sha256(name.as_bytes()))))
    }

    fn path(&self, key: &VerifierKey) -> PathBuf {
        self.folder.join(format!("{}.{CHECKPOINT}", key.fingerprint()))
    }
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
