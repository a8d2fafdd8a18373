//! Proofs: that an entry is in a log, and that a log continues an earlier state (RFC 6962, sections 2.1.1 and 2.1.2).
//!
//! Made from tiles, which are checked against the checkpoint's root first; verified alone. Refuses to prove from tiles
//! that do not have that root.

use crate::{
    Checkpoint, Error, Hash, ReadTiles, TileId,
    checkpoint::MAX_SIZE,
    tile_hashes::{merged, planned, with_tiles},
};
use serde::{Deserialize, Serialize};
use tlog_tiles::HashReader;

/// No tree of 64-bit size has a longer path; a proof that claims one is refused unread.
const MAX_PROOF_HASHES: usize = 64;

/// The hashes that lead from entry `index` to the root of `checkpoint` (RFC 6962, section 2.1.1).
///
/// # Errors
/// [`Error::NotInLog`], [`Error::TilesDiffer`], [`Error::TileMissing`], [`Error::TileMalformed`], [`Error::Source`].
pub fn prove_inclusion<R: ReadTiles + ?Sized>(
    checkpoint: &Checkpoint,
    index: u64,
    tiles: &R,
) -> Result<Vec<Hash>, Error> {
    let size = checkpoint.size();
    in_log(index, size)?;
    let hashes = with_tiles(checkpoint, tiles, |reader| tlog_tiles::prove_record(size, index, reader))?;
    // The library takes some tiles unchecked (see `with_tiles`): only a proof that leads to the root leaves here.
    let leaf = leaf_hash(checkpoint, index, tiles)?;
    verify_inclusion(checkpoint, index, leaf, &hashes).map_err(|_| Error::TilesDiffer { size })?;
    Ok(hashes)
}

/// Checks that `leaf` is entry `index` of the log that `checkpoint` describes.
///
/// # Errors
/// [`Error::NotInLog`], [`Error::ProofFails`].
pub fn verify_inclusion(checkpoint: &Checkpoint, index: u64, leaf: Hash, proof: &[Hash]) -> Result<(), Error> {
    in_log(index, checkpoint.size())?;
    let (size, root) = (checkpoint.size(), checkpoint.root().into());
    tlog_tiles::check_record(&library(proof)?, size, root, index, leaf.into()).map_err(|_| Error::ProofFails)
}

/// The tiles that [`prove_inclusion`] reads, to be loaded beforehand.
///
/// # Errors
/// [`Error::NotInLog`].
pub fn tiles_for_inclusion(size: u64, index: u64) -> Result<Vec<TileId>, Error> {
    in_log(index, size)?;
    let leaf = [tlog_tiles::stored_hash_index(0, index)];
    Ok(merged(
        planned(size, |reader| tlog_tiles::prove_record(size, index, reader)),
        planned(size, |reader| reader.read_hashes(&leaf)),
    ))
}

/// That the log of size `to` begins with the log of size `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// The earlier size, in entries.
    pub from: u64,
    /// The later size, in entries.
    pub to: u64,
    /// The nodes of RFC 6962, section 2.1.2, in its order.
    pub hashes: Vec<Hash>,
}

/// Proves that the log of `checkpoint` continues its own first `from` entries (RFC 6962, section 2.1.2).
///
/// # Errors
/// [`Error::NotEarlier`], and as [`prove_inclusion`].
pub fn prove_consistency<R: ReadTiles + ?Sized>(
    checkpoint: &Checkpoint,
    from: u64,
    tiles: &R,
) -> Result<ConsistencyProof, Error> {
    let to = checkpoint.size();
    earlier(from, to)?;
    if from == 0 {
        let hashes = Vec::new();
        return Ok(ConsistencyProof { from, to, hashes });
    }
    let hashes = with_tiles(checkpoint, tiles, |reader| tlog_tiles::prove_tree(to, from, reader))?;
    let older = with_tiles(checkpoint, tiles, |reader| Ok(vec![tlog_tiles::tree_hash(from, reader)?]))?;
    let proof = ConsistencyProof { from, to, hashes };
    // As above: only a proof that leads to the root leaves here.
    let older = older.first().copied().ok_or(Error::ProofFails)?;
    proof.leads(older, checkpoint.root()).map_err(|_| Error::TilesDiffer { size: to })?;
    Ok(proof)
}

/// The tiles that [`prove_consistency`] reads, to be loaded beforehand.
///
/// # Errors
/// [`Error::NotEarlier`].
pub fn tiles_for_consistency(size: u64, from: u64) -> Result<Vec<TileId>, Error> {
    earlier(from, size)?;
    Ok(match from {
        0 => Vec::new(),
        _ => merged(
            planned(size, |reader| tlog_tiles::prove_tree(size, from, reader)),
            planned(size, |reader| tlog_tiles::tree_hash(from, reader)),
        ),
    })
}

impl ConsistencyProof {
    /// Checks the proof between two checkpoints.
    ///
    /// # Errors
    /// [`Error::ProofFails`] if it does not lead from one to the other, or is for other sizes.
    pub fn verify(&self, older: &Checkpoint, newer: &Checkpoint) -> Result<(), Error> {
        if (self.from, self.to) != (older.size(), newer.size()) || self.from > self.to {
            return Err(Error::ProofFails);
        }
        if self.from == 0 {
            let empty = self.hashes.is_empty() && older.root() == Hash::EMPTY;
            return if empty { Ok(()) } else { Err(Error::ProofFails) };
        }
        self.leads(older.root(), newer.root())
    }

    fn leads(&self, older: Hash, newer: Hash) -> Result<(), Error> {
        let hashes = library(&self.hashes)?;
        tlog_tiles::check_tree(&hashes, self.to, newer.into(), self.from, older.into()).map_err(|_| Error::ProofFails)
    }
}

/// The hash of a leaf, as the tiles have it.
pub(crate) fn leaf_hash<R: ReadTiles + ?Sized>(checkpoint: &Checkpoint, index: u64, tiles: &R) -> Result<Hash, Error> {
    let read = with_tiles(checkpoint, tiles, |reader| reader.read_hashes(&[tlog_tiles::stored_hash_index(0, index)]))?;
    read.first().copied().ok_or(Error::NotInLog { index, size: checkpoint.size() })
}

fn in_log(index: u64, size: u64) -> Result<(), Error> {
    if index < size && size <= MAX_SIZE { Ok(()) } else { Err(Error::NotInLog { index, size }) }
}

fn earlier(from: u64, to: u64) -> Result<(), Error> {
    if from <= to && to <= MAX_SIZE { Ok(()) } else { Err(Error::NotEarlier { from, to }) }
}

fn library(hashes: &[Hash]) -> Result<Vec<tlog_tiles::Hash>, Error> {
    if hashes.len() > MAX_PROOF_HASHES {
        return Err(Error::ProofFails);
    }
    Ok(hashes.iter().map(|hash| (*hash).into()).collect())
}
