//! Whether bundles and backups could be kept where the configuration says, with the keys that are given.
//!
//! Makes no folder, which could come to lie where a disk is to be mounted, and leaves no object.

use super::{Examined, Health};
use crate::Config;
use rustix::fs::{Access, access};
use std::{io, path::Path};
use store::{Depot, DepotPlace};

pub(super) async fn depots(config: &Config) -> Vec<Examined> {
    let places = [("storage", config.content.as_ref()), ("backup", config.backup.as_ref().map(|plan| &plan.to))];
    let mut found = Vec::new();
    for (check, place) in places {
        found.extend(match place {
            Some(DepotPlace::Folder(path)) => Some(folder(check, path)),
            Some(place @ DepotPlace::S3(_)) => Some(bucket(check, place).await),
            None => None,
        });
    }
    found
}

async fn bucket(check: &'static str, place: &DepotPlace) -> Examined {
    let looked = async {
        let depot = Depot::open(place)?;
        depot.check().await.map(|()| depot.to_string())
    };
    match looked.await {
        Ok(place) => Examined::well(check, format!("`{place}` answers, and takes the keys, to read and to write")),
        Err(error) => Examined::of(check, &error.problem()),
    }
}

fn folder(check: &'static str, path: &Path) -> Examined {
    let name = format!("`{}`", path.display());
    let wrong = |health, what: &str, fix: &str| Examined::wrong(check, health, format!("{name} {what}"), fix);
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => wrong(
            Health::Doubtful,
            "is not there: the server makes it if it can, also where a disk should have been mounted",
            "mount the disk; or make the folder, for the server's user to write (under systemd the unit has to name it: `ReadWritePaths`)",
        ),
        Err(error) => wrong(Health::Ill, &format!("cannot be looked at: {error}"), "run this as the server's user"),
        Ok(about) if !about.is_dir() => wrong(Health::Ill, "is not a folder", "move it away, or name another place"),
        Ok(_) => match access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Examined::well(check, format!("{name} can be read and written by the user who runs this")),
            Err(error) => wrong(
                Health::Ill,
                &format!("cannot be read and written by the user who runs this: {error}"),
                "let the server's user write there; if this is another user, run this as the server's",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_looked_at_and_never_made() {
        let place = tempfile::tempdir().unwrap();
        let absent = place.path().join("mount/backup");
        let found = folder("backup", &absent);
        assert!(found.health == Health::Doubtful && found.fix.contains("mount"), "{found:?}");
        assert!(!place.path().join("mount").exists());
        std::fs::create_dir_all(&absent).unwrap();
        assert_eq!(folder("backup", &absent).health, Health::Well);
        std::fs::write(place.path().join("file"), "").unwrap();
        assert_eq!(folder("backup", &place.path().join("file")).health, Health::Ill);
    }
}
