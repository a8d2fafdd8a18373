//! Tiles: the files that a log consists of (C2SP `tlog-tiles`), by path and content.
//!
//! Refuses paths in any spelling but the canonical one.

use crate::{Error, LEAF_BYTES, Leaf};
use std::{fmt, str::FromStr};

/// How many hashes or entries a full tile holds (C2SP `tlog-tiles`).
pub const TILE_WIDTH: u32 = 256;

/// Tiles have height 8: one level of tiles covers 8 levels of the tree.
pub(crate) const TILE_HEIGHT: u8 = 8;

/// Levels of tiles that a 64-bit size can have; more is a mistake or an attack.
const MAX_LEVELS: u8 = 8;

/// How the library spells what C2SP leaves out, and the other way round.
const LIBRARY_PREFIX: &str = "tile/8/";
const LIBRARY_ENTRIES: &str = "data/";
const PREFIX: &str = "tile/";
const ENTRIES: &str = "entries/";

/// Which tile: `tile/<level>/<n>[.p/<width>]`, or an entry bundle: `tile/entries/<n>[.p/<width>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TileId(tlog_tiles::Tile);

impl TileId {
    /// The `n`th hash tile on `level` (0 holds leaf hashes), holding `width` hashes (1 to [`TILE_WIDTH`]).
    ///
    /// # Errors
    /// [`Error::MalformedTilePath`] if level or width are out of range.
    pub fn hashes(level: u8, n: u64, width: u32) -> Result<Self, Error> {
        Self::new(level, n, width, Kind::Hashes)
    }

    /// The `n`th entry bundle, holding `width` leaves (1 to [`TILE_WIDTH`]).
    ///
    /// # Errors
    /// [`Error::MalformedTilePath`] if the width is out of range.
    pub fn entries(n: u64, width: u32) -> Result<Self, Error> {
        Self::new(0, n, width, Kind::Entries)
    }

    fn new(level: u8, n: u64, width: u32, kind: Kind) -> Result<Self, Error> {
        if level >= MAX_LEVELS || !(1..=TILE_WIDTH).contains(&width) {
            return Err(Error::MalformedTilePath { found: format!("{PREFIX}{level}/{n}.p/{width}") });
        }
        Ok(Self(tlog_tiles::Tile::new(TILE_HEIGHT, level, n, width, matches!(kind, Kind::Entries))))
    }

    pub(crate) fn from_library(tile: tlog_tiles::Tile) -> Self {
        Self(tile)
    }

    /// Whether it holds leaves instead of hashes.
    #[must_use]
    pub fn is_entries(&self) -> bool {
        self.0.is_data()
    }

    /// The level of a hash tile; 0 for an entry bundle.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.0.level()
    }

    /// Its number within the level.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.0.level_index()
    }

    /// How many hashes or leaves it holds.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// The full tile in the same place.
    #[must_use]
    pub fn full(&self) -> Self {
        let (level, n) = (self.level(), self.n());
        Self(tlog_tiles::Tile::new(TILE_HEIGHT, level, n, TILE_WIDTH, self.is_entries()))
    }

    /// Its path below the log's prefix, such as `tile/0/x001/x234/067.p/17`.
    #[must_use]
    pub fn path(&self) -> String {
        let path = self.0.path();
        let rest = path.strip_prefix(LIBRARY_PREFIX).unwrap_or(&path);
        match rest.strip_prefix(LIBRARY_ENTRIES) {
            Some(n) => [PREFIX, ENTRIES, n].concat(),
            None => [PREFIX, rest].concat(),
        }
    }
}

