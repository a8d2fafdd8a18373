//! Reading single hashes out of tiles, through the tile library.
//!
//! Refuses nothing by itself: what the library reads is checked against the root by whoever asked.

use crate::{Checkpoint, Error, HASH_BYTES, Hash, ReadTiles, TileId, source::read_tile, tile::TILE_HEIGHT};
use std::cell::RefCell;
use tlog_tiles::{Error as TlogError, TileHashReader};

/// Runs the library over our tiles; its own errors carry no cause, so ours is kept aside.
///
/// The library checks tiles against the root, but leaves out the first full tiles where several perfect subtrees of
/// the right edge lie in one tile (`tlog_tiles` 0.2.0, `TileHashReader::read_hashes`, the loop from `stx.len()`).
/// Callers therefore check what comes out.
pub(crate) fn with_tiles<R: ReadTiles + ?Sized>(
    checkpoint: &Checkpoint,
    tiles: &R,
    prove: impl FnOnce(&TileHashReader<'_>) -> Result<Vec<tlog_tiles::Hash>, TlogError>,
) -> Result<Vec<Hash>, Error> {
    let reader = Reader { tiles, failed: RefCell::new(None) };
    let proved = prove(&TileHashReader::new(checkpoint.size(), checkpoint.root().into(), &reader));
    match (proved, reader.failed.into_inner()) {
        (_, Some(error)) => Err(error),
        (Ok(hashes), None) => Ok(hashes.into_iter().map(Hash::from).collect()),
        (Err(_), None) => Err(Error::TilesDiffer { size: checkpoint.size() }),
    }
}

struct Reader<'a, R: ?Sized> {
    tiles: &'a R,
    failed: RefCell<Option<Error>>,
}

impl<R: ReadTiles + ?Sized> Reader<'_, R> {
    fn one(&self, tile: &tlog_tiles::Tile) -> Result<Vec<u8>, Error> {
        let id = TileId::from_library(*tile);
        let bytes = read_tile(self.tiles, &id)?.ok_or_else(|| Error::TileMissing { path: id.path() })?;
        if bytes.len() == id.width() as usize * HASH_BYTES {
            Ok(bytes)
        } else {
            Err(Error::TileMalformed { path: id.path() })
        }
    }
}

impl<R: ReadTiles + ?Sized> tlog_tiles::TileReader for Reader<'_, R> {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, TlogError> {
        tiles.iter().map(|tile| self.one(tile)).collect::<Result<_, _>>().map_err(|error| {
            *self.failed.borrow_mut() = Some(error);
            TlogError::InvalidTile
        })
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// Asks the library which tiles it would read, and reads none.
pub(crate) fn planned<T>(size: u64, prove: impl FnOnce(&TileHashReader<'_>) -> Result<T, TlogError>) -> Vec<TileId> {
    let planner = Planner(RefCell::new(Vec::new()));
    // It always fails: no tile was read. What it asked for is the plan.
    drop(prove(&TileHashReader::new(size, tlog_tiles::EMPTY_HASH, &planner)));
    planner.0.into_inner()
}

/// Two plans as one, each tile once.
pub(crate) fn merged(mut tiles: Vec<TileId>, more: Vec<TileId>) -> Vec<TileId> {
    for tile in more {
        if !tiles.contains(&tile) {
            tiles.push(tile);
        }
    }
    tiles
}

struct Planner(RefCell<Vec<TileId>>);

impl tlog_tiles::TileReader for Planner {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, TlogError> {
        self.0.borrow_mut().extend(tiles.iter().copied().map(TileId::from_library));
        Err(TlogError::InvalidTile)
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}
