//! Proofs: that an entry is in a log, and that a log continues an earlier state (RFC 6962, sections 2.1.1 and 2.1.2).
//!
//! Made from tiles, which are checked against the checkpoint's root first; verified alone. Refuses to prove from tiles
//! that do not have that root.

use crate::{
    Checkpoint, Error, HASH_BYTES, Hash, Leaf, ReadTiles, SALT_BYTES, SignedCheckpoint,
    StoredEntry, TileId, VerifierKey, source::read_tile, tile::TILE_HEIGHT,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use tlog_tiles::{Error as TlogError, TileHashReader};

/// The form of [`EventProof`] in JSON.
pub const PROOF_FORMAT: &str = "bailiwick-proof 1";

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
    in_log(index, checkpoint.size())?;
    with_tiles(checkpoint, tiles, |reader| {
        tlog_tiles::prove_record(checkpoint.size(), index, reader)
    })
}

/// Checks that `leaf` is entry `index` of the log that `checkpoint` describes.
///
/// # Errors
/// [`Error::NotInLog`], [`Error::ProofFails`].
pub fn verify_inclusion(
    checkpoint: &Checkpoint,
    index: u64,
    leaf: Hash,
    proof: &[Hash],
) -> Result<(), Error> {
    in_log(index, checkpoint.size())?;
    let (size, root) = (checkpoint.size(), checkpoint.root().into());
    tlog_tiles::check_record(&library(proof)?, size, root, index, leaf.into())
        .map_err(|_| Error::ProofFails)
}

/// The tiles that [`prove_inclusion`] reads, to be loaded beforehand.
///
/// # Errors
/// [`Error::NotInLog`].
pub fn tiles_for_inclusion(size: u64, index: u64) -> Result<Vec<TileId>, Error> {
    in_log(index, size)?;
    Ok(planned(size, |reader| {
        tlog_tiles::prove_record(size, index, reader)
    }))
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
    let hashes = match from {
        0 => Vec::new(),
        _ => with_tiles(checkpoint, tiles, |reader| {
            tlog_tiles::prove_tree(to, from, reader)
        })?,
    };
    Ok(ConsistencyProof { from, to, hashes })
}

/// The tiles that [`prove_consistency`] reads, to be loaded beforehand.
///
/// # Errors
/// [`Error::NotEarlier`].
pub fn tiles_for_consistency(size: u64, from: u64) -> Result<Vec<TileId>, Error> {
    earlier(from, size)?;
    Ok(match from {
        0 => Vec::new(),
        _ => planned(size, |reader| tlog_tiles::prove_tree(size, from, reader)),
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
        let hashes = library(&self.hashes)?;
        if self.from == 0 {
            let empty = hashes.is_empty() && older.root() == Hash::EMPTY;
            return if empty {
                Ok(())
            } else {
                Err(Error::ProofFails)
            };
        }
        tlog_tiles::check_tree(
            &hashes,
            self.to,
            newer.root().into(),
            self.from,
            older.root().into(),
        )
        .map_err(|_| Error::ProofFails)
    }
}

/// All that shows one event to be in a log, in one document: what `audit prove` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventProof {
    /// [`PROOF_FORMAT`].
    pub format: String,
    /// The log's key. Whoever checks the proof compares it with one from elsewhere.
    pub key: VerifierKey,
    /// The signed note (C2SP `tlog-checkpoint`).
    pub checkpoint: String,
    pub index: u64,
    /// 32 bytes in base64; `None` once erased.
    pub salt: Option<String>,
    /// The exact stored bytes, which are text; `None` once erased.
    pub body: Option<String>,
    /// The hash of the leaf: of salt and body where those are there.
    pub leaf: Hash,
    /// The nodes of RFC 6962, section 2.1.1, in its order.
    pub hashes: Vec<Hash>,
}

impl EventProof {
    /// Makes the proof for an entry. `leaf` is its hash in the log, which an erased entry still has.
    ///
    /// # Errors
    /// As [`prove_inclusion`]; [`Error::Entry`] if the body is not text; [`Error::ProofFails`] if the entry is not what
    /// the log holds.
    pub fn new<R: ReadTiles + ?Sized>(
        key: &VerifierKey,
        checkpoint: &SignedCheckpoint,
        index: u64,
        entry: &StoredEntry,
        tiles: &R,
    ) -> Result<Self, Error> {
        let hashes = prove_inclusion(checkpoint.checkpoint(), index, tiles)?;
        let (salt, body, leaf) = match entry {
            StoredEntry::Kept { salt, body } => {
                let text = std::str::from_utf8(body).map_err(|_| Error::Entry {
                    index,
                    why: "it is not text",
                })?;
                (
                    Some(BASE64_STANDARD.encode(salt)),
                    Some(text.to_owned()),
                    Leaf::of(salt, body).hash(),
                )
            }
            StoredEntry::Gone => (
                None,
                None,
                leaf_hash(checkpoint.checkpoint(), index, tiles)?,
            ),
        };
        verify_inclusion(checkpoint.checkpoint(), index, leaf, &hashes)?;
        let checkpoint = checkpoint.note().to_owned();
        Ok(Self {
            format: PROOF_FORMAT.to_owned(),
            key: key.clone(),
            checkpoint,
            index,
            salt,
            body,
            leaf,
            hashes,
        })
    }

