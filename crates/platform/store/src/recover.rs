//! Trust in the database: whether it continues what this node has seen of the record, and what happens when it does not.
//!
//! A node keeps its newest checkpoint beside the database, written after the commit that holds it is durable. A database
//! that does not continue it is an older copy, or another history. One that was filled from a backup says so itself, to
//! whatever node opens it. Refuses to forget what was kept until a person has accepted the database, in an act that names
//! both heads.

use crate::{Outcome, Store, StoreError, Tx, checkpoints::is_restored, event::Draft, params, sql};
use authority::{Caller, Target};
use ledger::Checkpoint;
use model::{EventId, TenantId};
use serde::Serialize;
use serde_json::json;
use std::{borrow::Cow, fs, sync::atomic::Ordering};

/// In `meta` from a restore on: the tenant whose log was filled from a backup, until a person has accepted it.
pub(crate) const IN_DOUBT: &str = "in_doubt";

/// How far a log went, and its root in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    pub size: u64,
    pub root: String,
}

/// The database does not continue a checkpoint that this node has kept: an old backup was restored, or the log was
/// cut or forked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Behind {
    pub tenant: TenantId,
    /// None when the file does not hold a checkpoint of this log any more.
    pub kept: Option<Head>,
    /// The database was filled from a backup, and nobody has accepted it yet.
    pub restored: bool,
    pub found: Head,
    /// Names the file that holds no checkpoint: it is known again by it, once the database was accepted.
    #[serde(skip)]
    mark: Option<String>,
}

impl Behind {
    /// By what its acceptance is found again.
    fn known(&self) -> Option<(u64, &str)> {
        match (&self.kept, &self.mark) {
            (Some(kept), _) => Some((kept.size, kept.root.as_str())),
            (None, Some(mark)) => Some((0, mark.as_str())),
            (None, None) => None,
        }
    }
}

impl std::fmt::Display for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tenant, kept, restored, found, .. } = self;
        match kept {
            Some(kept) => {
                let filled = if *restored { ", filled from a backup" } else { "" };
                write!(
                    f,
                    "log {tenant}: known here {} events, root {}; found {} events, root {}{filled}",
                    kept.size, kept.root, found.size, found.root
                )
            }
            None if *restored => write!(f, "log {tenant}: filled from a backup of {} events", found.size),
            None => write!(f, "log {tenant}: what was known here cannot be read; found {} events", found.size),
        }
    }
}

fn head(checkpoint: &Checkpoint) -> Head {
    Head { size: checkpoint.size(), root: hex::encode(checkpoint.root().as_bytes()) }
}

fn found_head(now: Option<&Checkpoint>) -> Head {
    now.map_or_else(|| Head { size: 0, root: String::new() }, head)
}

impl Store {
    /// Compares the checkpoints that this node has kept with the database, and asks it whether it was restored: what is
    /// behind must start *recovering*.
    ///
    /// # Errors
    /// As `read`; `StoreError::File` when what was kept cannot be read.
    pub async fn behind(&self) -> Result<Vec<Behind>, StoreError> {
        let mut found = self.behind_kept().await?;
        if let Some(row) = self.read_one(sql::META, params![IN_DOUBT]).await? {
            let tenant = TenantId::new(row.text(0)?);
            for behind in found.iter_mut().filter(|behind| behind.tenant == tenant) {
                behind.restored = true;
            }
            if found.iter().all(|behind| behind.tenant != tenant) {
                let now = self.newest(&tenant).await?;
                found.push(Behind { kept: None, restored: true, found: found_head(now.as_ref()), mark: None, tenant });
            }
        }
        Ok(found)
    }

    async fn behind_kept(&self) -> Result<Vec<Behind>, StoreError> {
        let mut found = Vec::new();
        let entries = match fs::read_dir(self.kept_folder()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(StoreError::file(error)),
        };
        for entry in entries {
            let entry = entry.map_err(StoreError::file)?;
            let name = entry.file_name().to_str().and_then(|name| hex::decode(name).ok());
            // A file that was being written when the machine stopped is not a checkpoint.
            let Some(tenant) = name.and_then(|name| String::from_utf8(name).ok()).map(TenantId::new) else {
                continue;
            };
            let note = fs::read(entry.path()).map_err(StoreError::file)?;
            if let Some(behind) = self.judge(tenant, &note).await? {
                found.push(behind);
            }
        }
        Ok(found)
    }

    async fn judge(&self, tenant: TenantId, note: &[u8]) -> Result<Option<Behind>, StoreError> {
        let now = self.newest(&tenant).await?;
        self.compare(tenant, note, now.as_ref()).await
    }

