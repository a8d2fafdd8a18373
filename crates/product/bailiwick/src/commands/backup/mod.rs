//! `backup`: everything that a server keeps, encrypted to a recovery key; the way back; and its rehearsal.
//!
//! The server makes the backup and never has the key that opens it. Restoring and rehearsing happen here, where backup,
//! recovery key and root key come together for as long as it takes.

mod create;
mod drill;
mod key;
mod restore;

use crate::{exit::Exit, invocation::Invocation};
use model::{Problem, ProblemKind};
use seal::RecoveryKey;
use std::path::Path;

/// What the files of backups are called; `create --keep` counts them.
const ENDING: &str = ".backup";
const DATA: &str = "bailiwick-";
const CONFIGURATION: &str = "configuration-";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a recovery key, and say for whom backups are made
    Key(key::Args),
    /// Make a backup
    Create(create::Args),
    /// Fill an empty data folder or database from a backup
    Restore(restore::Args),
    /// Rehearse a restore in a scratch folder, and record how it went
    Drill(drill::Args),
}

pub(crate) async fn run(command: BackupCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    match command {
        BackupCommand::Key(args) => key::run(&args, invocation),
        BackupCommand::Create(args) => create::run(args, invocation).await,
        BackupCommand::Restore(args) => restore::run(args, invocation).await,
        BackupCommand::Drill(args) => drill::run(args, invocation).await,
    }
}

fn file_problem(path: &Path, why: impl std::fmt::Display, fix: &str) -> Problem {
    let what = format!("`{}` cannot be used", path.display());
    Problem::new(ProblemKind::Invalid, "backup.file", what, why.to_string(), fix)
}

/// Reads the recovery key.
fn recovery_key(path: &Path) -> Result<RecoveryKey, Problem> {
    let fix = "give the file that `bailiwick backup key` or `age-keygen` wrote";
    let text = std::fs::read_to_string(path).map_err(|error| file_problem(path, error, fix))?;
    RecoveryKey::from_file(&text).map_err(|error| file_problem(path, error, fix))
}
