//! What is said when the command itself was wrong (exit 2), or when help was asked for.

use crate::{
    cli::Cli,
    exit::Exit,
    output::{Colour, Form, Output, Talk},
};
use clap::{CommandFactory as _, error::ErrorKind};
use model::{Problem, ProblemKind};
use serde_json::json;
use std::ffi::OsString;

/// Prints what clap has to say.
pub(crate) fn answer(error: &clap::Error, colour: Colour) -> Exit {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let output = Output::new(if json { Form::Json } else { Form::Text }, Talk::On, colour);
    let kind = error.kind();
    if kind == ErrorKind::DisplayHelp || kind == ErrorKind::DisplayVersion {
        let text = error.to_string();
        match (json, kind) {
            (false, _) => output.result(&text),
            (true, ErrorKind::DisplayVersion) => output.document(&json!({ "version": env!("CARGO_PKG_VERSION") })),
            (true, _) => output.document(&json!({ "help": text })),
        }
        return Exit::Done;
    }
    if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !json {
        // Nothing was asked for: the list of commands is the answer, and still no command was done.
        output.ask(&error.to_string());
    } else {
        output.problem(&problem(&error.to_string(), &meant(&arguments)));
    }
    Exit::Wrong
}

/// The command that was meant, as far as it can be told: `bailiwick secret put`.
fn meant(arguments: &[OsString]) -> String {
    let (mut command, mut path) = (Cli::command(), "bailiwick".to_owned());
    for argument in arguments.iter().filter_map(|argument| argument.to_str()) {
        if let Some(found) = command.find_subcommand(argument) {
            path.push_str(&format!(" {}", found.get_name()));
            command = found.clone();
        }
    }
    path
}

/// What the standard library says of values, and what people say.
const WORDS: [(&str, &str); 5] = [
    ("invalid digit found in string", "it is not a whole number"),
    ("cannot parse integer from empty string", "it is not a whole number"),
    ("number too large to fit in target type", "the number is too large"),
    ("invalid socket address syntax", "it is not an address with a port, such as `127.0.0.1:7071`"),
    ("invalid UTF-8 was detected in one or more arguments", "an argument is not text (UTF-8)"),
];

/// clap's words, in the form of every other refusal.
fn problem(words: &str, meant: &str) -> Problem {
    let mut parts = words.split("\n\n");
    let first = parts.next().unwrap_or_default().trim_start_matches("error: ");
    let what = first.split_whitespace().collect::<Vec<_>>().join(" ").replace('\'', "`");
    let what = WORDS.iter().fold(what, |what, (theirs, ours)| what.replace(theirs, ours));
    let mut why = "the command cannot be read as it stands".to_owned();
    let mut usage = None;
    for part in parts {
        let part = part.trim();
        if part.starts_with("tip: to pass ") {
            // Hardly anybody means an option's name as a value.
            why = format!("`{meant}` has no such option; its options are in `{meant} --help`");
        } else if let Some(tip) = part.strip_prefix("tip: ") {
            why = tip.lines().next().unwrap_or_default().replace('\'', "`");
        } else if let Some(line) = part.strip_prefix("Usage: ") {
            usage = Some(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    let fix = usage.map_or_else(
        || format!("`{meant} --help` says how it is written"),
        |usage| format!("write `{usage}`; `--help` says more"),
    );
    Problem::new(ProblemKind::Invalid, "command.usage", what, why, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser as _;

    fn said(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from([&["bailiwick"], arguments].concat()).unwrap_err();
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        problem(&error.to_string(), &meant(&arguments)).to_string()
    }

    #[test]
    fn a_missing_argument() {
        insta::assert_snapshot!(said(&["revoke", "tinypoll"]), @"
        error[command.usage]: the following required arguments were not provided: --why <WHY>
          why: the command cannot be read as it stands
          fix: write `bailiwick revoke --why <WHY> <NAME>`; `--help` says more
        ");
    }

    #[test]
    fn a_misspelt_command() {
        insta::assert_snapshot!(said(&["deplyo"]), @"
        error[command.usage]: unrecognized subcommand `deplyo`
          why: a similar subcommand exists: `deploy`
          fix: write `bailiwick [OPTIONS] <COMMAND>`; `--help` says more
        ");
    }

    #[test]
    fn an_option_that_is_none() {
        let said = said(&["people", "add", "bo@example.test", "--grp", "staff"]);
        assert!(said.contains("why: `bailiwick people add` has no such option"), "{said}");
        assert!(!said.contains("-- --grp"), "{said}");
    }

    #[test]
    fn an_odd_value() {
        insta::assert_snapshot!(said(&["deploy", "--env", "production"]), @"
        error[command.usage]: invalid value `production` for `--env <ENV>`: `production` is not one of staging, prod
          why: the command cannot be read as it stands
          fix: `bailiwick deploy --help` says how it is written
        ");
        insta::assert_snapshot!(said(&["apps", "--limit", "ten"]), @"
        error[command.usage]: invalid value `ten` for `--limit <N>`: it is not a whole number
          why: the command cannot be read as it stands
          fix: `bailiwick apps --help` says how it is written
        ");
        insta::assert_snapshot!(said(&["secret", "show", "slack"]), @"
        error[command.usage]: invalid value `slack` for `<ID>`: an id is written `team/name`
          why: the command cannot be read as it stands
          fix: `bailiwick secret show --help` says how it is written
        ");
        insta::assert_snapshot!(said(&["revoke", "x", "--why", " "]), @"
        error[command.usage]: invalid value ` ` for `--why <WHY>`: say why in a few words: the record keeps it
          why: the command cannot be read as it stands
          fix: `bailiwick revoke --help` says how it is written
        ");
    }
}
