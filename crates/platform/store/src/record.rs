//! The record as `ledger` reads it: tiles and entries from the store, for proofs and exports. Never on an async thread.

use crate::{Event, Store};
use ledger::{ReadLog, ReadTiles, SourceError, StoredEntry, TileId};
use model::TenantId;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::runtime::Handle;

/// Reads through the store, blocking; made on an async thread, used off it.
#[derive(Debug)]
pub struct Record {
    store: Arc<Store>,
    tenant: TenantId,
    runtime: Handle,
    /// How many entries were read.
    count: Arc<AtomicU64>,
}

impl Record {
    #[must_use]
    pub fn new(store: Arc<Store>, tenant: TenantId) -> Self {
        Self { store, tenant, runtime: Handle::current(), count: Arc::default() }
    }

    /// Counts the entries that are read, for whoever watches.
    #[must_use]
    pub fn counted(self, count: Arc<AtomicU64>) -> Self {
        Self { count, ..self }
    }
}

impl ReadTiles for Record {
    fn tile(&self, tile: &TileId) -> Result<Option<Vec<u8>>, SourceError> {
        let path = tile.path();
        self.runtime.block_on(self.store.tile(&self.tenant, &path)).map_err(SourceError::from)
    }
}

impl ReadLog for Record {
    fn entries(&self, first: u64, count: u32) -> Result<Vec<StoredEntry>, SourceError> {
        let until = first + u64::from(count);
        let mut entries = Vec::new();
        let mut from = first;
        while from < until {
            let read = self.runtime.block_on(self.store.events_by_index(&self.tenant, from, until));
            let page = read.map_err(SourceError::from)?;
            if page.is_empty() {
                break;
            }
            from += page.len() as u64;
            self.count.fetch_add(page.len() as u64, Ordering::Relaxed);
            entries.extend(page.into_iter().map(StoredEntry::from));
        }
        Ok(entries)
    }
}

impl From<Event> for StoredEntry {
    fn from(event: Event) -> Self {
        match (event.salt.and_then(|salt| salt.try_into().ok()), event.body) {
            (Some(salt), Some(body)) => Self::Kept { salt, body },
            _ => Self::Gone,
        }
    }
}
