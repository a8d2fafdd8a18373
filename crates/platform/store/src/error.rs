//! What can go wrong with stored things, classed by what the caller can do about it.
//!
//! Refuses to carry database text to a person: `problem` has words of its own for the few cases that a person can
//! act on, and "our fault" for the rest; the source goes to the operator's log.

use crate::{DepotError, value::NUL};
use model::{Problem, ProblemKind, TenantId};
use std::{error::Error, io, path::Path, sync::Arc, time::Duration};

/// What passes by itself is worth another try then.
const PASSES_IN: Duration = Duration::from_secs(2);

/// Why the record cannot be written, when SQLite's files are not where they were opened.
const MOVED: &str = "the database file was removed or replaced";

/// A kept source: shared, since one failed commit is the answer to every act of its group.
pub type Cause = Arc<dyn Error + Send + Sync>;

#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Authority changed between the permit and the commit; nothing was written. Ask again: `Store::again`.
    #[error("authority of tenant `{tenant}` moved to epoch {current} while this was under way")]
    Moved { tenant: TenantId, current: u64 },
    #[error("the data was written by a newer version: it holds migration {number} of `{room}` (`{name}`)")]
    Newer { room: String, number: i64, name: String },
    /// It would not stay cut: this version cannot do it, and its only copy stays where it is.
    #[error(
        "the data was written by a newer version: block {block} of the journal of cuts holds what this one does not know"
    )]
    NewerCut { block: usize },
    /// Nodes of an older version run, and may not run beside what a migration makes of the data.
    #[error("migration {number} of `{room}` waits until these nodes are stopped: {nodes:?}")]
    OlderNodes { nodes: Vec<String>, room: String, number: i64, why: String },
    /// A newer version has applied what this one may not run beside.
    #[error("a newer version has changed the database so that this one may not go on")]
    Outdated,
    #[error("migration {number} of `{room}` is not the one that was applied")]
    Altered { room: String, number: i64 },
    #[error("migrations of `{room}` do not count up from 1: found {number}")]
    Disordered { room: &'static str, number: i64 },
    #[error("the database belongs to root key `{expected}`, and this is `{found}`")]
    WrongKey { expected: String, found: String },
    /// The data folder is held by another process.
    #[error("another process has this database open")]
    InUse,
    /// Disk full, below the reserve, read-only, or the database is gone.
    #[error("the record cannot be written: {reason}")]
    Unwritable { reason: &'static str, source: Option<Cause> },
    /// What was under way would have filled the disk: it was broken off before.
    #[error("the disk of `{path}` is all but full, and what is left is kept for what is written there")]
    NoRoom { path: String },
    /// A unique key is taken.
    #[error("a row with this key exists in `{table}` ({constraint})")]
    Conflict { table: String, constraint: String },
    #[error("column {column} is not {expected}")]
    Row { column: usize, expected: &'static str },
    #[error("parameter {position} cannot be stored: {why}")]
    Param { position: usize, why: &'static str },
    /// A statement that writes was given to a reader.
    #[error("a reader may not write")]
    ReadOnly,
    /// An earlier statement of this transaction failed: it can only be rolled back.
    #[error("the transaction failed before")]
    Ended,
    #[error("the store is closed")]
    Closed,
    /// Too much at once, or a lock that was not given in time.
    #[error("the store is busy: {reason}")]
    Busy { reason: &'static str, source: Option<Cause> },
    #[error("a key or a sealed value was refused")]
    Seal(#[source] Cause),
    #[error("the log was refused")]
    Ledger(#[source] Cause),
    #[error("stored JSON is malformed")]
    Json(#[source] Cause),
    #[error("file beside the database")]
    File(#[source] Cause),
    /// Another user's, or mounted so that nothing is written.
    #[error("`{path}` cannot be written")]
    Folder { path: String, source: Arc<io::Error> },
    /// Without it a start could bring back what was cut.
    #[error("the journal of cuts cannot be used")]
    Journal(#[source] Cause),
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error("the database refused a statement")]
    Database(#[source] Cause),
}

/// What keeps a folder from being written, in words.
const FOLDER_WHY: [(io::ErrorKind, &str); 3] = [
    (io::ErrorKind::ReadOnlyFilesystem, "its disk is mounted read-only"),
    (io::ErrorKind::PermissionDenied, "it, or its folder, belongs to another user"),
    (io::ErrorKind::StorageFull, "its disk is full"),
];

/// Errors that may hold a `StoreError`: what `Store::again` looks into.
pub trait HoldsStoreError {
    fn store_error(&self) -> Option<&StoreError>;
}

impl HoldsStoreError for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl StoreError {
    pub(crate) fn row(column: usize, expected: &'static str) -> Self {
        Self::Row { column, expected }
    }

    pub(crate) fn seal(source: seal::Error) -> Self {
        Self::Seal(Arc::new(source))
    }

    pub(crate) fn json(source: serde_json::Error) -> Self {
        Self::Json(Arc::new(source))
    }

    pub(crate) fn file(source: std::io::Error) -> Self {
        Self::File(Arc::new(source))
    }

    pub(crate) fn folder(path: &Path, source: io::Error) -> Self {
        Self::Folder { path: path.display().to_string(), source: Arc::new(source) }
    }

    pub(crate) fn journal(source: std::io::Error) -> Self {
        Self::Journal(Arc::new(source))
    }

    pub(crate) const fn unwritable(reason: &'static str) -> Self {
        Self::Unwritable { reason, source: None }
    }

    pub(crate) fn moved_away(source: Option<std::io::Error>) -> Self {
        Self::Unwritable { reason: MOVED, source: source.map(|error| Arc::new(error) as Cause) }
    }

    pub(crate) const fn busy(reason: &'static str) -> Self {
        Self::Busy { reason, source: None }
    }

    /// Whether it may pass by itself: the disk, the database or a lock is not to be had now.
    pub(crate) const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unwritable { .. } | Self::Busy { .. })
    }

    /// Of programs and keys that do not belong to the data.
    fn of_versions(&self) -> Option<Problem> {
        let unavailable = |code, what, why, fix: &str| Problem::new(ProblemKind::Unavailable, code, what, why, fix);
        if let Self::Newer { room, number, .. } = self {
            return Some(unavailable(
                "store.newer",
                "the data is newer than this program".to_owned(),
                format!(
                    "a later version has changed how `{room}` is stored (step {number}), and this one cannot read it"
                ),
                "start the version that wrote the data, or restore a backup that was made before it",
            ));
        }
        if let Self::NewerCut { .. } = self {
            return Some(unavailable(
                "store.newer",
                "the data is newer than this program".to_owned(),
                "`cuts.journal` holds something that a later version switched off, and this one could not keep it off"
                    .to_owned(),
                "start the version that wrote the data: once its record can be written, this is in it",
            ));
        }
        if let Self::OlderNodes { nodes, room, number, why } = self {
            return Some(unavailable(
                "store.older_nodes",
                format!("an older version still runs on this database: {}", nodes.join(", ")),
                format!(
                    "this version changes how `{room}` is stored (step {number}), and an older one cannot go on beside that: {why}"
                ),
                "stop the older ones, then start this one again: for so long, nothing is served",
            ));
        }
        if let Self::WrongKey { expected, found } = self {
            return Some(unavailable(
                "store.wrong_key",
                "this root key does not belong to this database".to_owned(),
                format!("the database was made with root key `{expected}`, and `{found}` was given"),
                "point `[seal] root` at the key that the database was made with; the recovery copy is the same key",
            ));
        }
        None
    }

    /// Of what was sent, not of us: text that neither engine holds.
    fn of_text(&self) -> Option<Problem> {
        if !matches!(self, Self::Param { why, .. } if *why == NUL) {
            return None;
        }
        Some(Problem::new(
            ProblemKind::Invalid,
            "store.text",
            "this text cannot be stored",
            "it has the character NUL in it (in an address, `%00`), which is part of no name and of no text",
            "send it without that character",
        ))
    }

    /// Of the folder that the database is in.
    fn of_folder(&self) -> Option<Problem> {
        let Self::Folder { path, source } = self else { return None };
        let known = FOLDER_WHY.iter().find(|(kind, _)| *kind == source.kind());
        let why = known.map_or("the system does not open it for writing", |(_, why)| *why);
        Some(Problem::new(
            ProblemKind::Unavailable,
            "store.folder",
            "the data folder cannot be written",
            format!("`{path}` cannot be written: {why}"),
            "start the server as the user who owns the data folder, on a disk that is mounted for writing and has room; a disk that fails is made read-only by the system, whose log says so",
        ))
    }

    /// Of the record. Its reasons are words of this crate: they name nobody, and no file.
    fn of_record(&self) -> Option<Problem> {
        let Self::Unwritable { reason, .. } = self else { return None };
        let fix = if *reason == MOVED {
            "whoever runs the server, leave it running: move the very file back, or, if it was deleted, first copy it and its log (`-wal`) from `/proc/PID/fd`"
        } else {
            "whoever runs the server, make room on its disk, or bring its database back; `bailiwick doctor` there says more"
        };
        let why = format!("the record of what happens cannot be written ({reason}), and no change is made without it");
        let what = "nothing can be changed at the moment";
        Some(Problem::new(ProblemKind::Unavailable, "record.unwritable", what, why, fix).later(PASSES_IN))
    }

    /// Of the disk that the database is on.
    fn of_room(&self) -> Option<Problem> {
        let Self::NoRoom { path } = self else { return None };
        Some(Problem::new(
            ProblemKind::Unavailable,
            "store.no_room",
            "the disk has too little room for this",
            format!(
                "it was broken off before it filled the disk of `{path}`: while a backup is read, what is written meanwhile is kept beside the database, and a restore takes twice the database for a while"
            ),
            "make room there, or name another disk, then begin it again",
        ))
    }

    /// What a person is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let of_disk = self.of_folder().or_else(|| self.of_room()).or_else(|| self.of_record());
        if let Some(problem) = self.of_versions().or_else(|| self.of_text()).or(of_disk) {
            return problem;
        }
        let unavailable = |code, what, why, fix: &str| Problem::new(ProblemKind::Unavailable, code, what, why, fix);
        let (code, what, why, fix) = match self {
            Self::InUse => (
                "store.in_use",
                "this data folder is in use",
                "another process of this machine has the database open",
                "stop that process, or give this one another folder with `--data`",
            ),
            Self::Journal(_) => (
                "journal.unusable",
                "the journal of cuts cannot be used",
                "`cuts.journal` in the data folder keeps what was switched off while nothing could be recorded; without it, a start could bring that back",
                "make room for it (4 MiB), and let the server's own user read and write it",
            ),
            Self::Outdated => (
                "node.outdated",
                "this server is older than its database",
                "a newer version has changed how things are stored, and this one may not go on beside it",
                "stop it, and start the version that the other nodes run",
            ),
            Self::Busy { .. } => (
                "store.busy",
                "too much is going on at the moment",
                "the change waited longer than it may",
                "try again in a moment",
            ),
            Self::Depot(error) => return error.problem(),
            Self::Moved { .. } => (
                "authority.moved",
                "what may be done changed meanwhile",
                "policy, roles or grants kept changing while this was decided; nothing was written",
                "try again",
            ),
            Self::Newer { .. }
            | Self::NewerCut { .. }
            | Self::OlderNodes { .. }
            | Self::WrongKey { .. }
            | Self::Unwritable { .. }
            | Self::NoRoom { .. }
            | Self::Altered { .. }
            | Self::Disordered { .. }
            | Self::Conflict { .. }
            | Self::Row { .. }
            | Self::Param { .. }
            | Self::ReadOnly
            | Self::Ended
            | Self::Closed
            | Self::Seal(_)
            | Self::Ledger(_)
            | Self::Json(_)
            | Self::File(_)
            | Self::Folder { .. }
            | Self::Database(_) => return Problem::internal(),
        };
        let problem = unavailable(code, what.to_owned(), why.to_owned(), fix);
        let passes = self.is_unavailable() || matches!(self, Self::Moved { .. });
        if passes { problem.later(PASSES_IN) } else { problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_says_which_file_and_why() {
        for (kind, why) in [
            (io::ErrorKind::ReadOnlyFilesystem, "mounted read-only"),
            (io::ErrorKind::PermissionDenied, "belongs to another user"),
            (io::ErrorKind::StorageFull, "is full"),
            (io::ErrorKind::IsADirectory, "the system does not open it"),
        ] {
            let problem = StoreError::folder(Path::new("/data/bailiwick.lock"), kind.into()).problem();
            assert_eq!((problem.code.as_str(), problem.status()), ("store.folder", 503), "{problem}");
            assert!(problem.why.contains("`/data/bailiwick.lock`") && problem.why.contains(why), "{problem}");
        }
    }
}
