//! What can be typed. Scripts rely on these words: they are added to, never changed. Every argument is parsed here,
//! before anything is done.

use crate::commands as c;
use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "bailiwick", version, about = "Ship small apps, each within its own fence", max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Globals {
    /// Address of the server [env: BAILIWICK_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but results and problems
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// Use no colour [env: NO_COLOR]
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Do not ask before destroying
    #[arg(long, global = true)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the platform in the foreground
    Up(c::up::Args),
    /// Sign in to another machine's Bailiwick
    Login(c::login::LoginArgs),
    /// End what `login` began
    Logout,
    /// Say which server is meant, and who you are there
    Whoami,
    /// Begin an app: a folder that passes every gate as it stands
    New(c::new::Args),
    /// List what `new` can begin from
    Templates(c::Part),
    /// Run every gate on a folder, offline
    Check(c::check::Args),
    /// Run an app here, with mock data and mock answers
    Dev(c::dev::Args),
    /// Check a folder and release it
    Deploy(c::deploy::Args),
    /// List the apps
    Apps(c::Part),
    /// Show what an app may touch, holds and used
    App(c::app::Args),
    /// Show what an app printed, and what was refused to it
    Logs(c::logs::Args),
    /// List what waits for a person
    Requests(c::requests::Args),
    /// Say yes to a request
    Approve(c::approve::Args),
    /// Say no to a request
    Reject(c::reject::Args),
    /// Let an earlier release serve again
    Rollback(c::rollback::Args),
    /// Switch an app off, everywhere, at once
    Revoke(c::revoke::Args),
    /// Switch an app on again, with new credentials
    Restore(c::restore::Args),
    /// End an app for good
    Retire(c::retire::Args),
    /// Keep secrets for apps
    #[command(subcommand)]
    Secret(c::secret::SecretCommand),
    /// See and change who is here
    #[command(subcommand)]
    People(c::people::PeopleCommand),
    /// Ask for a role until a day, and give or refuse it
    #[command(subcommand)]
    Roles(c::roles::RolesCommand),
    /// Agree to exceptions that end, and see them
    #[command(subcommand)]
    Waivers(c::waivers::WaiversCommand),
    /// See and change how people sign in
    #[command(subcommand)]
    SignIn(c::sign_in::SignInCommand),
    /// Print a short-lived token with which a script may call an app
    Token(c::token::Args),
    /// Read, verify, prove and export the record
    #[command(subcommand)]
    Audit(c::audit::AuditCommand),
    /// See what was sent to whom, and take on what ends
    #[command(subcommand)]
    Notices(c::notices::NoticesCommand),
    /// See the policy in force
    #[command(subcommand)]
    Policy(c::policy::PolicyCommand),
    /// Search files for credentials
    Scan(c::scan::Args),
    /// Make, restore and rehearse backups
    #[command(subcommand)]
    Backup(c::backup::BackupCommand),
    /// Accept a database that does not continue the record, and say why
    Recover(c::recover::Args),
    /// Look for what is wrong on this machine
    Doctor(c::doctor::Args),
    /// What `up` starts to have the engine compiled; prints code, for nobody to read
    #[command(hide = true)]
    CompileEngine,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_takes_what_every_command_takes() {
        let arguments = [
            "bailiwick",
            "audit",
            "list",
            "--json",
            "--quiet",
            "--no-color",
            "--yes",
            "--server",
            "http://localhost:1",
        ];
        let globals = Cli::try_parse_from(arguments).unwrap().globals;
        assert!(globals.json && globals.quiet && globals.no_color && globals.yes);
        assert_eq!(globals.server.as_deref(), Some("http://localhost:1"));
    }
}
