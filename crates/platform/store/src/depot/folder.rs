//! A folder as a depot: what is left of its disk, and what was begun in it and never finished.

use std::{io, path::PathBuf};

/// Where it lies, and what it leaves free on its disk.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) spare_bytes: u64,
}

/// What was begun for an object of this name.
#[derive(Debug)]
pub struct Unfinished {
    pub name: String,
    file: PathBuf,
}

impl Folder {
    pub(super) fn has_room(&self) -> io::Result<bool> {
        let space = rustix::fs::statvfs(&self.path)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize) >= self.spare_bytes)
    }

    /// An object is written under its name and a number, and renamed: what a killed process leaves stays so.
    pub(super) fn unfinished(&self) -> io::Result<Vec<Unfinished>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let file = entry?.path();
            let begun = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('#'));
            if let Some((name, number)) = begun
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
            {
                found.push(Unfinished { name: name.to_owned(), file: file.clone() });
            }
        }
        Ok(found)
    }
}

impl Unfinished {
    pub(super) fn discard(&self) -> io::Result<()> {
        std::fs::remove_file(&self.file)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Depot, DepotPlace};

    #[tokio::test]
    async fn what_a_killed_process_began_is_found_and_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let depot = Depot::open(&DepotPlace::Folder(folder.path().to_owned())).unwrap();
        depot.put("whole", b"kept".to_vec()).await.unwrap();
        for name in ["begun#1", "begun#12", "no#number", "none#"] {
            std::fs::write(folder.path().join(name), "half").unwrap();
        }
        let found = depot.unfinished().unwrap();
        assert!(found.len() == 2 && found.iter().all(|one| one.name == "begun"), "{found:?}");
        found.iter().for_each(|one| depot.discard(one).unwrap());
        assert!(depot.unfinished().unwrap().is_empty() && depot.get("whole").await.unwrap().is_some());
    }
}
