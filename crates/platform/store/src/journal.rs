//! The journal of cuts: a file of fixed size beside the database, for cuts that the record could not take.
//!
//! It has its whole size from the start, so that a full disk cannot stop it. Blocks of 4 KiB; an entry begins at a
//! block and is one sealed envelope: whoever reads the file learns nothing, and an entry that was torn, altered, made
//! up or moved does not open. A block is all zeros or part of an entry that opens; anything else is damage, and is told.
//!
//! Refuses an entry when no room is left, or when its file was removed or replaced; a second process; nothing silently.

use crate::{StoreError, file_id::FileId};
use seal::{Context, PurposeKey};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// 4 MiB, a thousand cuts: an outage that outlives them is noticed.
const BLOCKS: usize = 1024;
const BLOCK_BYTES: usize = 4096;
/// Cuts that come by themselves or in great numbers (sign-outs, expiry) leave this much to people's.
const LEFT_TO_PEOPLE: usize = BLOCKS / 2;
const MAGIC: [u8; 8] = *b"BWCUT\x01\0\0";
/// Magic and the envelope's length.
const HEAD_BYTES: usize = MAGIC.len() + 4;
const FILE: &str = "cuts.journal";

/// Whose room an entry may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    All,
    /// What is not left to people.
    Shared,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    first: usize,
    blocks: usize,
}

impl Slot {
    pub(crate) const fn first(self) -> usize {
        self.first
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("the journal of cuts is full")]
    Full,
    /// What is written to it now, no start reads.
    #[error("the journal of cuts was removed or replaced")]
    Away,
    #[error("the journal of cuts cannot be written")]
    Io(#[from] io::Error),
}

/// What was found when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) entries: Vec<(Slot, Vec<u8>)>,
    /// Blocks that are neither empty nor part of an entry that opens.
    pub(crate) damaged: Vec<usize>,
}

/// Where the file is, and which.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    path: PathBuf,
    id: FileId,
}

impl Place {
    /// Whether another file, or none, is where it was opened.
    pub(crate) fn is_away(&self) -> bool {
        FileId::of(&self.path).ok() != Some(self.id)
    }
}

#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    place: Place,
    key: PurposeKey,
    used: Vec<bool>,
}

fn context(block: usize) -> Context {
    Context::table("cuts").column("entry").row(block.to_string())
}

impl Journal {
    /// Opens it, or makes it in its whole size; reads what stands in it.
    pub(crate) fn open(folder: &Path, key: PurposeKey) -> Result<(Self, Found), StoreError> {
        fs::create_dir_all(folder).map_err(StoreError::journal)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let path = folder.join(FILE);
        let mut file = options.open(&path).map_err(StoreError::journal)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(fs::TryLockError::Error(error)) => return Err(StoreError::journal(error)),
        }
        let bytes = whole(&mut file, folder).map_err(StoreError::journal)?;
        let id = FileId::from(&file.metadata().map_err(StoreError::journal)?);
        let mut journal = Self { file, place: Place { path, id }, key, used: vec![false; BLOCKS] };
        let found = journal.read(&bytes);
        Ok((journal, found))
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    fn read(&mut self, bytes: &[u8]) -> Found {
        let mut found = Found::default();
        let mut at = 0;
        while let Some(block) = bytes.get(at * BLOCK_BYTES..(at + 1) * BLOCK_BYTES) {
            let rest = bytes.get(at * BLOCK_BYTES..).unwrap_or_default();
            if block.iter().all(|byte| *byte == 0) {
                at += 1;
            } else if let Some((slot, entry)) = self.entry(at, rest) {
                self.mark(slot, true);
                at += slot.blocks;
                found.entries.push((slot, entry));
            } else {
                self.mark(Slot { first: at, blocks: 1 }, true);
                found.damaged.push(at);
                at += 1;
            }
        }
        found
    }

