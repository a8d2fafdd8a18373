//! `dev`: runs the app here, with mocks. Not yet.

use super::later;
use crate::exit::Exit;
use model::Problem;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Problem> {
    let what = format!("`{}` cannot be run with mocks yet", args.folder.display());
    Err(later("dev.later", &what, "try it at an address of its own with `bailiwick deploy --env staging`"))
}
