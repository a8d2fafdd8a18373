//! The sequencer: brings committed events into the tree of the log, in batches.
//!
//! Acts insert events and never wait for the tree. On SQLite, where one writes at a time, an event has its place from its
//! insert on: a batch reads and hashes what comes after the head beside the writer, and holds it for tiles and head alone.
//! On PostgreSQL acts insert side by side, and a batch gives the places, under the lock of the head's row. Either way it
//! writes tiles and a signed checkpoint, and advances the head by compare-and-set on (size, term), in one transaction.
//! Whoever holds an old head, however long it was paused, changes nothing.
//!
//! INVARIANT: places of a tenant have no gap, and an event is in the log when the head covers its place, not before.

use crate::{
    Row, Store, StoreError, differences,
    engine::{Engine, EngineTx, GroupEnd, Statement},
    params, sql,
    tree::{self, Grown},
};
use ledger::{Checkpoint, Edge, Hash, Leaf, SALT_BYTES, TileMap};
use model::TenantId;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{Mutex, Notify};

/// Events in one batch: as many bodies are in memory at once, and on PostgreSQL the head is held while they are read.
const BATCH: i64 = 1000;

/// What a run of the sequencer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sequenced {
    pub events: u64,
}

/// Of each log, the edge that this node appended to last, so that tiles are not read again for each batch.
type Edged = HashMap<TenantId, Edge>;

/// How far the logs go, as this node knows it.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    pub(crate) grown: Mutex<Edged>,
    /// Woken when a log does not go on from where this node has seen it.
    pub(crate) doubted: Arc<Notify>,
}

