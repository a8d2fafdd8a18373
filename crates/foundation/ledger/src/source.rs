//! Where tiles and entries come from: traits that the store and the server implement, and tiles held in memory.
//!
//! Synchronous on purpose: whoever reads from a database loads the named tiles first ([`TileMap`]), or calls from a
//! thread that may block.

use crate::{Error, Hash, SALT_BYTES, SourceError, TileId};
use std::collections::HashMap;

/// Reads tiles.
pub trait ReadTiles {
    /// The bytes of a tile, or `None` if there is no such tile.
    ///
    /// # Errors
    /// Whatever kept the bytes from being read.
    fn tile(&self, tile: &TileId) -> Result<Option<Vec<u8>>, SourceError>;
}

/// Reads tiles and entries.
pub trait ReadLog: ReadTiles {
    /// The entries from `first` on, `count` of them (at most [`crate::TILE_WIDTH`]), in order. Fewer when the rest is
    /// not there.
    ///
    /// # Errors
    /// Whatever kept them from being read.
    fn entries(&self, first: u64, count: u32) -> Result<Vec<StoredEntry>, SourceError>;
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredEntry {
    /// Salt and exact bytes.
    Kept { salt: [u8; SALT_BYTES], body: Vec<u8> },
    /// Salt and body are gone; whether rightly is for the log's `event.erase` events to say.
    Gone,
}

/// Tiles held in memory, by id.
#[derive(Debug, Clone, Default)]
pub struct TileMap(HashMap<TileId, Vec<u8>>);

impl TileMap {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one.
    pub fn insert(&mut self, tile: TileId, bytes: Vec<u8>) {
        self.0.insert(tile, bytes);
    }
}

impl FromIterator<(TileId, Vec<u8>)> for TileMap {
    fn from_iter<I: IntoIterator<Item = (TileId, Vec<u8>)>>(tiles: I) -> Self {
        Self(tiles.into_iter().collect())
    }
}

impl ReadTiles for TileMap {
    fn tile(&self, tile: &TileId) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.0.get(tile).cloned())
    }
}

/// A tile's bytes; a partial tile that was replaced by a wider one is cut from the full tile (C2SP `tlog-tiles`).
pub(crate) fn read_tile<R: ReadTiles + ?Sized>(source: &R, tile: &TileId) -> Result<Option<Vec<u8>>, Error> {
    if let Some(bytes) = source.tile(tile).map_err(Error::Source)? {
        return Ok(Some(bytes));
    }
    let full = tile.full();
    if full == *tile {
        return Ok(None);
    }
    let Some(mut bytes) = source.tile(&full).map_err(Error::Source)? else {
        return Ok(None);
    };
    // Every hash and every leaf has one length, so a part of the tile is a part of its bytes.
    let one = bytes.len() / full.width() as usize;
    bytes.truncate(one * tile.width() as usize);
    Ok(Some(bytes))
}

/// The hashes of a hash tile, exactly as many as its width.
pub(crate) fn read_hashes<R: ReadTiles + ?Sized>(source: &R, tile: &TileId) -> Result<Vec<Hash>, Error> {
    let bytes = read_tile(source, tile)?.ok_or_else(|| Error::TileMissing { path: tile.path() })?;
    Hash::many(&bytes)
        .filter(|hashes| hashes.len() == tile.width() as usize)
        .ok_or_else(|| Error::TileMalformed { path: tile.path() })
}
