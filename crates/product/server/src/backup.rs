//! Backups: every row as it was at one moment, in a form that both engines fill alike; tar, zstd, then encrypted (age)
//! to a recovery key that the server does not have. Never the root key.
//!
//! Restoring fills an empty database, checks every sum before it commits, and writes that it happened into the record,
//! which goes on from there. A drill does the same in a scratch folder.

mod archive;
mod restore;

pub(crate) use archive::write;
pub use restore::{Drill, Restore, Restored};

use model::{Problem, ProblemKind};
use seal::Recipient;
use std::{io::Write, path::Path};

/// What of a data folder is configuration: kept apart from the data, and without its keys.
const CONFIGURATION: &[&str] = &["config.toml"];
const POLICIES: &str = "policies";

pub(crate) fn failed(what: &str, why: impl std::fmt::Display, fix: &str) -> Problem {
    Problem::new(ProblemKind::Unprocessable, "backup.failed", what, why.to_string(), fix)
}

/// Writes configuration and policies of a data folder, encrypted.
///
/// # Errors
/// When they cannot be read, or `to` cannot be written.
pub fn config_archive<W: Write>(data: &Path, recipient: &Recipient, to: W) -> Result<W, Problem> {
    let say = |error: &dyn std::fmt::Display| {
        failed("the configuration could not be backed up", error, "look whether the folder can be read and written")
    };
    let mut packed = archive::Packed::new(recipient, to).map_err(|error| say(&error))?;
    let mut files: Vec<std::path::PathBuf> = CONFIGURATION.iter().map(|name| data.join(name)).collect();
    if let Ok(entries) = std::fs::read_dir(data.join(POLICIES)) {
        let mut own: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        own.retain(|path| path.extension().is_some_and(|ending| ending == "rego"));
        own.sort();
        files.extend(own);
    }
    for path in files.iter().filter(|path| path.is_file()) {
        let name = path.strip_prefix(data).unwrap_or(path).to_string_lossy();
        let bytes = std::fs::read(path).map_err(|error| say(&error))?;
        packed.entry(&name, &bytes).map_err(|error| say(&error))?;
    }
    packed.finish().map_err(|error| say(&error))
}