impl Store {
    /// Sequences everything that is committed, now: for tests, receipts and exports. Any node may; the head's row
    /// keeps them apart.
    ///
    /// # Errors
    /// As a write; `StoreError::Ledger` when stored tiles do not match the log's head.
    pub async fn sequence_now(&self) -> Result<Sequenced, StoreError> {
        if !self.is_shared() {
            self.place_others().await?;
        }
        let (mut done, mut failed) = (Sequenced::default(), None);
        for row in self.read(differences::unsequenced_tenants(&self.engine), &[]).await? {
            // One log that does not go on holds up no other.
            match self.sequence_log(&TenantId::new(row.text(0)?)).await {
                Ok(events) => done.events += events,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(done), Err)
    }

    async fn sequence_log(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let mut done = 0;
        loop {
            let events = self.sequence_batch(tenant).await?;
            done += events;
            if events < BATCH as u64 {
                return Ok(done);
            }
        }
    }

    /// Places for events that came without one: from a backup of PostgreSQL, or from a version that gave them later.
    async fn place_others(&self) -> Result<(), StoreError> {
        if self.read(sql::ANY_UNPLACED, &[]).await?.is_empty() {
            return Ok(());
        }
        let mut tx = self.engine.begin().await?;
        tx.execute(sql::PLACE_EVENTS, &[]).await?;
        tx.commit(GroupEnd::Join).await
    }

    async fn sequence_batch(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let mut edges = self.edges.grown.lock().await;
        let batch = match &self.engine {
            Engine::Sqlite(_) => self.read_batch(tenant, &mut edges).await?,
            Engine::Postgres(_) => self.assign_batch(tenant, &mut edges).await?,
        };
        let Some(Batch { mut tx, head, grown, events }) = batch else { return Ok(0) };
        let note = grown.signed.note().as_bytes();
        let advance = params![tenant, head.checkpoint.size(), head.term, grown.edge.size(), note, self.clock.now()];
        if tx.execute(sql::ADVANCE_LOG, advance).await? != 1 {
            // Only if the head's row was not locked after all; what was assigned is rolled back.
            return Err(overtaken());
        }
        let tiles = grown
            .tiles
            .iter()
            .map(|tile| Statement::new(sql::PUT_TILE, params![tenant, tree::place(&tile.id), tile.bytes.as_slice()]));
        tx.run(&tiles.collect::<Vec<_>>()).await?;
        tx.commit(GroupEnd::Close).await?;
        if let Err(error) = self.keep_grown(tenant, &head.note, note).await {
            tracing::error!(%error, "the newest checkpoint could not be kept beside the database");
        }
        edges.insert(tenant.clone(), grown.edge);
        Ok(events)
    }

    /// What comes next in its places: read and hashed before the writer is held, since nobody else advances the head.
    async fn read_batch(&self, tenant: &TenantId, edges: &mut Edged) -> Result<Option<Batch>, StoreError> {
        let key = self.log_key(tenant)?;
        let from = match self.checkpoint(tenant).await? {
            Some(head) => head.checkpoint().clone(),
            None => Checkpoint::new(&key, 0, Hash::EMPTY),
        };
        let leaves = leaves(&self.read(sql::NEXT_EVENTS, params![tenant, from.size(), BATCH]).await?, from.size())?;
        if leaves.is_empty() {
            return Ok(None);
        }
        let edge = match known(edges, tenant, &from) {
            Some(edge) => edge,
            None => tree::load(&from, &self.tiles(tenant, &tree::edge_tiles(from.size())?).await?)?,
        };
        let grown = tree::grow(edge, &leaves, &key)?;
        let mut tx = self.engine.begin().await?;
        let head = self.lock_head(&mut tx, tenant).await?;
        if head.checkpoint != from {
            // Only from outside; it begins again at what is there now.
            return Err(overtaken());
        }
        Ok(Some(Batch { tx, head, grown, events: leaves.len() as u64 }))
    }

    /// Gives places to what has none, under the lock of the head's row.
    async fn assign_batch(&self, tenant: &TenantId, edges: &mut Edged) -> Result<Option<Batch>, StoreError> {
        let mut tx = self.engine.begin().await?;
        let head = self.lock_head(&mut tx, tenant).await?;
        let size = head.checkpoint.size();
        let leaves = leaves(&tx.query(sql::ASSIGN_INDEXES, params![tenant, size, BATCH]).await?, size)?;
        if leaves.is_empty() {
            return Ok(None);
        }
        let edge = match known(edges, tenant, &head.checkpoint) {
            Some(edge) => edge,
            None => load_edge(&mut tx, tenant, &head.checkpoint).await?,
        };
        let grown = tree::grow(edge, &leaves, &self.log_key(tenant)?)?;
        Ok(Some(Batch { tx, head, grown, events: leaves.len() as u64 }))
    }

    async fn lock_head(&self, tx: &mut EngineTx, tenant: &TenantId) -> Result<Head, StoreError> {
        let key = self.log_key(tenant)?;
        let now = self.clock.now();
        let mut rows = tx.query(sql::LOCK_LOG, params![tenant, now]).await?;
        if rows.is_empty() {
            let empty = Checkpoint::new(&key, 0, Hash::EMPTY).sign(&key).map_err(tree::refused)?;
            tx.execute(sql::START_LOG, params![tenant, empty.note().as_bytes(), now]).await?;
            rows = tx.query(sql::LOCK_LOG, params![tenant, now]).await?;
        }
        let row = rows.first().ok_or_else(|| StoreError::row(0, "the head of a log"))?;
        let note = row.bytes(2)?.to_vec();
        let checkpoint = self.open_checkpoint(tenant, &note)?.checkpoint().clone();
        if row.uint(0)? != checkpoint.size() {
            return Err(StoreError::row(0, "the size that its checkpoint says"));
        }
        Ok(Head { checkpoint, note, term: row.uint(1)? })
    }
}

struct Head {
    checkpoint: Checkpoint,
    note: Vec<u8>,
    term: u64,
}

/// What is to be written, and the transaction that holds the head.
struct Batch {
    tx: EngineTx,
    head: Head,
    grown: Grown,
    events: u64,
}

fn overtaken() -> StoreError {
    StoreError::busy("another node advanced the log")
}

/// The edge that this node appended to last, if it is the head's.
fn known(edges: &mut Edged, tenant: &TenantId, head: &Checkpoint) -> Option<Edge> {
    edges.remove(tenant).filter(|edge| edge.size() == head.size() && edge.root() == head.root())
}

/// The leaves of rows (place, salt, body), in the order of their places, of which `first` is the first.
fn leaves(rows: &[Row], first: u64) -> Result<Vec<Leaf>, StoreError> {
    let mut leaves = Vec::with_capacity(rows.len());
    for row in rows {
        let salt: &[u8; SALT_BYTES] = row.bytes(1)?.try_into().map_err(|_| StoreError::row(1, "a salt of 32 bytes"))?;
        leaves.push((row.uint(0)?, Leaf::of(salt, row.bytes(2)?)));
    }
    leaves.sort_by_key(|(index, _)| *index);
    let contiguous = leaves.iter().zip(first..).all(|((found, _), wanted)| *found == wanted);
    if !contiguous {
        return Err(StoreError::row(0, "the next index"));
    }
    Ok(leaves.into_iter().map(|(_, leaf)| leaf).collect())
}

async fn load_edge(tx: &mut EngineTx, tenant: &TenantId, checkpoint: &Checkpoint) -> Result<Edge, StoreError> {
    let mut tiles = TileMap::new();
    for id in tree::edge_tiles(checkpoint.size())? {
        let rows = tx.query(sql::TILE, params![tenant, tree::place(&id)]).await?;
        let Some(row) = rows.first() else { continue };
        if let Some(bytes) = tree::cut(&id, row.bytes(0)?.to_vec()) {
            tiles.insert(id, bytes);
        }
    }
    tree::load(checkpoint, &tiles)
}
