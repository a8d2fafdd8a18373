//! The change feed: what nodes keep in memory and must read again.
//!
//! Positions are gapless and in commit order for each tenant. Refuses to guess: a gap, or a position that went
//! backwards (a restored backup), means that everything is to be read again.

use crate::{Store, StoreError, params, sql};
use futures_util::{Stream, stream};
use model::{TenantId, Timestamp};
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::watch;

/// Changes read at once.
const BATCH: i64 = 500;
/// The safety net under the wake-ups: a notice that was lost costs at most this.
const POLL: Duration = Duration::from_secs(1);
/// Positions kept; a node that was away for longer reads everything again.
pub(crate) const KEPT: i64 = 100_000;

/// One change, in commit order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Changed {
        position: u64,
        kind: String,
        key: String,
        at: Timestamp,
    },
    /// Positions are missing or went backwards: read everything again; the feed goes on after `position`.
    ReloadEverything {
        position: u64,
    },
}

/// Ends with the store.
pub type Changes = Pin<Box<dyn Stream<Item = Change> + Send>>;

struct Reader {
    /// Weak, so that whoever listens does not keep the store open.
    store: Weak<Store>,
    tenant: TenantId,
    position: u64,
    ready: VecDeque<Change>,
    wake: watch::Receiver<u64>,
}

impl Store {
    /// The tenant's newest position; 0 before the first change.
    ///
    /// # Errors
    /// As `read`.
    pub async fn feed_position(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        self.read_one(sql::FEED_HEAD, params![tenant]).await?.map_or(Ok(0), |row| row.uint(0))
    }

    /// Every change after `from`, as it is committed on any node. Read `feed_position` first, then load, then
    /// subscribe from it: nothing is missed.
    #[must_use]
    pub fn subscribe(self: &Arc<Self>, tenant: &TenantId, from: u64) -> Changes {
        let reader = Reader {
            store: Arc::downgrade(self),
            tenant: tenant.clone(),
            position: from,
            ready: VecDeque::new(),
            wake: self.engine.fed().subscribe(),
        };
        Box::pin(stream::unfold(reader, |mut reader| async move {
            let change = reader.next().await?;
            Some((change, reader))
        }))
    }
}

impl Reader {
    async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            self.wake.mark_unchanged();
            let store = self.store.upgrade()?;
            let filled = self.fill(&store).await;
            drop(store);
            match filled {
                Ok(()) if !self.ready.is_empty() => continue,
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "the change feed could not be read"),
            }
            // Out of time means to look again; closed, that the store is gone.
            if matches!(tokio::time::timeout(POLL, self.wake.changed()).await, Ok(Err(_))) {
                return None;
            }
        }
    }

    async fn fill(&mut self, store: &Store) -> Result<(), StoreError> {
        let rows = store.read(sql::FEED, params![&self.tenant, self.position, BATCH]).await?;
        let first = rows.first().map(|row| row.uint(0)).transpose()?;
        let gap = first.is_some_and(|first| first != self.position + 1);
        let head = if rows.is_empty() || gap { store.feed_position(&self.tenant).await? } else { u64::MAX };
        if gap || head < self.position {
            self.position = head;
            self.ready.push_back(Change::ReloadEverything { position: head });
            return Ok(());
        }
        for row in rows {
            self.position = row.uint(0)?;
            self.ready.push_back(Change::Changed {
                position: self.position,
                kind: row.text(1)?.to_owned(),
                key: row.text(2)?.to_owned(),
                at: row.time(3)?,
            });
        }
        Ok(())
    }
}
