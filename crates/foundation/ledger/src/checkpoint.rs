//! Checkpoints: how many entries a log has and their root, signed (C2SP `tlog-checkpoint`, `signed-note`).
//!
//! Refuses a checkpoint whose origin is not the name of the key that signed it.

use crate::{Error, Hash, LogKey, VerifierKey};
use signed_note::{Note, Signature, VerifierList};
use std::fmt;

/// The longest note that is read, in bytes: three lines, and signature lines of a few dozen witnesses.
const MAX_NOTE_BYTES: usize = 16 * 1024;

/// The most entries that a log can have: no log gets there, and sums of sizes stay far from overflow.
pub(crate) const MAX_SIZE: u64 = 1 << 48;

/// The state of a log: its origin, how many entries it has, and the root over them (RFC 6962, section 2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

impl Checkpoint {
    /// A checkpoint of the log that `key` signs for.
    #[must_use]
    pub fn new(key: &LogKey, size: u64, root: Hash) -> Self {
        Self { origin: key.origin().to_owned(), size, root }
    }

    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The three lines that are signed.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Signs it. The same checkpoint and key give the same note.
    ///
    /// # Errors
    /// [`Error::MalformedCheckpoint`] if the note library refuses text or name.
    pub fn sign(&self, key: &LogKey) -> Result<SignedCheckpoint, Error> {
        let text = self.text();
        let verifier = key.verifier();
        let signature = Signature::new(verifier.name().to_owned(), verifier.id(), key.sign(text.as_bytes()).to_vec())
            .map_err(|_| Error::MalformedCheckpoint { why: "its key's name is malformed" })?;
        let note = Note::new(text.as_bytes(), &[signature])
            .map_err(|_| Error::MalformedCheckpoint { why: "its text is malformed" })?;
        let note = String::from_utf8(note.to_bytes())
            .map_err(|_| Error::MalformedCheckpoint { why: "its text is malformed" })?;
        Ok(SignedCheckpoint { checkpoint: self.clone(), note })
    }

    /// Reads what a checkpoint says, checking no signature: to name the log whose key is then looked up.
    ///
    /// # Errors
    /// [`Error::MalformedCheckpoint`].
    pub fn read_unverified(note: &str) -> Result<Self, Error> {
        Self::from_note(&parse_note(note)?)
    }

    fn from_note(note: &Note) -> Result<Self, Error> {
        let read = tlog_tiles::Checkpoint::from_bytes(note.text())
            .map_err(|_| Error::MalformedCheckpoint { why: "it lacks origin, size or root" })?;
        if read.size() > MAX_SIZE {
            return Err(Error::MalformedCheckpoint { why: "it counts more entries than a log can have" });
        }
        let root = Hash::from(tlog_tiles::Hash(read.hash().0));
        Ok(Self { origin: read.origin().to_owned(), size: read.size(), root })
    }
}

fn parse_note(note: &str) -> Result<Note, Error> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(Error::MalformedCheckpoint { why: "it is too long" });
    }
    Note::from_bytes(note.as_bytes()).map_err(|_| Error::MalformedCheckpoint { why: "it is no signed note" })
}

/// A checkpoint with the note that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

impl SignedCheckpoint {
    /// Reads a note that `key` signed. Signatures of other keys, such as witnesses', are left alone.
    ///
    /// # Errors
    /// [`Error::MalformedCheckpoint`], or [`Error::NotSigned`] if `key` did not sign it or is named otherwise.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, Error> {
        let parsed = parse_note(note)?;
        let not_signed = || Error::NotSigned { key: key.to_string() };
        parsed.verify(&VerifierList::new(vec![Box::new(key.clone())])).map_err(|_| not_signed())?;
        let checkpoint = Checkpoint::from_note(&parsed)?;
        if checkpoint.origin != key.name() {
            return Err(not_signed());
        }
        Ok(Self { checkpoint, note: note.to_owned() })
    }

    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note, as `/log/TENANT/checkpoint` serves it.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The note with the log's own signature alone, without witnesses' lines.
    pub(crate) fn alone(&self, key: &VerifierKey) -> Result<String, Error> {
        let malformed = |_| Error::MalformedCheckpoint { why: "its text is malformed" };
        let note = parse_note(&self.note)?;
        let (own, _) = note
            .verify(&VerifierList::new(vec![Box::new(key.clone())]))
            .map_err(|_| Error::NotSigned { key: key.to_string() })?;
        let alone = Note::new(self.checkpoint.text().as_bytes(), &own).map_err(malformed)?;
        String::from_utf8(alone.to_bytes()).map_err(|_| Error::MalformedCheckpoint { why: "its text is malformed" })
    }

    /// Whether the note is in its one canonical form, with nothing that the key does not commit to.
    pub(crate) fn is_canonical(&self, key: &VerifierKey) -> bool {
        self.alone(key).is_ok_and(|alone| alone == self.note)
    }
}

/// Lines of a note with one signature and no extension: origin, size, root, an empty line, the signature.
pub(crate) const CANONICAL_LINES: usize = 5;

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}
