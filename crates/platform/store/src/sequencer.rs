//! The sequencer: gives committed events their place in the log, in batches.
//!
//! Acts insert events unordered and never wait for the tree. A batch locks the head's row, assigns indexes, writes
//! tiles and a signed checkpoint, and advances the head by compare-and-set on (size, term), all in one transaction.
//! Whoever holds an old head, however long it was paused, changes nothing.

use crate::{
    Store, StoreError,
    engine::{EngineTx, GroupEnd, Statement},
    params, sql, tree,
};
use ledger::{Checkpoint, Edge, Hash, Leaf, SALT_BYTES, TileMap};
use model::TenantId;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{Mutex, Notify};

/// Events in one batch: on SQLite the writer is held for some 20 ms meanwhile.
const BATCH: i64 = 1000;

/// What a run of the sequencer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sequenced {
    pub events: u64,
}

/// How far the logs go, as this node knows it.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// The edges that it appended to last, so that tiles are not read again for each batch.
    pub(crate) grown: Mutex<HashMap<TenantId, Edge>>,
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
        let mut done = Sequenced::default();
        for row in self.read(sql::UNSEQUENCED_TENANTS, &[]).await? {
            let tenant = TenantId::new(row.text(0)?);
            loop {
                let events = self.sequence_batch(&tenant).await?;
                done.events += events;
                if events < BATCH as u64 {
                    break;
                }
            }
        }
        Ok(done)
    }

    async fn sequence_batch(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let mut edges = self.edges.grown.lock().await;
        let mut tx = self.engine.begin().await?;
        let head = self.lock_head(&mut tx, tenant).await?;
        let leaves = assign(&mut tx, tenant, head.checkpoint.size()).await?;
        if leaves.is_empty() {
            return Ok(0);
        }
        let known = edges
            .remove(tenant)
            .filter(|edge| edge.size() == head.checkpoint.size() && edge.root() == head.checkpoint.root());
        let edge = match known {
            Some(edge) => edge,
            None => load_edge(&mut tx, tenant, &head.checkpoint).await?,
        };
        let grown = tree::grow(edge, &leaves, &self.log_key(tenant)?)?;
        let note = grown.signed.note().as_bytes();
        let advance = params![tenant, head.checkpoint.size(), head.term, grown.edge.size(), note, self.clock.now()];
        if tx.execute(sql::ADVANCE_LOG, advance).await? != 1 {
            // Only if the head's row was not locked after all; what was assigned is rolled back.
            return Err(StoreError::busy("another node advanced the log"));
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
        Ok(leaves.len() as u64)
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

/// Gives unsequenced events their indexes, and returns their leaves in that order.
async fn assign(tx: &mut EngineTx, tenant: &TenantId, size: u64) -> Result<Vec<Leaf>, StoreError> {
    let rows = tx.query(sql::ASSIGN_INDEXES, params![tenant, size, BATCH]).await?;
    let mut leaves = Vec::with_capacity(rows.len());
    for row in &rows {
        let salt: &[u8; SALT_BYTES] = row.bytes(1)?.try_into().map_err(|_| StoreError::row(1, "a salt of 32 bytes"))?;
        leaves.push((row.uint(0)?, Leaf::of(salt, row.bytes(2)?)));
    }
    leaves.sort_by_key(|(index, _)| *index);
    let contiguous = leaves.iter().zip(size..).all(|((found, _), wanted)| *found == wanted);
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
