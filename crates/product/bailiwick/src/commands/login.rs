//! `login`, `logout`: another machine's Bailiwick, through the browser. Not yet.

use super::later;
use crate::exit::Exit;
use model::Problem;

#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// Address of the server
    url: String,
}

pub(crate) fn login(args: &LoginArgs) -> Result<Exit, Problem> {
    let what = format!("signing in to `{}` from the command line is not possible yet", args.url);
    Err(later(
        "login.later",
        &what,
        "use its pages in the browser; or run commands on its machine, where no login is needed",
    ))
}

pub(crate) fn logout() -> Result<Exit, Problem> {
    Err(later("login.later", "there is no login to end", "nothing needs to be done: only the local credential is used"))
}