    /// The head of the database, if it is one.
    async fn newest(&self, tenant: &TenantId) -> Result<Option<Checkpoint>, StoreError> {
        match self.checkpoint(tenant).await {
            Ok(now) => Ok(now.map(|now| now.checkpoint().clone())),
            Err(StoreError::Ledger(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What was kept, and what was found; `None` when the one continues the other, or a person accepted that it does not.
    pub(crate) async fn compare(
        &self,
        tenant: TenantId,
        note: &[u8],
        now: Option<&Checkpoint>,
    ) -> Result<Option<Behind>, StoreError> {
        let kept = self.open_checkpoint(&tenant, note).ok().map(|kept| kept.checkpoint().clone());
        let continues = match (&kept, now) {
            (Some(kept), Some(now)) => match self.continues(&tenant, kept, now).await {
                // Without its tiles nothing can be shown, and what is not shown does not hold.
                Err(StoreError::Ledger(_)) => false,
                continues => continues?,
            },
            (Some(kept), None) => kept.size() == 0,
            (None, _) => false,
        };
        if continues {
            return Ok(None);
        }
        let (restored, found) = (is_restored(note), found_head(now));
        let mark = kept.is_none().then(|| seal::Digest::of(note).to_string());
        let behind = Behind { kept: kept.as_ref().map(head), restored, found, mark, tenant };
        Ok(if self.was_accepted(&behind).await? { None } else { Some(behind) })
    }

    /// Whether a person accepted this very loss, and the process ended before it was forgotten here.
    async fn was_accepted(&self, behind: &Behind) -> Result<bool, StoreError> {
        let Some((size, root)) = behind.known() else { return Ok(false) };
        let found = self.read(sql::ACCEPTED, params![&behind.tenant, size, root]).await?;
        Ok(!found.is_empty())
    }

    #[must_use]
    pub fn is_recovering(&self) -> bool {
        self.recovering.load(Ordering::Acquire)
    }

    /// From now on what was kept stays as it is. The record says what was found, if it can be written.
    pub async fn begin_recovering(&self, behind: &[Behind]) {
        self.recovering.store(true, Ordering::Release);
        let caller = Caller::system("recovery");
        for behind in behind {
            let target = Target::new(behind.tenant.clone(), format!("log/{}", behind.tenant));
            let draft = Draft {
                id: EventId::generate(),
                at: self.clock.now(),
                caller: &caller,
                target: &target,
                action: "record.behind",
                durability: "use",
                exception: None,
                outcome: Outcome::Failed,
                detail: Cow::Owned(json!({
                    "node": self.node, "kept": behind.kept, "restored": behind.restored, "found": behind.found,
                })),
                why: None,
                about: None,
            };
            if let Err(error) = self.write_event(draft, None).await {
                tracing::error!(%error, "that the database is behind could not be recorded");
            }
        }
    }

    /// The database was accepted: this node keeps its checkpoints from now on. Where what was accepted cannot take the
    /// place of what was known at once, the next checkpoint does: that it was accepted stands in the database.
    pub async fn end_recovering(&self, behind: &[Behind]) {
        if let Err(error) = self.forget(behind).await {
            tracing::warn!(%error, "what was known of the record is kept until its next checkpoint");
        }
        self.recovering.store(false, Ordering::Release);
    }

    async fn forget(&self, behind: &[Behind]) -> Result<(), StoreError> {
        self.sequence_now().await?;
        // Nobody else keeps one until what was accepted stands in the place of what was known.
        let edges = self.edges.grown.lock().await;
        for behind in behind {
            if let Some(now) = self.checkpoint(&behind.tenant).await? {
                self.replace_kept(&behind.tenant, now.note().as_bytes())?;
            }
        }
        drop(edges);
        Ok(())
    }
}

impl Tx {
    /// Writes that this loss was accepted, by the act of this transaction: the database is not in doubt any more, whoever
    /// opens it.
    ///
    /// # Errors
    /// As `execute`.
    pub async fn accept(&mut self, behind: &[Behind]) -> Result<(), StoreError> {
        let (event, now) = (self.event().clone(), self.now());
        for behind in behind {
            let (size, root) = behind.known().unwrap_or((0, ""));
            let row = params![&behind.tenant, &event, now, size, root, behind.found.size, behind.found.root.as_str(),];
            self.execute(sql::ACCEPT, row).await?;
        }
        self.execute(sql::DELETE_META, params![IN_DOUBT]).await.map(drop)
    }
}
