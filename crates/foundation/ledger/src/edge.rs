//! Appending: the right edge of the tree, from which new tiles and the new root follow.
//!
//! Refuses to grow from tiles that do not match the checkpoint it is loaded for.

use crate::{
    Checkpoint, Error, Hash, Leaf, ReadTiles, TILE_WIDTH, TileId,
    frontier::Frontier,
    source::{read_hashes, read_tile},
    tile::{TILE_HEIGHT, bundle, unbundle},
};

/// The tiles at the right edge that are not full: all that appending needs, about 8 KiB for each level.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    size: u64,
    /// Leaves of the bundle that is not full.
    leaves: Vec<Leaf>,
    /// Hashes of the tile that is not full, by level. INVARIANT: each holds fewer than [`TILE_WIDTH`].
    levels: Vec<Vec<Hash>>,
}

/// A tile to be written. A wider tile in the same place replaces a narrower one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTile {
    pub id: TileId,
    pub bytes: Vec<u8>,
}

impl Edge {
    /// The edge of an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of the log that `checkpoint` describes, read from at most nine tiles.
    ///
    /// # Errors
    /// [`Error::TileMissing`], [`Error::TileMalformed`], [`Error::Source`], or [`Error::TilesDiffer`] when the tiles
    /// do not have the checkpoint's root.
    pub fn load<R: ReadTiles + ?Sized>(checkpoint: &Checkpoint, tiles: &R) -> Result<Self, Error> {
        let size = checkpoint.size();
        let mut levels = Vec::new();
        for (level, n, width) in edge_tiles(size) {
            levels.push(match width {
                0 => Vec::new(),
                _ => read_hashes(tiles, &TileId::hashes(level, n, width)?)?,
            });
        }
        let leaves = match edge_tiles(size).next() {
            Some((_, n, width)) if width > 0 => read_leaves(tiles, &TileId::entries(n, width)?)?,
            _ => Vec::new(),
        };
        let edge = Self { size, leaves, levels };
        let leaves_fit = edge.leaves.iter().map(Leaf::hash).eq(edge.levels.first().into_iter().flatten().copied());
        if !leaves_fit || edge.root() != checkpoint.root() {
            return Err(Error::TilesDiffer { size });
        }
        Ok(edge)
    }

    /// How many entries the log has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all of them (RFC 6962, section 2.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut frontier = Frontier::default();
        for (level, hashes) in self.levels.iter().enumerate().rev() {
            for hash in hashes {
                frontier.push(level as u8 * TILE_HEIGHT, *hash);
            }
        }
        frontier.root()
    }

    /// Appends a batch, and returns every tile that is new or wider than before, entry bundles included. Write them
    /// all before a checkpoint of the new size is published.
    ///
    /// # Errors
    /// [`Error::MalformedTilePath`] past 2⁶⁴ entries, which no log reaches.
    pub fn append(&mut self, leaves: &[Leaf]) -> Result<Vec<NewTile>, Error> {
        let mut tiles = Vec::new();
        let mut grown = vec![false; self.levels.len()];
        for leaf in leaves {
            self.leaves.push(*leaf);
            self.size += 1;
            if self.leaves.len() == TILE_WIDTH as usize {
                let n = (self.size >> TILE_HEIGHT) - 1;
                tiles.push(NewTile { id: TileId::entries(n, TILE_WIDTH)?, bytes: bundle(&self.leaves) });
                self.leaves.clear();
            }
            self.push(leaf.hash(), &mut grown, &mut tiles)?;
        }
        if !leaves.is_empty() && !self.leaves.is_empty() {
            let id = TileId::entries(self.size >> TILE_HEIGHT, self.leaves.len() as u32)?;
            tiles.push(NewTile { id, bytes: bundle(&self.leaves) });
        }
        for ((level, n, width), hashes) in edge_tiles(self.size).zip(&self.levels) {
            if width > 0 && grown.get(usize::from(level)) == Some(&true) {
                tiles.push(NewTile { id: TileId::hashes(level, n, width)?, bytes: tile_bytes(hashes) });
            }
        }
        Ok(tiles)
    }

    fn push(&mut self, hash: Hash, grown: &mut Vec<bool>, tiles: &mut Vec<NewTile>) -> Result<(), Error> {
        let mut hash = hash;
        for level in 0u8.. {
            let index = usize::from(level);
            if self.levels.len() == index {
                self.levels.push(Vec::new());
                grown.push(true);
            }
            let (Some(hashes), Some(grown)) = (self.levels.get_mut(index), grown.get_mut(index)) else {
                break;
            };
            hashes.push(hash);
            *grown = true;
            if hashes.len() < TILE_WIDTH as usize {
                break;
            }
            let n = (self.size >> (u32::from(level + 1) * u32::from(TILE_HEIGHT))) - 1;
            tiles.push(NewTile { id: TileId::hashes(level, n, TILE_WIDTH)?, bytes: tile_bytes(hashes) });
            hash = Frontier::root_of(hashes);
            hashes.clear();
        }
        Ok(())
    }
}

fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn read_leaves<R: ReadTiles + ?Sized>(tiles: &R, id: &TileId) -> Result<Vec<Leaf>, Error> {
    let bytes = read_tile(tiles, id)?.ok_or_else(|| Error::TileMissing { path: id.path() })?;
    unbundle(&bytes)
        .filter(|leaves| leaves.len() == id.width() as usize)
        .ok_or_else(|| Error::TileMalformed { path: id.path() })
}

/// For each level of a tree of `size`, lowest first: level, number and width of the tile at the right edge. A width
/// of 0 means that the last tile of the level is full.
pub(crate) fn edge_tiles(size: u64) -> impl Iterator<Item = (u8, u64, u32)> {
    (0u8..)
        .map(move |level| (level, size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0)))
        .take_while(|(_, nodes)| *nodes > 0)
        .map(|(level, nodes)| (level, nodes >> TILE_HEIGHT, (nodes % u64::from(TILE_WIDTH)) as u32))
}