    /// The entry that begins here, if it is one.
    fn entry(&self, first: usize, bytes: &[u8]) -> Option<(Slot, Vec<u8>)> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (envelope, rest) = rest.split_at_checked(length).filter(|_| *magic == MAGIC)?;
        let entry = self.key.open(&context(first), envelope).ok()?.to_vec();
        let blocks = blocks_for(length);
        let padding = rest.get(..blocks * BLOCK_BYTES - HEAD_BYTES - length)?;
        padding.iter().all(|byte| *byte == 0).then_some((Slot { first, blocks }, entry))
    }

    fn mark(&mut self, slot: Slot, used: bool) {
        for block in self.used.iter_mut().skip(slot.first).take(slot.blocks) {
            *block = used;
        }
    }

    /// Writes an entry; durable when this returns. Blocks on the disk.
    pub(crate) fn append(&mut self, entry: &[u8], room: Room) -> Result<Slot, JournalError> {
        let blocks = blocks_for(entry.len() + seal::ENVELOPE_OVERHEAD_BYTES);
        let free = self.used.iter().filter(|used| !**used).count();
        if room == Room::Shared && free < LEFT_TO_PEOPLE + blocks {
            return Err(JournalError::Full);
        }
        let run = self.used.windows(blocks).position(|run| run.iter().all(|used| !used));
        let slot = Slot { first: run.ok_or(JournalError::Full)?, blocks };
        let envelope = self.key.seal(&context(slot.first), entry);
        let length = u32::try_from(envelope.len()).map_err(|_| JournalError::Full)?;
        let mut bytes = Vec::with_capacity(blocks * BLOCK_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&envelope);
        bytes.resize(blocks * BLOCK_BYTES, 0);
        self.put(slot, &bytes)?;
        // After it was written: nobody is told that a file keeps it which no start finds.
        if self.place.is_away() {
            // Should the file come back, it holds nothing that nobody knows of.
            self.put(slot, &vec![0; slot.blocks * BLOCK_BYTES])?;
            return Err(JournalError::Away);
        }
        self.mark(slot, true);
        Ok(slot)
    }

    /// The record has it.
    pub(crate) fn free(&mut self, slot: Slot) -> Result<(), JournalError> {
        self.put(slot, &vec![0; slot.blocks * BLOCK_BYTES])?;
        self.mark(slot, false);
        Ok(())
    }

    pub(crate) fn clear(&mut self, damaged: &[usize]) -> Result<(), JournalError> {
        damaged.iter().try_for_each(|first| self.free(Slot { first: *first, blocks: 1 }))
    }

    fn put(&self, slot: Slot, bytes: &[u8]) -> io::Result<()> {
        let at = u64::try_from(slot.first * BLOCK_BYTES).unwrap_or(u64::MAX);
        self.file.write_all_at(bytes, at)?;
        self.file.sync_data()
    }
}

const fn blocks_for(envelope_bytes: usize) -> usize {
    (HEAD_BYTES + envelope_bytes).div_ceil(BLOCK_BYTES)
}

