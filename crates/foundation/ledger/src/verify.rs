//! Verification of a running log and of an export: one walk, two places to read from.
//!
//! Refuses nothing but what cannot be read: whatever is wrong with a log is a verdict that says where.

use crate::{
    Checked, Checkpoint, Error, Hash, KeyTrust, ReadLog, Remembered, SignedCheckpoint, StoredEntry, TILE_WIDTH, TileId,
    Verdict, VerifierKey,
    checkpoint::CANONICAL_LINES,
    export::{EXPORT_FORMAT, KEY_WORD},
    source::read_tile,
    verdict::Flaw,
    walk::{Step, Steps, Stop, Walk},
};
use std::{io::BufRead, vec};

mod lines;
use lines::{ExportSteps, Line, Lines};

/// What a log is held against besides itself.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// The key that the log must be signed with.
    pub key: Option<VerifierKey>,
    /// A checkpoint that whoever asks has kept, as its signed note: the log's key signed it, and the log must continue it.
    pub since: Option<String>,
    /// The checkpoints seen before, by log key, and the key of each name; what verifies is remembered there.
    ///
    /// A running log must continue what is remembered. An export may be older than that, and the verdict says so. A log
    /// of a name that was remembered with another key does not verify, unless its own key was given.
    pub remembered: Option<&'a Remembered>,
}

