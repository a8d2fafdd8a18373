//! The binary: commands and terminal output. Server and client are this one program.
//!
//! Holds no rule of its own: what may be done is judged by the server, what is wrong with an app by the same gates as
//! there.

mod clean;
mod cli;
mod client;
mod commands;
mod events;
mod exit;
mod gate;
mod ink;
mod invocation;
mod junit;
mod logins;
mod near;
mod output;
mod page;
mod place;
mod progress;
mod prompt;
mod sarif;
mod typed;
mod unanswered;
mod usage;
mod views;
mod when;

use clap::Parser as _;
use cli::Cli;
use exit::Exit;
use invocation::Invocation;
use output::{Colour, Form, Output, Talk};
use place::Environment;
use std::process::ExitCode;

/// A server rests more than it runs: what it freed is given back (docs/adr/allocator.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let environment = Environment::read();
    let colour = |off: bool| if off || environment.no_color() { Colour::Never } else { Colour::OnTerminals };
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error, colour(false)).into(),
    };
    let Cli { globals, command } = cli;
    let form = if globals.json { Form::Json } else { Form::Text };
    let talk = if globals.quiet { Talk::Off } else { Talk::On };
    let output = Output::new(form, talk, colour(globals.no_color));
    let invocation = Invocation::new(output, globals, environment);
    let exit = commands::run(command, &invocation).await.unwrap_or_else(|problem| {
        output.problem(&problem);
        Exit::Refused
    });
    exit.into()
}
