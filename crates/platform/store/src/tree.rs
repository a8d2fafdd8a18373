//! The log's tree, through `ledger`: keys, the right edge, tiles by place.
//!
//! Refuses to grow from tiles that do not match their checkpoint.

use crate::{Store, StoreError, params, sql};
use ledger::{
    Checkpoint, Edge, LEAF_BYTES, LogKey, NewTile, SignedCheckpoint, TILE_WIDTH, TileId, TileMap, VerifierKey,
};
use model::TenantId;
use seal::{Context, Purpose};
use std::sync::Arc;

/// Bytes of one entry in a bundle: its length (16 bits), then the leaf.
const ENTRY_BYTES: usize = LEAF_BYTES + 2;
/// Levels of tiles that a 64-bit size can have.
const LEVELS: u8 = 8;

pub(crate) fn refused(error: ledger::Error) -> StoreError {
    StoreError::Ledger(Arc::new(error))
}

/// Where a tile is stored, whatever its width: a wider one takes the place of a narrower one.
pub(crate) fn place(tile: &TileId) -> String {
    tile.full().path()
}

/// The tiles that an edge is loaded from.
pub(crate) fn edge_tiles(size: u64) -> Result<Vec<TileId>, StoreError> {
    let mut tiles = Vec::new();
    for level in 0..LEVELS {
        let nodes = size >> (u32::from(level) * TILE_WIDTH.trailing_zeros());
        let (n, width) = (nodes / u64::from(TILE_WIDTH), u32::try_from(nodes % u64::from(TILE_WIDTH)).unwrap_or(0));
        if width == 0 {
            continue;
        }
        tiles.push(TileId::hashes(level, n, width).map_err(refused)?);
        if level == 0 {
            tiles.push(TileId::entries(n, width).map_err(refused)?);
        }
    }
    Ok(tiles)
}

/// Bytes of a full tile: of hashes, and of entries.
pub(crate) const fn full_bytes() -> (usize, usize) {
    let width = TILE_WIDTH as usize;
    (ledger::HASH_BYTES * width, ENTRY_BYTES * width)
}

/// A tile of a given width, cut from what is stored in its place.
pub(crate) fn cut(tile: &TileId, mut stored: Vec<u8>) -> Option<Vec<u8>> {
    let one = if tile.is_entries() { ENTRY_BYTES } else { ledger::HASH_BYTES };
    let length = one * tile.width() as usize;
    if stored.len() < length {
        return None;
    }
    stored.truncate(length);
    Some(stored)
}

/// What a batch of leaves makes of an edge.
pub(crate) struct Grown {
    pub(crate) edge: Edge,
    pub(crate) tiles: Vec<NewTile>,
    pub(crate) signed: SignedCheckpoint,
}

pub(crate) fn grow(mut edge: Edge, leaves: &[ledger::Leaf], key: &LogKey) -> Result<Grown, StoreError> {
    let tiles = edge.append(leaves).map_err(refused)?;
    let signed = Checkpoint::new(key, edge.size(), edge.root()).sign(key).map_err(refused)?;
    Ok(Grown { edge, tiles, signed })
}

pub(crate) fn load(checkpoint: &Checkpoint, tiles: &TileMap) -> Result<Edge, StoreError> {
    Edge::load(checkpoint, tiles).map_err(refused)
}

impl Store {
    /// The key that signs the tenant's log; its name is the log's origin.
    ///
    /// # Errors
    /// `StoreError::Ledger` when the tenant cannot be part of a key name.
    pub fn log_key(&self, tenant: &TenantId) -> Result<LogKey, StoreError> {
        let origin = ledger::origin(&self.log_host, tenant).map_err(refused)?;
        let purpose = self.root.tenant(tenant).purpose(Purpose::LogKey);
        LogKey::new(&origin, purpose.signing_key(&Context::table("log_heads"))).map_err(refused)
    }

    /// The public key of the tenant's log, to be given to whoever verifies.
    ///
    /// # Errors
    /// As `log_key`.
    pub fn log_verifier(&self, tenant: &TenantId) -> Result<VerifierKey, StoreError> {
        Ok(self.log_key(tenant)?.verifier().clone())
    }

    /// The newest checkpoint; `None` before the first event was sequenced.
    ///
    /// # Errors
    /// As `read`; `StoreError::Ledger` when it is not signed by the log's key.
    pub async fn checkpoint(&self, tenant: &TenantId) -> Result<Option<SignedCheckpoint>, StoreError> {
        let Some(row) = self.read_one(sql::LOG_HEAD, params![tenant]).await? else {
            return Ok(None);
        };
        self.open_checkpoint(tenant, row.bytes(2)?).map(Some)
    }

    pub(crate) fn open_checkpoint(&self, tenant: &TenantId, note: &[u8]) -> Result<SignedCheckpoint, StoreError> {
        let note = std::str::from_utf8(note).map_err(|_| StoreError::row(2, "a checkpoint"))?;
        SignedCheckpoint::open(note, self.log_key(tenant)?.verifier()).map_err(refused)
    }

    /// A tile or an entry bundle by its C2SP path, such as `tile/0/x001/067.p/17`. A partial tile that has grown
    /// since is cut from what took its place.
    ///
    /// # Errors
    /// As `read`. A path that is no tile's is `None`.
    pub async fn tile(&self, tenant: &TenantId, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Ok(tile) = path.parse::<TileId>() else {
            return Ok(None);
        };
        let Some(row) = self.read_one(sql::TILE, params![tenant, place(&tile)]).await? else {
            return Ok(None);
        };
        Ok(cut(&tile, self.content(row.bytes(0)?, row.opt_text(1)?).await?))
    }

    /// The tiles named, as proofs read them; what is missing stays out.
    ///
    /// # Errors
    /// As `read`.
    pub async fn tiles(&self, tenant: &TenantId, ids: &[TileId]) -> Result<TileMap, StoreError> {
        let mut tiles = TileMap::new();
        for id in ids {
            if let Some(bytes) = self.tile(tenant, &id.path()).await? {
                tiles.insert(*id, bytes);
            }
        }
        Ok(tiles)
    }

    /// Whether the log that the database holds is a continuation of `kept`.
    pub(crate) async fn continues(
        &self,
        tenant: &TenantId,
        kept: &Checkpoint,
        head: &Checkpoint,
    ) -> Result<bool, StoreError> {
        if head.size() <= kept.size() {
            return Ok(head.size() == kept.size() && head.root() == kept.root());
        }
        let ids = ledger::tiles_for_consistency(head.size(), kept.size()).map_err(refused)?;
        let tiles = self.tiles(tenant, &ids).await?;
        let proof = ledger::prove_consistency(head, kept.size(), &tiles).map_err(refused)?;
        Ok(proof.verify(kept, head).is_ok())
    }
}
