//! `backup`: not yet.

use super::later;
use crate::exit::Exit;
use model::Problem;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a backup
    Create,
    /// Start over from a backup
    Restore,
    /// Rehearse a restore
    Drill,
}

pub(crate) fn run(command: &BackupCommand) -> Result<Exit, Problem> {
    let what = match command {
        BackupCommand::Create => "backups cannot be made yet",
        BackupCommand::Restore => "backups cannot be restored yet",
        BackupCommand::Drill => "a restore cannot be rehearsed yet",
    };
    Err(later("backup.later", what, "stop the server and copy its data folder; keep the root key elsewhere"))
}