enum Kind {
    Hashes,
    Entries,
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl FromStr for TileId {
    type Err = Error;

    fn from_str(path: &str) -> Result<Self, Error> {
        let malformed = || Error::MalformedTilePath { found: path.chars().take(80).collect() };
        let rest = path.strip_prefix(PREFIX).ok_or_else(malformed)?;
        // The library takes an out-of-range level or an empty tile for a mistake of its caller, and stops.
        let level_fits = match rest.split_once('/') {
            Some(("entries", _)) => true,
            Some((level, _)) => level.parse::<u8>().is_ok_and(|level| level < MAX_LEVELS),
            None => false,
        };
        let partly = |(_, width): (&str, &str)| width.parse().is_ok_and(|width| (1..TILE_WIDTH).contains(&width));
        if !level_fits || !rest.split_once(".p/").is_none_or(partly) {
            return Err(malformed());
        }
        let spelled = match rest.strip_prefix(ENTRIES) {
            Some(n) => [LIBRARY_PREFIX, LIBRARY_ENTRIES, n].concat(),
            None => [LIBRARY_PREFIX, rest].concat(),
        };
        let tile = Self(tlog_tiles::Tile::from_path(&spelled).map_err(|_| malformed())?);
        if tile.path() == path { Ok(tile) } else { Err(malformed()) }
    }
}

/// An entry bundle: each leaf after its length (16-bit, big-endian), as C2SP `tlog-tiles` frames entries.
pub(crate) fn bundle(leaves: &[Leaf]) -> Vec<u8> {
    const LENGTH: u16 = LEAF_BYTES as u16;
    leaves.iter().flat_map(|leaf| LENGTH.to_be_bytes().into_iter().chain(*leaf.as_bytes())).collect()
}

/// Reads what [`bundle`] wrote.
pub(crate) fn unbundle(bytes: &[u8]) -> Option<Vec<Leaf>> {
    let (frames, rest) = bytes.as_chunks::<{ LEAF_BYTES + 2 }>();
    let leaf = |frame: &[u8; LEAF_BYTES + 2]| {
        let (length, leaf) = frame.split_first_chunk::<2>()?;
        (usize::from(u16::from_be_bytes(*length)) == LEAF_BYTES).then(|| Leaf::from_bytes(leaf)).flatten()
    };
    rest.is_empty().then(|| frames.iter().map(leaf).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_c2sps() {
        assert_eq!(TileId::hashes(0, 1_234_067, 256).unwrap().path(), "tile/0/x001/x234/067");
        assert_eq!(TileId::hashes(1, 0, 17).unwrap().path(), "tile/1/000.p/17");
        assert_eq!(TileId::entries(5, 3).unwrap().path(), "tile/entries/005.p/3");
        for tile in [TileId::hashes(2, 999, 256), TileId::entries(1000, 1), TileId::hashes(7, 3, 255)] {
            let tile = tile.unwrap();
            assert_eq!(tile.path().parse::<TileId>().unwrap(), tile);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for path in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/1",
            "tile/0/0001",
            "tile/0/000.p/0",
            "tile/0/000.p/00",
            "tile/entries/000.p/000",
            "tile/0/000.p/-1",
            "tile/0/000.p/1.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/",
            "tile/0/000.p/01",
            "tile/8/000",
            "tile/64/000",
            "tile/255/000",
            "tile/00/000",
            "tile/data/000",
            "tile/entries/",
            "tile/entries/x000/000",
            "tile/0/../000",
            "tile/0/000/",
            "/tile/0/000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/8/0/000",
            "tile/0/\u{0661}00",
            "tile/-1/000",
        ] {
            assert!(path.parse::<TileId>().is_err(), "{path}");
        }
        assert!(TileId::hashes(8, 0, 1).is_err());
        assert!(TileId::hashes(0, 0, 0).is_err());
        assert!(TileId::entries(0, 257).is_err());
    }

    #[test]
    fn bundles_round_trip() {
        let leaves: Vec<_> = (0..5u8).map(|n| Leaf::of(&[n; 32], &[n])).collect();
        let bytes = bundle(&leaves);
        assert_eq!(bytes.len(), 5 * 35);
        assert_eq!(unbundle(&bytes).unwrap(), leaves);
        assert!(unbundle(&bytes[1..]).is_none());
        let mut other = bytes.clone();
        other[1] = 32;
        assert!(unbundle(&other).is_none());
        other = bytes;
        other[2] = 9;
        assert!(unbundle(&other).is_none(), "another version");
    }
}
