//! The export: one canonical file that holds a log, to be verified with no server.
//!
//! Lines end in one line feed; numbers are decimal without leading zeros; hashes and salts are base64 (RFC 4648,
//! section 4, padded). Every byte is fixed by the format, by the key, by the signature or by the root, so there is no
//! other file with the same content, and none that verifies after a change.
//!
//! ```text
//! bailiwick-export 1
//! key <name+hash+key>                        the log's verifier key (C2SP signed-note)
//! <origin>                                   the checkpoint, a signed note of five lines (C2SP tlog-checkpoint)
//! <size>
//! <root>
//! <empty line>
//! — <name> <signature>
//! tile <level> <n> <width>                   a hash tile (C2SP tlog-tiles), then one line for each of its hashes
//! <hash>
//! entry <index> <salt> <length>              an entry, then exactly <length> bytes of body and a line feed
//! <body>
//! erased <index> <hash>                      an entry whose salt and body are gone, with its leaf hash
//! ```
//!
//! Order: first the tiles at the right edge that are not full, highest level first: the root follows from them. Then
//! what lies under each of their hashes, from the left: a full tile, then what lies under it; entries lie under the
//! tiles of level 0. Nothing follows the last entry. An erased entry is accounted for by a later entry with the action
//! `event.erase` and its index in `detail.indexes`; there is no other list of erasures.
//!
//! What verification names: a change in an entry, or in the leaf hash for it, gives its index; entries that are
//! missing, added or swapped give the first index that is not in its place; a cut gives the first index whose entry is
//! not whole; a change in a hash above leaf hashes gives the first index under that hash; a change in a `tile` line
//! gives the first index under the tile. A change in the first two lines or in the checkpoint, and bytes after the
//! end, belong to no index.

use crate::{
    Error, Hash, ReadLog, SALT_BYTES, SignedCheckpoint, StoredEntry, TILE_WIDTH, TileId, VerifierKey, edge::edge_tiles,
    source::read_hashes,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::io::Write;

/// The first line of an export.
pub const EXPORT_FORMAT: &str = "bailiwick-export 1";

/// The longest body that an entry may have, in bytes: what verification holds in memory at a time.
pub(crate) const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) const KEY_WORD: &str = "key ";
pub(crate) const ENTRY_WORD: &str = "entry ";
pub(crate) const ERASED_WORD: &str = "erased ";

/// Writes the log that `checkpoint` describes. `out` should be buffered.
///
/// The entries must be of one moment, and the checkpoint cover every `event.erase` whose erasures they show: take it
/// after those events are in the tree.
///
/// # Errors
/// [`Error::Write`], [`Error::Source`], [`Error::TileMissing`], [`Error::TileMalformed`]; [`Error::Entry`] for an entry
/// that is not there or too long; [`Error::NotSigned`] for a checkpoint that `key` did not sign.
pub fn write_export<W: Write, L: ReadLog + ?Sized>(
    out: &mut W,
    key: &VerifierKey,
    checkpoint: &SignedCheckpoint,
    log: &L,
) -> Result<(), Error> {
    // Witnesses' lines stay out: they are bytes that the log's key does not commit to.
    write!(out, "{}{}", header(key), checkpoint.alone(key)?).map_err(Error::Write)?;
    let mut writer = Writer { out, log };
    let edges: Vec<_> = edge_tiles(checkpoint.checkpoint().size()).collect();
    let mut read = Vec::new();
    for (level, n, width) in edges.into_iter().rev() {
        if width > 0 {
            let tile = TileId::hashes(level, n, width)?;
            read.push((tile, writer.tile(&tile)?));
        }
    }
    for (tile, hashes) in read {
        writer.under(&tile, &hashes)?;
    }
    writer.out.flush().map_err(Error::Write)
}

/// The lines before the checkpoint.
pub(crate) fn header(key: &VerifierKey) -> String {
    format!("{EXPORT_FORMAT}\n{KEY_WORD}{key}\n")
}

/// The line before a tile's hashes.
pub(crate) fn tile_line(tile: &TileId) -> String {
    format!("tile {} {} {}", tile.level(), tile.n(), tile.width())
}

/// The line before a body.
pub(crate) fn entry_line(index: u64, salt: &[u8; SALT_BYTES], length: u64) -> String {
    format!("{ENTRY_WORD}{index} {} {length}", BASE64_STANDARD.encode(salt))
}

/// The line for an erased entry.
pub(crate) fn erased_line(index: u64, hash: Hash) -> String {
    format!("{ERASED_WORD}{index} {hash}")
}

struct Writer<'a, W, L: ?Sized> {
    out: &'a mut W,
    log: &'a L,
}

impl<W: Write, L: ReadLog + ?Sized> Writer<'_, W, L> {
    fn tile(&mut self, tile: &TileId) -> Result<Vec<Hash>, Error> {
        let hashes = read_hashes(self.log, tile)?;
        writeln!(self.out, "{}", tile_line(tile)).map_err(Error::Write)?;
        for hash in &hashes {
            writeln!(self.out, "{hash}").map_err(Error::Write)?;
        }
        Ok(hashes)
    }

    fn under(&mut self, tile: &TileId, hashes: &[Hash]) -> Result<(), Error> {
        let first = tile.n() * u64::from(TILE_WIDTH);
        let Some(below) = tile.level().checked_sub(1) else {
            return self.entries(first, hashes);
        };
        for n in first..first + u64::from(tile.width()) {
            let child = TileId::hashes(below, n, TILE_WIDTH)?;
            let hashes = self.tile(&child)?;
            self.under(&child, &hashes)?;
        }
        Ok(())
    }

    fn entries(&mut self, first: u64, hashes: &[Hash]) -> Result<(), Error> {
        let entries = self.log.entries(first, hashes.len() as u32).map_err(Error::Source)?;
        let mut entries = entries.into_iter();
        for (index, hash) in (first..).zip(hashes) {
            match entries.next() {
                Some(StoredEntry::Kept { salt, body }) => self.kept(index, &salt, &body)?,
                Some(StoredEntry::Gone) => {
                    writeln!(self.out, "{}", erased_line(index, *hash)).map_err(Error::Write)?;
                }
                None => {
                    return Err(Error::Entry { index, why: "it is not in the store" });
                }
            }
        }
        Ok(())
    }

    fn kept(&mut self, index: u64, salt: &[u8; SALT_BYTES], body: &[u8]) -> Result<(), Error> {
        let length = body.len() as u64;
        if length > MAX_BODY_BYTES {
            return Err(Error::Entry { index, why: "its body is longer than 16 MiB" });
        }
        writeln!(self.out, "{}", entry_line(index, salt, length)).map_err(Error::Write)?;
        self.out.write_all(body).and_then(|()| self.out.write_all(b"\n")).map_err(Error::Write)
    }
}
