//! Whether the files are still where they were opened. A file that was removed or replaced takes every write and forgets
//! it: nothing is acknowledged that only such a file holds, and nothing is read from what stands in its place.

use crate::{StoreError, file_id::FileId};
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The database, and the log beside it (sqlite.org/wal.html), which stays the same file while the database is open.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    database: FileId,
    log_path: PathBuf,
    /// Made with the first write.
    log: OnceLock<FileId>,
}

impl Place {
    /// Of a database that was opened just now.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let mut log_path = path.as_os_str().to_owned();
        log_path.push("-wal");
        let database = FileId::of(path).map_err(StoreError::file)?;
        Ok(Self { path: path.to_owned(), database, log_path: log_path.into(), log: OnceLock::new() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses once another file, or none, is where one of them was.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let moved = |source| StoreError::moved_away(source);
        if FileId::of(&self.path).map_err(|error| moved(Some(error)))? != self.database {
            return Err(moved(None));
        }
        match (FileId::of(&self.log_path), self.log.get()) {
            (Ok(found), Some(known)) if found != *known => Err(moved(None)),
            (Ok(found), None) => {
                self.log.get_or_init(|| found);
                Ok(())
            }
            (Err(error), Some(_)) => Err(moved(Some(error))),
            (Ok(_), Some(_)) | (Err(_), None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_was_removed_replaced_or_brought_back_is_told_from_its_like() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let (log, away) = (folder.path().join("a.db-wal"), folder.path().join("away"));
        fs::write(&path, "a").unwrap();
        let place = Place::of(&path).unwrap();
        assert!(place.check().is_ok(), "there is no log before the first write");
        fs::write(&log, "b").unwrap();
        assert!(place.check().is_ok());
        for file in [&path, &log] {
            fs::rename(file, &away).unwrap();
            assert!(matches!(place.check(), Err(StoreError::Unwritable { .. })), "removed");
            fs::copy(&away, file).unwrap();
            assert!(matches!(place.check(), Err(StoreError::Unwritable { .. })), "a copy of it");
            fs::rename(&away, file).unwrap();
            assert!(place.check().is_ok(), "brought back");
        }
    }
}