/// Verifies an export (see `export.rs` for its form). Reads once, in order, with at most one body (16 MiB) and a few
/// tiles in memory.
///
/// # Errors
/// [`Error::Read`] if the file cannot be read, [`Error::Memory`] or [`Error::MemoryDamaged`] if what is remembered
/// cannot be.
pub fn verify_export<R: BufRead>(reader: R, options: &Options<'_>) -> Result<Verdict, Error> {
    let mut lines = Lines::new(reader);
    let mut case = Case::new(Checked::Export, options);
    match read_head(&mut lines, &mut case) {
        Ok(signed) => case.judge(&signed, |_| ExportSteps::new(lines)),
        Err(Stop::Flaw(flaw)) => Ok(case.verdict(Some(flaw), 0)),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Verifies a running log against the checkpoint that it publishes, signed by `key`.
///
/// # Errors
/// [`Error::Source`] if tiles or entries cannot be read, [`Error::Memory`] or [`Error::MemoryDamaged`] if what is
/// remembered cannot be.
pub fn verify_log<L: ReadLog + ?Sized>(
    note: &str,
    key: &VerifierKey,
    log: &L,
    options: &Options<'_>,
) -> Result<Verdict, Error> {
    let mut case = Case::new(Checked::Live, options);
    match case.open(note, key.clone()) {
        Ok(signed) => case.judge(&signed, |size| LiveSteps { log, size, batch: Vec::new().into_iter() }),
        Err(Stop::Flaw(flaw)) => Ok(case.verdict(Some(flaw), 0)),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// What is known while a log is judged.
struct Case<'a> {
    checked: Checked,
    options: &'a Options<'a>,
    key: Option<VerifierKey>,
    checkpoint: Option<Checkpoint>,
    known: Option<SignedCheckpoint>,
    /// What `since` says, once its signature was checked.
    since: Option<SignedCheckpoint>,
    other: Option<VerifierKey>,
}

impl<'a> Case<'a> {
    fn new(checked: Checked, options: &'a Options<'a>) -> Self {
        Self { checked, options, key: None, checkpoint: None, known: None, since: None, other: None }
    }

    /// Opens the checkpoint under the log's own key, once that is the key that was asked for.
    fn open(&mut self, note: &str, key: VerifierKey) -> Result<SignedCheckpoint, Stop> {
        let pinned = self.options.key.as_ref();
        if let Some(pinned) = pinned.filter(|pinned| pinned.public() != key.public()) {
            self.key = Some(key);
            let what = format!("the log is signed with another key than `{pinned}`");
            return Err(Stop::Flaw(Flaw::nowhere(what)));
        }
        if let Some(memory) = self.options.remembered {
            let named = memory.key_of(key.name())?.filter(|known| known.public() != key.public());
            if let Some(known) = named.filter(|_| pinned.is_none()) {
                let what = format!("the log `{}` was seen with another key before: `{known}`", key.name());
                (self.key, self.other) = (Some(key), Some(known));
                return Err(Stop::Flaw(Flaw::nowhere(what)));
            }
            self.known = memory.recall(&key)?;
        }
        let since = self.options.since.as_ref().map(|note| kept(note, &key)).transpose();
        let opened = SignedCheckpoint::open(note, &key);
        self.key = Some(key);
        self.since = since.map_err(|what| Stop::Flaw(Flaw::nowhere(what)))?;
        let signed = opened.map_err(|error| Stop::Flaw(Flaw::nowhere(error.to_string())))?;
        self.checkpoint = Some(signed.checkpoint().clone());
        Ok(signed)
    }

    fn judge<S: Steps>(mut self, signed: &SignedCheckpoint, steps: impl FnOnce(u64) -> S) -> Result<Verdict, Error> {
        let checkpoint = signed.checkpoint();
        let since = self.since.take();
        let mut earlier: Vec<&Checkpoint> = since.iter().map(SignedCheckpoint::checkpoint).collect();
        let known = self.known.take();
        let seen = known.as_ref().map(SignedCheckpoint::checkpoint);
        // An export that was made before the last look is older, not cut; a running log never gets shorter.
        let applies = |seen: &&Checkpoint| self.checked == Checked::Live || seen.size() <= checkpoint.size();
        earlier.extend(seen.filter(applies));
        let walked = Walk::new(steps(checkpoint.size()), checkpoint, earlier).run()?;
        if walked.flaw.is_none()
            && let (Some(memory), Some(key)) = (self.options.remembered, &self.key)
        {
            if seen.is_none_or(|seen| seen.size() < checkpoint.size()) {
                memory.keep(key, signed)?;
            }
            memory.name(key)?;
        }
        self.known = known;
        Ok(self.verdict(walked.flaw, walked.erased))
    }

    fn trust(&self) -> KeyTrust {
        match (&self.options.key, &self.known) {
            (Some(_), _) => KeyTrust::Pinned,
            (None, Some(_)) => KeyTrust::Remembered,
            (None, None) => KeyTrust::Unpinned,
        }
    }

    fn verdict(&self, flaw: Option<Flaw>, erased: u64) -> Verdict {
        let size = self.checkpoint.as_ref().map_or(0, Checkpoint::size);
        let what = match &flaw {
            Some(flaw) => flaw.what.clone(),
            None => self.praise(size, erased),
        };
        Verdict {
            ok: flaw.is_none(),
            size,
            root: self.checkpoint.as_ref().map(Checkpoint::root),
            first_bad: flaw.and_then(|flaw| flaw.index),
            what,
            checked: self.checked,
            key: self.trust(),
            log: self.key.as_ref().map(ToString::to_string),
            remembered: self.other.as_ref().map(ToString::to_string),
            erased,
        }
    }

    fn praise(&self, size: u64, erased: u64) -> String {
        let mut what = format!("all {size} entries are as the signed root says, {erased} of them erased");
        let seen = self.known.as_ref().map_or(0, |known| known.checkpoint().size());
        if seen > size {
            what.push_str(&format!("; it is older than the {seen} entries seen before"));
        }
        if self.trust() == KeyTrust::Unpinned {
            what.push_str("; the key came with the log, so this does not show whose log it is: give `--key`");
        }
        what
    }
}

/// A checkpoint that was kept, once the log's key has signed it: under the name that the log had then.
fn kept(note: &str, key: &VerifierKey) -> Result<SignedCheckpoint, String> {
    let unsigned = |error: Error| format!("the checkpoint that was kept does not count: {error}");
    let then = Checkpoint::read_unverified(note).and_then(|read| key.named(read.origin())).map_err(unsigned)?;
    SignedCheckpoint::open(note, &then).map_err(unsigned)
}

/// Reads the lines before the first tile.
fn read_head<R: BufRead>(lines: &mut Lines<R>, case: &mut Case<'_>) -> Result<SignedCheckpoint, Stop> {
    match lines.next_line()? {
        Line::Text(line) if line == EXPORT_FORMAT => {}
        Line::End => return Err(cut_in_head()),
        Line::Text(_) | Line::Odd => {
            return Err(Stop::Flaw(Flaw::nowhere("its first line is not that of an export that this version reads")));
        }
    }
    let key = match lines.next_line()? {
        Line::Text(line) => line.strip_prefix(KEY_WORD).and_then(|key| key.parse::<VerifierKey>().ok()),
        Line::Odd => None,
        Line::End => return Err(cut_in_head()),
    };
    let Some(key) = key else {
        return Err(Stop::Flaw(Flaw::nowhere("its second line does not hold a verifier key")));
    };
    let mut note = String::new();
    for _ in 0..CANONICAL_LINES {
        match lines.next_line()? {
            Line::Text(line) => note.extend([line.as_str(), "\n"]),
            Line::Odd => return Err(Stop::Flaw(Flaw::nowhere("its checkpoint is malformed"))),
            Line::End => return Err(cut_in_head()),
        }
    }
    let signed = case.open(&note, key.clone())?;
    if signed.is_canonical(&key) {
        Ok(signed)
    } else {
        Err(Stop::Flaw(Flaw::nowhere("its checkpoint is not in canonical form")))
    }
}

fn cut_in_head() -> Stop {
    Stop::Flaw(Flaw::at(0, "the file ends before its first entry"))
}

/// Steps through a running log.
struct LiveSteps<'a, L: ?Sized> {
    log: &'a L,
    size: u64,
    batch: vec::IntoIter<StoredEntry>,
}

impl<L: ReadLog + ?Sized> Steps for LiveSteps<'_, L> {
    fn tile(&mut self, tile: &TileId) -> Result<Vec<Hash>, Stop> {
        let mut bytes = read_tile(self.log, tile)?.unwrap_or_default();
        bytes.truncate(tile.width() as usize * crate::HASH_BYTES);
        // Whatever is no whole hash is one that is missing.
        bytes.truncate(bytes.len() / crate::HASH_BYTES * crate::HASH_BYTES);
        Ok(Hash::many(&bytes).unwrap_or_default())
    }

    fn entry(&mut self, index: u64, claimed: Option<Hash>) -> Result<Step, Stop> {
        let width = u64::from(TILE_WIDTH);
        if index.is_multiple_of(width) {
            let count = width.min(self.size - index) as u32;
            self.batch = self.log.entries(index, count).map_err(Error::Source)?.into_iter();
        }
        match (self.batch.next(), claimed) {
            (Some(StoredEntry::Kept { salt, body }), _) => Ok(Step::Kept { salt, body }),
            (Some(StoredEntry::Gone), Some(hash)) => Ok(Step::Gone { hash }),
            (Some(StoredEntry::Gone), None) => Err(Stop::Flaw(Flaw::at(index, "its body and its hash are missing"))),
            (None, _) => Err(Stop::Flaw(Flaw::at(index, "the entry is missing from the store"))),
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        Ok(())
    }
}
