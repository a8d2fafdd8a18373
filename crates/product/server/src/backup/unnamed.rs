//! A SQLite database that is filled under another name. What stands under its own name is whole, so that a restore that
//! was killed is simply begun again.
//!
//! Refuses to take the place of anything, and to stand beside the log of another database, which would be read as its own.

use super::{failed, no_place, scratch::Scratch};
use model::Problem;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};
use store::Database;
use tempfile::TempPath;

const NAME: &str = "filled.db";
const TAKEN: &str = "a backup is restored into an empty place";

/// Deleted when it is dropped, unless it was named.
pub(super) struct Unnamed {
    scratch: Scratch,
    path: PathBuf,
}

impl Unnamed {
    /// Nothing yet, on the disk of what it will be.
    ///
    /// # Errors
    /// When something is there, or nothing can be.
    pub(super) fn of(path: &Path) -> Result<Self, Problem> {
        free(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let scratch = Scratch::within(folder).map_err(|error| no_place("there is no room to restore into", error))?;
        Ok(Self { scratch, path: path.to_owned() })
    }

    pub(super) fn database(&self) -> Database {
        Database::Sqlite { path: self.scratch.path().join(NAME) }
    }

    /// Gives it its name; durable when it comes back. Nobody has it open any more.
    ///
    /// # Errors
    /// When something came to be there meanwhile, or the disk fails: then nothing of it stays.
    pub(super) fn name(self) -> Result<(), Problem> {
        free(&self.path)?;
        let filled = self.scratch.path().join(NAME);
        let named = || -> io::Result<()> {
            if log_of(&filled).exists() {
                return Err(io::Error::other("its log could not be written into it"));
            }
            File::open(&filled)?.sync_all()?;
            TempPath::try_from_path(&filled)?.persist_noclobber(&self.path).map_err(|error| error.error)?;
            self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        named().map_err(|error| no_place("the restored database could not be put in its place", error))
    }
}

/// SQLite's log of what is not in the file yet (sqlite.org/wal.html).
fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn free(path: &Path) -> Result<(), Problem> {
    if path.exists() {
        return Err(failed(TAKEN, "there is a database already", "name an empty data folder or database"));
    }
    let log = log_of(path);
    if log.exists() {
        let why = format!("`{}` is there, the log of a database that was moved away without it", log.display());
        return Err(failed(TAKEN, why, "move it to where its database is"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn filled(path: &Path) -> Unnamed {
        let unnamed = Unnamed::of(path).unwrap();
        fs::write(unnamed.scratch.path().join(NAME), "rows").unwrap();
        unnamed
    }

    #[test]
    fn it_takes_nobodys_place_and_stands_beside_no_foreign_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bailiwick.db");
        let late = filled(&path);
        drop(filled(&path));
        assert!(!path.exists(), "nothing of it has a name before all of it does");
        filled(&path).name().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"rows");
        assert!(Unnamed::of(&path).is_err(), "something is there");
        fs::write(&path, "of a server").unwrap();
        assert!(late.name().is_err(), "something came to be there");
        assert_eq!(fs::read(&path).unwrap(), b"of a server");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        fs::rename(&path, log_of(&path)).unwrap();
        assert!(Unnamed::of(&path).is_err(), "a log without its database");
    }
}