/// The file's bytes, once it has its whole size. What is missing is written, not left as a hole: a hole would need room
/// when the disk has none.
fn whole(file: &mut File, folder: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BLOCKS * BLOCK_BYTES);
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let size = BLOCKS * BLOCK_BYTES;
    if bytes.len() < size {
        let at = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        file.write_all_at(&vec![0; size - bytes.len()], at)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
    }
    bytes.resize(size, 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seal::{Purpose, RootKey};

    fn key(root: u8) -> PurposeKey {
        RootKey::from_bytes([root; 32]).tenant(&model::TenantId::main()).purpose(Purpose::Journal)
    }

    fn open(folder: &Path) -> (Journal, Found) {
        Journal::open(folder, key(1)).unwrap()
    }

    fn entries(found: &Found) -> Vec<&[u8]> {
        found.entries.iter().map(|(_, entry)| entry.as_slice()).collect()
    }

    #[test]
    fn entries_of_any_size_are_there_again_and_in_sealed_form() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, found) = open(dir.path());
        assert!(found.entries.is_empty() && found.damaged.is_empty());
        let long = [b'x'; 9000];
        let first = journal.append(b"canary: one", Room::All).unwrap();
        journal.append(&long, Room::All).unwrap();
        journal.append(b"three", Room::All).unwrap();
        drop(journal);
        let bytes = fs::read(dir.path().join(FILE)).unwrap();
        assert_eq!(bytes.len(), BLOCKS * BLOCK_BYTES);
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
        let (mut journal, found) = open(dir.path());
        assert_eq!(entries(&found), [b"canary: one".as_slice(), &long, b"three"]);
        journal.free(first).unwrap();
        drop(journal);
        let (_, found) = open(dir.path());
        assert_eq!((entries(&found), found.damaged.len()), (vec![long.as_slice(), b"three"], 0));
    }

    #[test]
    fn one_that_was_torn_is_told_and_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(dir.path());
        journal.append(b"one", Room::All).unwrap();
        journal.append(&[b'x'; 9000], Room::All).unwrap();
        journal.append(b"three", Room::All).unwrap();
        // The last sector of the second's second block was never written.
        journal.file.write_all_at(&[0; 512], (3 * BLOCK_BYTES - 512) as u64).unwrap();
        drop(journal);
        let (_, found) = open(dir.path());
        assert_eq!(entries(&found), [b"one".as_slice(), b"three"]);
        assert_eq!(found.damaged, [1, 2, 3]);
    }

    #[test]
    fn what_was_made_up_moved_or_changed_does_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(dir.path());
        journal.append(b"one", Room::All).unwrap();
        drop(journal);
        let path = dir.path().join(FILE);
        let good = fs::read(&path).unwrap();
        for at in [0, 9, 13, 20, 60] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let (_, found) = open(dir.path());
            assert_eq!((found.entries.len(), found.damaged.as_slice()), (0, [0].as_slice()), "byte {at}");
        }
        let mut moved = good.clone();
        moved.copy_within(..BLOCK_BYTES, BLOCK_BYTES);
        fs::write(&path, &moved).unwrap();
        assert_eq!(open(dir.path()).1.damaged, [1]);
        fs::write(&path, &good).unwrap();
        assert_eq!(Journal::open(dir.path(), key(2)).unwrap().1.damaged, [0], "another root key's");
        assert_eq!(open(dir.path()).1.entries.len(), 1);
    }

    #[test]
    fn room_is_left_for_people_and_then_it_says_that_it_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(dir.path());
        let mut shared = 0;
        while journal.append(b"sign-out", Room::Shared).is_ok() {
            shared += 1;
        }
        assert_eq!(shared, BLOCKS - LEFT_TO_PEOPLE);
        let mut last = None;
        for _ in shared..BLOCKS {
            last = Some(journal.append(b"revoke", Room::All).unwrap());
        }
        assert!(matches!(journal.append(b"more", Room::All), Err(JournalError::Full)));
        journal.free(last.unwrap()).unwrap();
        journal.append(b"more", Room::All).unwrap();
    }

    #[test]
    fn what_no_start_would_find_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(dir.path());
        let (path, away) = (dir.path().join(FILE), dir.path().join("away"));
        fs::rename(&path, &away).unwrap();
        assert!(matches!(journal.append(b"removed", Room::All), Err(JournalError::Away)));
        fs::copy(&away, &path).unwrap();
        assert!(matches!(journal.append(b"replaced", Room::All), Err(JournalError::Away)));
        assert!(journal.place().is_away());
        fs::rename(&away, &path).unwrap();
        journal.append(b"brought back", Room::All).unwrap();
        assert!(!journal.place().is_away());
        drop(journal);
        assert_eq!(entries(&open(dir.path()).1), [b"brought back".as_slice()]);
    }

    #[test]
    fn a_second_process_is_refused_and_a_short_file_is_filled() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), [0; 100]).unwrap();
        let (journal, found) = open(dir.path());
        assert!(found.damaged.is_empty());
        assert!(matches!(Journal::open(dir.path(), key(1)), Err(StoreError::InUse)));
        drop(journal);
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().len(), (BLOCKS * BLOCK_BYTES) as u64);
    }
}
