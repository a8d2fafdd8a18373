//! Content that this machine keeps in its data folder, by digest, so that it is fetched once. A bound on its size; the
//! longest unused goes first. Anything may be deleted from it at any time.
//!
//! Refuses what is not what its name says: it is deleted and fetched again. No failure of it is anybody's failure.

use seal::Digest;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// Some dozens of large releases.
const MAX_BYTES: u64 = 1 << 30;

#[derive(Debug, Clone)]
pub(super) struct Cache(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// About how much is there.
    bytes: AtomicU64,
    made: AtomicU64,
}

impl Cache {
    pub(super) fn open(path: PathBuf) -> Self {
        let bytes = files(&path).iter().map(|(_, size, _)| size).sum();
        Self(Arc::new(Folder { path, bytes: AtomicU64::new(bytes), made: AtomicU64::new(0) }))
    }

    pub(super) async fn get(&self, digest: Digest) -> Option<Vec<u8>> {
        let folder = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || folder.get(&digest)).await.ok().flatten()
    }

    pub(super) async fn keep(&self, digest: Digest, bytes: &[u8]) {
        let (folder, bytes) = (Arc::clone(&self.0), bytes.to_vec());
        let kept = tokio::task::spawn_blocking(move || folder.keep(&digest, &bytes, MAX_BYTES)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "content could not be kept on this machine; it is fetched again");
        }
    }
}

impl Folder {
    fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.path.join(digest.to_hex());
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) == *digest {
            // Used now: another goes before it. A failure only makes it look older.
            drop(File::open(&path).and_then(|file| file.set_modified(used_now())));
            return Some(bytes);
        }
        tracing::warn!(path = %path.display(), "kept content was altered; it is fetched again");
        drop(fs::remove_file(path));
        None
    }

    fn keep(&self, digest: &Digest, bytes: &[u8], most: u64) -> io::Result<()> {
        let path = self.path.join(digest.to_hex());
        if path.exists() {
            return Ok(());
        }
        fs::create_dir_all(&self.path)?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let new = self.path.join(format!("{}.{}-{number}.new", digest.to_hex(), std::process::id()));
        // Not synced: what a crash leaves half is not what its digest says.
        let written =
            File::create(&new).and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&new, path));
        if written.is_err() {
            drop(fs::remove_file(&new));
            return written;
        }
        let size = bytes.len() as u64;
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > most {
            self.shrink(most);
        }
        Ok(())
    }

    fn shrink(&self, most: u64) {
        let mut found = files(&self.path);
        found.sort_by_key(|(_, _, used)| *used);
        let mut bytes: u64 = found.iter().map(|(_, size, _)| size).sum();
        for (path, size, _) in found {
            if bytes <= most / 4 * 3 {
                break;
            }
            if fs::remove_file(path).is_ok() {
                bytes -= size;
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "file times are the machine's, not the product's")]
fn used_now() -> SystemTime {
    SystemTime::now()
}

fn files(path: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let file = |entry: fs::DirEntry| {
        let about = entry.metadata().ok()?;
        Some((entry.path(), about.len(), about.modified().ok()?))
    };
    entries.filter_map(|entry| file(entry.ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_within_its_bound_and_gives_nothing_that_was_altered() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("content"));
        let all: Vec<Vec<u8>> = (0..10_u8).map(|n| vec![n; 100]).collect();
        for bytes in &all {
            cache.0.keep(&Digest::of(bytes), bytes, 550).unwrap();
            assert!(files(&cache.0.path).iter().map(|(_, size, _)| size).sum::<u64>() <= 550);
        }
        let newest = Digest::of(&all[9]);
        assert_eq!(cache.0.get(&newest).as_deref(), Some(&all[9][..]));
        assert_eq!(cache.0.get(&Digest::of(&all[0])), None, "the longest unused went");
        fs::write(cache.0.path.join(newest.to_hex()), b"other").unwrap();
        assert_eq!(cache.0.get(&newest), None);
        cache.0.keep(&newest, &all[9], 550).unwrap();
        assert_eq!(cache.0.get(&newest).as_deref(), Some(&all[9][..]));
    }
}
