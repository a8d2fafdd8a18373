//! What this node has seen of each log: the newest checkpoint, kept beside the database.
//!
//! The database is judged by it, so it is evidence. Refuses to replace it by what does not continue it, while the node
//! runs as at its start: whoever looks first raises the doubt, and finds what was kept as it was.

use crate::{Store, StoreError, sql};
use ledger::Checkpoint;
use model::{EventId, TenantId};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Notify;

/// What stands in the place of a checkpoint from a restore on; a mark of its own follows.
const RESTORED: &str = "filled from a backup\n";

/// Whether what is kept says nothing but that a restore was begun.
pub(crate) fn is_restored(kept: &[u8]) -> bool {
    kept.starts_with(RESTORED.as_bytes())
}

/// Puts a word where the newest checkpoint is kept, which no database continues: every start is recovering from now on,
/// and asks a person. For a database that is about to be filled from a backup, on a machine that has seen nothing of it:
/// durable before the first row is, so that a restore that stops half way is not taken for a database like any other. What
/// was filled says so itself (`Refill::doubt`), to other machines too. What this machine has seen stays: an empty database
/// does not continue it either, and whatever is filled is judged by it.
///
/// Each word is another, so that what was accepted of one restore says nothing of the next.
///
/// # Errors
/// `StoreError::File`.
pub fn doubt(data_dir: &Path, tenant: &TenantId) -> Result<(), StoreError> {
    match read(data_dir, tenant)? {
        Some(kept) if !is_restored(&kept) => Ok(()),
        Some(_) | None => {
            let word = format!("{RESTORED}{}\n", EventId::generate());
            put(data_dir, tenant, word.as_bytes()).map_err(StoreError::file)
        }
    }
}

/// Whether a node has kept anything that it saw of a record, or a restore was begun, in this data folder.
#[must_use]
pub fn has_seen(data_dir: &Path) -> bool {
    fs::read_dir(folder(data_dir)).is_ok_and(|mut kept| kept.next().is_some())
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("checkpoints")
}

fn path(data_dir: &Path, tenant: &TenantId) -> PathBuf {
    // In hex, since a tenant's id was not made to be a file name.
    folder(data_dir).join(hex::encode(tenant.as_str()))
}

fn read(data_dir: &Path, tenant: &TenantId) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path(data_dir, tenant)) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file(error)),
    }
}

/// Durable when it comes back.
fn put(data_dir: &Path, tenant: &TenantId, note: &[u8]) -> io::Result<()> {
    let (folder, path) = (folder(data_dir), path(data_dir, tenant));
    if !folder.is_dir() {
        fs::create_dir_all(&folder)?;
        File::open(data_dir)?.sync_all()?;
    }
    let written = path.with_extension("new");
    let mut file = File::create(&written)?;
    file.write_all(note)?;
    file.sync_all()?;
    fs::rename(&written, &path)?;
    File::open(&folder)?.sync_all()
}

impl Store {
    pub(crate) fn kept_folder(&self) -> PathBuf {
        folder(&self.data_dir)
    }

    fn kept(&self, tenant: &TenantId) -> Result<Option<Vec<u8>>, StoreError> {
        read(&self.data_dir, tenant)
    }

    /// Keeps a checkpoint that this node has just made, from the head that had the note `before`. For whoever holds the
    /// edges, so that two do not keep at once.
    ///
    /// INVARIANT: only after the commit that holds it is durable, so that a crash never looks like a restore.
    ///
    /// # Errors
    /// `StoreError::File`; as `read`, when nothing can be compared: what was kept stays.
    pub(crate) async fn keep_grown(&self, tenant: &TenantId, before: &[u8], note: &[u8]) -> Result<(), StoreError> {
        if !self.is_recovering() && self.kept(tenant)?.as_deref() == Some(before) {
            // It was grown from this very head.
            return put(&self.data_dir, tenant, note).map_err(StoreError::file);
        }
        self.keep_checkpoint(tenant, note).await
    }

    /// Keeps a checkpoint that the database holds, if it continues what was kept; raises the doubt if it does not. While
    /// the database is in doubt, what was kept before stays.
    async fn keep_checkpoint(&self, tenant: &TenantId, note: &[u8]) -> Result<(), StoreError> {
        if self.is_recovering() {
            // What this node saw is what the database is to be judged by, until a person has accepted it.
            return Ok(());
        }
        let kept = self.kept(tenant)?;
        if kept.as_deref() == Some(note) {
            return Ok(());
        }
        let found = self.open_checkpoint(tenant, note).map(|now| now.checkpoint().clone());
        if let Some(kept) = kept {
            let found: Option<Checkpoint> = match found {
                Ok(found) => Some(found),
                Err(StoreError::Ledger(_)) => None,
                Err(error) => return Err(error),
            };
            if let Some(behind) = self.compare(tenant.clone(), &kept, found.as_ref()).await? {
                tracing::error!("the database does not continue what this node has seen of the record. {behind}");
                self.edges.doubted.notify_one();
                return Ok(());
            }
        } else {
            found?;
        }
        put(&self.data_dir, tenant, note).map_err(StoreError::file)
    }

    /// Every node keeps the newest checkpoint, whoever made it.
    ///
    /// # Errors
    /// As `read`; `StoreError::File`.
    pub(crate) async fn keep_newest(&self) -> Result<(), StoreError> {
        // Read under the lock: older than what this node keeps by itself meanwhile, a head would pass for one gone back.
        let edges = self.edges.grown.lock().await;
        for row in self.read(sql::LOG_HEADS, &[]).await? {
            self.keep_checkpoint(&TenantId::new(row.text(0)?), row.bytes(2)?).await?;
        }
        drop(edges);
        Ok(())
    }

    /// In place of whatever was kept: a person has accepted the database.
    pub(crate) fn replace_kept(&self, tenant: &TenantId, note: &[u8]) -> Result<(), StoreError> {
        put(&self.data_dir, tenant, note).map_err(StoreError::file)
    }

    /// Woken when this node found, while it ran, that the database does not continue what it has seen: compare again,
    /// with `behind`. One waits at a time; what was found before it waited wakes it too.
    #[must_use]
    pub fn doubted(&self) -> Arc<Notify> {
        Arc::clone(&self.edges.doubted)
    }
}
