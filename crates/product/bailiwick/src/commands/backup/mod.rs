//! `backup`: everything that a server keeps, encrypted to a recovery key; the way back; and its rehearsal.
//!
//! The server makes the backup and never has the key that opens it. Restoring and rehearsing happen here, where backup,
//! recovery key and root key come together for as long as it takes.

mod create;
mod drill;
mod key;
mod list;
mod restore;

use crate::{commands::Part, exit::Exit, invocation::Invocation};
use model::{Problem, ProblemKind};
use seal::{RecoveryKey, RootKey};
use server::{Config, Overrides, Unproven};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a recovery key, and say for whom backups are made
    Key(key::Args),
    /// Make a backup, where `[backup]` of the server's configuration says, or into a folder
    Create(create::Args),
    /// List the backups that the server has made
    List(Part),
    /// Fill an empty data folder or database from backups
    Restore(restore::Args),
    /// Rehearse a restore in a scratch folder, and record how it went
    Drill(drill::Args),
}

pub(crate) async fn run(command: BackupCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    match command {
        BackupCommand::Key(args) => key::run(&args, invocation),
        BackupCommand::Create(args) => create::run(args, invocation).await,
        BackupCommand::List(part) => list::run(part, invocation).await,
        BackupCommand::Restore(args) => restore::run(args, invocation).await,
        BackupCommand::Drill(args) => drill::run(args, invocation).await,
    }
}

fn file_problem(path: &Path, why: impl std::fmt::Display, fix: &str) -> Problem {
    let what = format!("`{}` cannot be used", path.display());
    Problem::new(ProblemKind::Invalid, "backup.file", what, why.to_string(), fix)
}

/// A backup as a file: itself, or fetched into `folder` from where the configuration says that backups lie.
async fn local(
    backup: &str,
    configuration: &Path,
    overrides: &Overrides,
    folder: &Path,
) -> Result<PathBuf, Vec<Problem>> {
    let file = Path::new(backup);
    if file.exists() {
        return Ok(file.to_owned());
    }
    let config = Config::read(configuration, overrides)?;
    let to = folder.join(backup.replace('/', "_"));
    server::fetch_backup(&config, backup, server::DATA, &to).await.map_err(|problem| vec![problem])?;
    Ok(to)
}

/// Reads the recovery key.
fn recovery_key(path: &Path) -> Result<RecoveryKey, Problem> {
    let fix = "give the file that `bailiwick backup key` or `age-keygen` wrote";
    let text = std::fs::read_to_string(path).map_err(|error| file_problem(path, error, fix))?;
    RecoveryKey::from_file(&text).map_err(|error| file_problem(path, error, fix))
}

/// Reads the recovery copy of the root key.
fn root_key(path: &Path) -> Result<RootKey, Problem> {
    let fix = "give the recovery copy of the root key, mode 0600";
    RootKey::load_file(path).map_err(|error| file_problem(path, error, fix))
}

/// Says what it means to take whatever comes.
fn unproven(accepted: bool, invocation: &Invocation) -> Unproven {
    if !accepted {
        return Unproven::Refused;
    }
    invocation.output.say("warning: who made these backups is not looked at; anybody can make one that this accepts");
    Unproven::Accepted
}
