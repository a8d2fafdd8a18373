//! The one pass that verifies a log, live or exported: top-down through the hashes, left to right through the entries.
//!
//! Two things are checked at once. The root that follows from the entries must be the checkpoint's: that is the
//! proof. And each entry must have the hash that the tile above it claims, each tile the hash that the tile above
//! claims: that names the first index that is wrong. The tiles at the right edge come first, since the root follows
//! from them alone; then each full tile, before what lies under it. So a body that was changed is named even if its
//! own hash was changed with it, as long as one hash above it was not.
//!
//! The walk ends at the first flaw, so an event that comes later can no longer account for a body that is gone; such
//! a gap before the flaw is told in the verdict's sentence, and the flaw's index is the one that is named.
//!
//! Bounded: at any time one tile of each level and one entry are in memory.

use crate::{
    Checkpoint, Error, Hash, Leaf, SALT_BYTES, TileId, edge::edge_tiles, erasure::Erasures, frontier::Frontier,
    tile::TILE_HEIGHT, verdict::Flaw,
};

/// Where a walk takes tiles and entries from, each exactly once, in the order of the walk.
pub(crate) trait Steps {
    /// The hashes of a tile. Fewer than its width if some are not there: the walk finds out which.
    fn tile(&mut self, tile: &TileId) -> Result<Vec<Hash>, Stop>;
    /// The entry at an index; `claimed` is the hash that its tile has for it.
    fn entry(&mut self, index: u64, claimed: Option<Hash>) -> Result<Step, Stop>;
    /// After the last entry.
    fn end(&mut self) -> Result<(), Stop>;
}

/// One entry, as a walk meets it.
pub(crate) enum Step {
    Kept {
        salt: [u8; SALT_BYTES],
        body: Vec<u8>,
    },
    /// The body is gone; this is the hash that was in the log.
    Gone {
        hash: Hash,
    },
}

/// Why a walk ends early.
pub(crate) enum Stop {
    /// The log is wrong here.
    Flaw(Flaw),
    /// The log could not be read.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What a walk learned besides flaws.
pub(crate) struct Walked {
    pub(crate) flaw: Option<Flaw>,
    pub(crate) erased: u64,
}

pub(crate) struct Walk<'a, S> {
    steps: S,
    checkpoint: &'a Checkpoint,
    earlier: Vec<&'a Checkpoint>,
    frontier: Frontier,
    erasures: Erasures,
}

impl<'a, S: Steps> Walk<'a, S> {
    /// A walk through the log of `checkpoint`, which must continue each checkpoint of `earlier`.
    pub(crate) fn new(steps: S, checkpoint: &'a Checkpoint, earlier: Vec<&'a Checkpoint>) -> Self {
        Self { steps, checkpoint, earlier, frontier: Frontier::default(), erasures: Erasures::default() }
    }

    pub(crate) fn run(mut self) -> Result<Walked, Error> {
        let flaw = match self.walk() {
            Ok(()) => None,
            Err(Stop::Flaw(flaw)) => Some(self.with_gap(flaw)),
            Err(Stop::Error(error)) => return Err(error),
        };
        Ok(Walked { flaw, erased: self.erasures.gone() })
    }

    /// A body that is gone before a flaw may be erased by the very event that is flawed, so it is told, not named.
    fn with_gap(&self, mut flaw: Flaw) -> Flaw {
        let gap = self.erasures.first_unaccounted();
        if let Some(gap) = gap.filter(|gap| flaw.index.is_some_and(|index| *gap < index)) {
            let told = format!("; up to there, no event says that the body of {gap} was erased");
            flaw.what.push_str(&told);
        }
        flaw
    }

