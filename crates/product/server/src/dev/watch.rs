//! Sees that a folder was saved: names, sizes and times of its files, looked at a few times a second.
//!
//! Looking is enough for the few files of an app, works on every file system, and never misses how an editor writes.
//! A save counts once two looks in a row agree, so that half a save is not taken for one.

use seal::Digest;
use std::{os::unix::fs::MetadataExt, path::Path, time::Duration};

/// Soon enough to feel at once, seldom enough to cost nothing.
const LOOK: Duration = Duration::from_millis(150);
/// More than an app may have; a folder that is something else is not walked for ever.
const ENTRIES_MAX: usize = 20_000;
/// What tools keep in a folder, and no app's.
const LEFT_OUT: [&str; 1] = ["node_modules"];

/// Calls `save` now, and again after each save. Never ends.
pub(crate) async fn each_save<F: Future<Output = ()>>(folder: &Path, save: impl Fn() -> F) {
    let mut saved = look(folder).await;
    loop {
        save().await;
        saved = next(folder, saved).await;
    }
}

async fn next(folder: &Path, saved: Digest) -> Digest {
    let mut last = saved;
    loop {
        tokio::time::sleep(LOOK).await;
        let seen = look(folder).await;
        if seen == last && seen != saved {
            return seen;
        }
        last = seen;
    }
}

async fn look(folder: &Path) -> Digest {
    let folder = folder.to_owned();
    let looked = tokio::task::spawn_blocking(move || seen(&folder)).await;
    looked.unwrap_or_else(|_| seal::DigestWriter::new().finish())
}

/// What a save changes, in one value; what cannot be looked at is left out.
fn seen(folder: &Path) -> Digest {
    let mut over = seal::DigestWriter::new();
    let mut folders = vec![folder.to_owned()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            count += 1;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if count > ENTRIES_MAX {
                return over.finish();
            }
            if name.starts_with('.') || LEFT_OUT.contains(&&*name) {
                continue;
            }
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(entry.path());
                continue;
            }
            over.update(entry.path().as_os_str().as_encoded_bytes());
            over.update(&[0]);
            for number in [about.len().cast_signed(), about.mtime(), about.mtime_nsec(), about.ino().cast_signed()] {
                over.update(&number.to_be_bytes());
            }
        }
    }
    over.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_is_seen_and_what_is_no_part_of_an_app_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("public/deep")).unwrap();
        std::fs::create_dir_all(path("node_modules")).unwrap();
        std::fs::create_dir_all(path(".git")).unwrap();
        std::fs::write(path("app.js"), "one").unwrap();
        let mut last = seen(folder.path());
        assert_eq!(seen(folder.path()), last);
        for name in [".git/index", ".app.js.swp", "node_modules/x.js"] {
            std::fs::write(path(name), "x").unwrap();
            assert_eq!(seen(folder.path()), last, "{name}");
        }
        for (name, text) in [("app.js", "longer"), ("public/deep/x.css", ""), ("mock.json", "{}")] {
            std::fs::write(path(name), text).unwrap();
            let now = seen(folder.path());
            assert_ne!(now, last, "{name}");
            last = now;
        }
        std::fs::rename(path("mock.json"), path("mack.json")).unwrap();
        assert_ne!(seen(folder.path()), last);
    }
}