    /// Checks everything: signature, leaf and path. The key that was used is [`EventProof::key`]; a `pinned` one must
    /// be the same.
    ///
    /// # Errors
    /// [`Error::MalformedProof`], [`Error::NotSigned`], [`Error::MalformedCheckpoint`], [`Error::NotInLog`],
    /// [`Error::ProofFails`].
    pub fn verify(&self, pinned: Option<&VerifierKey>) -> Result<Checkpoint, Error> {
        if self.format != PROOF_FORMAT {
            return Err(Error::MalformedProof {
                why: "it is of another version",
            });
        }
        if let Some(pinned) = pinned.filter(|pinned| pinned.public() != self.key.public()) {
            return Err(Error::NotSigned {
                key: pinned.to_string(),
            });
        }
        let signed = SignedCheckpoint::open(&self.checkpoint, &self.key)?;
        match (&self.salt, &self.body) {
            (Some(salt), Some(body)) => {
                let salt = BASE64_STANDARD
                    .decode(salt)
                    .ok()
                    .and_then(|salt| <[u8; SALT_BYTES]>::try_from(salt).ok());
                let salt = salt.ok_or(Error::MalformedProof {
                    why: "its salt is malformed",
                })?;
                if Leaf::of(&salt, body.as_bytes()).hash() != self.leaf {
                    return Err(Error::ProofFails);
                }
            }
            (None, None) => {}
            _ => {
                return Err(Error::MalformedProof {
                    why: "salt and body belong together",
                });
            }
        }
        verify_inclusion(signed.checkpoint(), self.index, self.leaf, &self.hashes)?;
        Ok(signed.checkpoint().clone())
    }
}

fn leaf_hash<R: ReadTiles + ?Sized>(
    checkpoint: &Checkpoint,
    index: u64,
    tiles: &R,
) -> Result<Hash, Error> {
    let read = with_tiles(checkpoint, tiles, |reader| {
        tlog_tiles::HashReader::read_hashes(reader, &[tlog_tiles::stored_hash_index(0, index)])
    })?;
    read.first().copied().ok_or(Error::NotInLog {
        index,
        size: checkpoint.size(),
    })
}

fn in_log(index: u64, size: u64) -> Result<(), Error> {
    if index < size {
        Ok(())
    } else {
        Err(Error::NotInLog { index, size })
    }
}

fn earlier(from: u64, to: u64) -> Result<(), Error> {
    if from <= to {
        Ok(())
    } else {
        Err(Error::NotEarlier { from, to })
    }
}

fn library(hashes: &[Hash]) -> Result<Vec<tlog_tiles::Hash>, Error> {
    if hashes.len() > MAX_PROOF_HASHES {
        return Err(Error::ProofFails);
    }
    Ok(hashes.iter().map(|hash| (*hash).into()).collect())
}

/// Runs the library over our tiles; its own errors carry no cause, so ours is kept aside.
fn with_tiles<R: ReadTiles + ?Sized>(
    checkpoint: &Checkpoint,
    tiles: &R,
    prove: impl FnOnce(&TileHashReader<'_>) -> Result<Vec<tlog_tiles::Hash>, TlogError>,
) -> Result<Vec<Hash>, Error> {
    let reader = Reader {
        tiles,
        failed: RefCell::new(None),
    };
    let proved = prove(&TileHashReader::new(
        checkpoint.size(),
        checkpoint.root().into(),
        &reader,
    ));
    match (proved, reader.failed.into_inner()) {
        (_, Some(error)) => Err(error),
        (Ok(hashes), None) => Ok(hashes.into_iter().map(Hash::from).collect()),
        (Err(_), None) => Err(Error::TilesDiffer {
            size: checkpoint.size(),
        }),
    }
}

struct Reader<'a, R: ?Sized> {
    tiles: &'a R,
    failed: RefCell<Option<Error>>,
}

impl<R: ReadTiles + ?Sized> Reader<'_, R> {
    fn one(&self, tile: &tlog_tiles::Tile) -> Result<Vec<u8>, Error> {
        let id = TileId::from_library(*tile);
        let bytes =
            read_tile(self.tiles, &id)?.ok_or_else(|| Error::TileMissing { path: id.path() })?;
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
        tiles
            .iter()
            .map(|tile| self.one(tile))
            .collect::<Result<_, _>>()
            .map_err(|error| {
                *self.failed.borrow_mut() = Some(error);
                TlogError::InvalidTile
            })
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// Asks the library which tiles it would read, and reads none.
fn planned(
    size: u64,
    prove: impl FnOnce(&TileHashReader<'_>) -> Result<Vec<tlog_tiles::Hash>, TlogError>,
) -> Vec<TileId> {
    let planner = Planner(RefCell::new(Vec::new()));
    // It always fails: no tile was read. What it asked for is the plan.
    drop(prove(&TileHashReader::new(
        size,
        tlog_tiles::EMPTY_HASH,
        &planner,
    )));
    planner.0.into_inner()
}

struct Planner(RefCell<Vec<TileId>>);

impl tlog_tiles::TileReader for Planner {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, TlogError> {
        self.0
            .borrow_mut()
            .extend(tiles.iter().copied().map(TileId::from_library));
        Err(TlogError::InvalidTile)
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}