    fn walk(&mut self) -> Result<(), Stop> {
        let size = self.checkpoint.size();
        if let Some(longest) = self.earlier.iter().map(|earlier| earlier.size()).max().filter(|seen| *seen > size) {
            let what = format!("the log has {size} entries, and {longest} were seen before: it was cut");
            return Err(Stop::Flaw(Flaw::at(size, what)));
        }
        let mut edges = Vec::new();
        for (level, n, width) in edge_tiles(size).collect::<Vec<_>>().into_iter().rev() {
            if width > 0 {
                let tile = TileId::hashes(level, n, width)?;
                edges.push((tile, self.steps.tile(&tile)?));
            }
        }
        self.check_earlier()?;
        for (tile, hashes) in edges {
            self.under(&tile, &hashes)?;
        }
        self.steps.end()?;
        if self.frontier.root() != self.checkpoint.root() {
            return Err(Stop::Flaw(Flaw::nowhere(
                "hashes and entries agree with each other, but not with the signed root: which entry was altered \
                 cannot be told",
            )));
        }
        match self.erasures.first_unaccounted() {
            Some(index) => Err(Stop::Flaw(Flaw::at(index, "its body is missing, and no later `event.erase` names it"))),
            None => Ok(()),
        }
    }

    /// Everything under a tile whose hashes were read.
    fn under(&mut self, tile: &TileId, hashes: &[Hash]) -> Result<(), Stop> {
        let first = tile.n() * u64::from(crate::TILE_WIDTH);
        for k in 0..tile.width() {
            let (number, claimed) = (first + u64::from(k), hashes.get(k as usize).copied());
            match tile.level().checked_sub(1) {
                None => self.leaf(number, claimed)?,
                Some(below) => self.subtree(&TileId::hashes(below, number, crate::TILE_WIDTH)?, claimed)?,
            }
        }
        Ok(())
    }

    /// A full tile and everything under it; a hash that does not fit is explained by the first entry that does not,
    /// or else stands for all of them.
    fn subtree(&mut self, tile: &TileId, claimed: Option<Hash>) -> Result<(), Stop> {
        let first = first_index(tile);
        let hashes = self.steps.tile(tile)?;
        self.under(tile, &hashes)?;
        if claimed == Some(Frontier::root_of(&hashes)) {
            return Ok(());
        }
        let last = first_index_after(tile) - 1;
        Err(Stop::Flaw(Flaw::at(first, format!("a hash over the entries {first} to {last} was altered"))))
    }

    fn leaf(&mut self, index: u64, claimed: Option<Hash>) -> Result<(), Stop> {
        let hash = match self.steps.entry(index, claimed)? {
            Step::Gone { hash } => {
                self.erasures.note_gone(index);
                hash
            }
            Step::Kept { salt, body } => {
                self.erasures.read_body(&body);
                Leaf::of(&salt, &body).hash()
            }
        };
        if claimed != Some(hash) {
            return Err(Stop::Flaw(Flaw::at(index, "the entry or its hash was altered")));
        }
        self.frontier.push(0, hash);
        self.check_earlier()
    }

    fn check_earlier(&self) -> Result<(), Stop> {
        let size = self.frontier.size();
        let differs = |earlier: &&&Checkpoint| earlier.size() == size && earlier.root() != self.frontier.root();
        if !self.earlier.iter().any(|earlier| differs(&earlier)) {
            return Ok(());
        }
        Err(Stop::Flaw(Flaw::nowhere(format!(
            "the first {size} entries are not those that were seen before: the log was written anew"
        ))))
    }
}

/// The first index under a tile.
pub(crate) fn first_index(tile: &TileId) -> u64 {
    index_under(tile, 0)
}

/// The index after the last one under a tile.
fn first_index_after(tile: &TileId) -> u64 {
    index_under(tile, u64::from(tile.width()))
}

/// The first index under the `k`th hash of a tile.
pub(crate) fn index_under(tile: &TileId, k: u64) -> u64 {
    (tile.n() * u64::from(crate::TILE_WIDTH) + k) << (u32::from(tile.level()) * u32::from(TILE_HEIGHT))
}
