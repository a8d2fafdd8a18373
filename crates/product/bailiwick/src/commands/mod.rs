//! One file a command. Each parses its arguments, asks the server or a gate, and shows the document that comes back.

pub(crate) mod app;
pub(crate) mod approve;
pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod compile_engine;
pub(crate) mod deploy;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod new;
pub(crate) mod notices;
pub(crate) mod people;
pub(crate) mod policy;
pub(crate) mod recover;
pub(crate) mod reject;
pub(crate) mod requests;
pub(crate) mod restore;
pub(crate) mod retire;
pub(crate) mod revoke;
pub(crate) mod roles;
pub(crate) mod rollback;
pub(crate) mod scan;
pub(crate) mod secret;
pub(crate) mod sign_in;
pub(crate) mod templates;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod waivers;
pub(crate) mod whoami;

use crate::{cli::Command, client::Route, exit::Exit, invocation::Invocation};
use model::Problem;

/// Lists give this many unless `--limit` says otherwise.
pub(crate) const LIST_DEFAULT: u32 = 100;

/// Which part of a list.
#[derive(Debug, clap::Args)]
pub(crate) struct Part {
    #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT)]
    pub(crate) limit: u32,
    /// Where an earlier list ended
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}

impl Part {
    pub(crate) fn of(self, route: Route) -> Route {
        route.query("limit", Some(self.limit)).query("after", self.after)
    }
}

/// Does what was typed.
///
/// # Errors
/// Why it was refused or failed.
pub(crate) async fn run(command: Command, invocation: &Invocation) -> Result<Exit, Problem> {
    match command {
        Command::Up(args) => up::run(args, invocation).await,
        Command::Login(args) => login::login(invocation, &args).await,
        Command::Logout => login::logout(invocation).await,
        Command::Whoami => whoami::run(invocation).await,
        Command::New(args) => new::run(args, invocation).await,
        Command::Templates(part) => templates::run(part, invocation),
        Command::Check(args) => check::run(args, invocation).await,
        Command::Dev(args) => dev::run(args, invocation).await,
        Command::Deploy(args) => deploy::run(args, invocation).await,
        Command::Apps(part) => apps::run(part, invocation).await,
        Command::App(args) => app::run(args, invocation).await,
        Command::Logs(args) => logs::run(args, invocation).await,
        Command::Requests(args) => requests::run(args, invocation).await,
        Command::Approve(args) => approve::run(args, invocation).await,
        Command::Reject(args) => reject::run(args, invocation).await,
        Command::Rollback(args) => rollback::run(args, invocation).await,
        Command::Revoke(args) => revoke::run(args, invocation).await,
        Command::Recover(args) => recover::run(args, invocation).await,
        Command::Restore(args) => restore::run(args, invocation).await,
        Command::Retire(args) => retire::run(args, invocation).await,
        Command::Secret(command) => secret::run(command, invocation).await,
        Command::People(command) => people::run(command, invocation).await,
        Command::Roles(command) => roles::run(command, invocation).await,
        Command::Waivers(command) => waivers::run(command, invocation).await,
        Command::SignIn(command) => sign_in::run(command, invocation).await,
        Command::Token(args) => token::run(args, invocation).await,
        Command::Audit(command) => audit::run(command, invocation).await,
        Command::Notices(command) => notices::run(command, invocation).await,
        Command::Policy(command) => policy::run(command, invocation).await,
        Command::Scan(args) => scan::run(args, invocation).await,
        Command::Backup(command) => backup::run(command, invocation).await,
        Command::Doctor(args) => doctor::run(args, invocation).await,
        Command::CompileEngine => Ok(compile_engine::run()),
    }
}

/// A reason, which the record keeps: not empty.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("say why in a few words: the record keeps it".to_owned()) } else { Ok(text.to_owned()) }
}
