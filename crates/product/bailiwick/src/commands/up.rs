//! `up`: runs the platform in the foreground.

use crate::{
    exit::Exit,
    invocation::Invocation,
    output::{Form, Output},
    up::{Demo, Ready, UpOptions},
};
use model::Problem;
use serde_json::json;
use std::path::PathBuf;

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
    listen: Option<String>,
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
    let options = UpOptions { data: args.data.or(usual), config: args.config, listen: args.listen, database: args.database, demo };
    let output = invocation.output;
    crate::up::run(options, move |ready| say(&output, &ready)).await?;
    Ok(Exit::Done)
}

fn say(output: &Output, ready: &Ready) {
    match output.form() {
        Form::Json => output.document(&json!({ "url": ready.url, "link": ready.link, "lines": ready.lines })),
        Form::Text => output.result(&text(ready)),
    }
}

fn text(ready: &Ready) -> String {
    let mut text = format!("ready  {}\n", ready.url);
    if let Some(link) = &ready.link {
        text.push_str(&format!("\nsign in, once, as the first operator:\n  {link}\n"));
    }
    if !ready.lines.is_empty() {
        text.push('\n');
    }
    for line in &ready.lines {
        text.push_str(&format!("{line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready() {
        let mut ready = Ready { url: "http://localhost:7070".into(), link: None, lines: Vec::new() };
        assert_eq!(text(&ready), "ready  http://localhost:7070\n");
        ready.link = Some("http://localhost:7070/welcome/abc".into());
        ready.lines = vec!["try  http://tinypoll.localhost:7070".into()];
        insta::assert_snapshot!(text(&ready), @"");
    }
}
