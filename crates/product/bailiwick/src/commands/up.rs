//! `up`: runs the platform in the foreground.

use crate::{
    exit::Exit,
    invocation::Invocation,
    output::{Form, Output},
    prompt,
};
use model::{Problem, ProblemKind};
use serde_json::json;
use server::{Demo, Overrides, Said, UpOptions};
use std::{net::SocketAddr, path::PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for everything that is kept [env: BAILIWICK_DATA] [default: ~/.local/share/bailiwick]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration [default: config.toml in the data folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// `postgres://…` instead of SQLite in the data folder
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Deploy the samples, in a data folder of their own, and say what to try
    #[arg(long)]
    demo: bool,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let demo = if args.demo { Demo::Yes } else { Demo::No };
    let usual = match demo {
        Demo::Yes => invocation.environment.demo_data(),
        Demo::No => invocation.environment.data(),
    };
    let options = UpOptions {
        data: args.data.or(usual).ok_or_else(no_folder)?,
        config: args.config,
        overrides: Overrides {
            listen: args.listen.map(|at| at.to_string()),
            database: args.database,
            passphrase: Some(prompt::passphrase),
            ..Overrides::default()
        },
        demo,
        compiler: super::compile_engine::compiler(),
    };
    server::log_to_stderr();
    let output = invocation.output;
    match server::run(options, &move |said| say(&output, &said)).await {
        Ok(()) => Ok(Exit::Done),
        Err(problems) => {
            output.problems(&problems);
            Ok(Exit::Refused)
        }
    }
}

/// With `--json`, the one document is that it serves; what to try is for people.
fn say(output: &Output, said: &Said) {
    match (output.form(), said) {
        (Form::Json, Said::Ready { url, link }) => output.document(&json!({ "url": url, "link": link })),
        (Form::Json, Said::Line(_)) => {}
        (Form::Text, said) => output.result(&text(said)),
    }
}

fn text(said: &Said) -> String {
    match said {
        Said::Ready { url, link: None } => format!("ready  {url}\n"),
        Said::Ready { url, link: Some(link) } => {
            format!("ready  {url}\n\nsign in, once, as the first operator:\n  {link}\n\n")
        }
        Said::Line(line) => format!("{line}\n"),
    }
}

pub(super) fn no_folder() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "up.no_folder",
        "there is no folder to keep anything in",
        "neither `HOME` nor `BAILIWICK_DATA` is set",
        "name one with `--data DIR`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready() {
        let url = "http://localhost:7070".to_owned();
        assert_eq!(text(&Said::Ready { url: url.clone(), link: None }), "ready  http://localhost:7070\n");
        let link = Some("http://localhost:7070/welcome/abc".to_owned());
        insta::assert_snapshot!(text(&Said::Ready { url, link }), @"
        ready  http://localhost:7070

        sign in, once, as the first operator:
          http://localhost:7070/welcome/abc
        ");
    }
}
