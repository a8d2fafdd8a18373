//! Folders that backups, restores and rehearsals work in. Each is deleted with its work; one whose work was killed, with
//! what it left there, when the next begins.
//!
//! Refuses to delete what somebody still works in, and what is not named as ours.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};
use tempfile::TempDir;

const PREFIX: &str = ".bailiwick-work-";
/// Held as long as somebody works there.
const LOCK: &str = "lock";
/// Whoever sweeps at the very moment may take a folder before it is locked.
const TRIES: usize = 8;

/// A folder of one's own, for nobody else's eyes, on the disk of the folder that it is in.
#[derive(Debug)]
pub struct Scratch {
    // Deleted before the lock is let go.
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one, and deletes those in the same place that nobody works in any more.
    ///
    /// # Errors
    /// When `place` cannot be written.
    pub fn within(place: &Path) -> io::Result<Self> {
        sweep(place);
        for _ in 0..TRIES {
            let own = fs::Permissions::from_mode(0o700);
            let folder = tempfile::Builder::new().prefix(PREFIX).permissions(own).tempdir_in(place)?;
            let path = folder.path().join(LOCK);
            let lock = File::create(&path)?;
            match lock.try_lock() {
                // On a disk without locks nothing can be told apart: then nothing is swept either.
                Ok(()) | Err(TryLockError::Error(_)) if path.exists() => return Ok(Self { folder, _lock: lock }),
                Ok(()) | Err(_) => {}
            }
        }
        Err(io::Error::other("somebody deletes folders there as fast as they are made"))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What cannot be deleted stays, and is in nobody's way.
fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Without its lock it is being made at this moment.
        let Ok(lock) = File::options().write(true).open(entry.path().join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_killed_is_swept_and_what_is_at_work_is_not() {
        let place = tempfile::tempdir().unwrap();
        let at_work = Scratch::within(place.path()).unwrap();
        let (killed, other) = (place.path().join(format!("{PREFIX}killed")), place.path().join("other"));
        for folder in [&killed, &other] {
            fs::create_dir(folder).unwrap();
            for file in [LOCK, "rows"] {
                fs::write(folder.join(file), "").unwrap();
            }
        }
        let next = Scratch::within(place.path()).unwrap();
        assert!(!killed.exists() && other.exists() && at_work.path().exists());
        let (first, second) = (at_work.path().to_owned(), next.path().to_owned());
        drop((at_work, next));
        assert!(!first.exists() && !second.exists(), "they go with their work");
    }
}
