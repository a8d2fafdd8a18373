//! What is said when the command itself was wrong (exit 2), or when help was asked for.

use crate::{
    exit::Exit,
    output::{Colour, Form, Output, Talk},
};
use clap::error::ErrorKind;
use model::{Problem, ProblemKind};

/// Prints what clap has to say.
pub(crate) fn answer(error: &clap::Error, colour: Colour) -> Exit {
    let json = std::env::args_os().any(|argument| argument == "--json");
    let output = Output::new(if json { Form::Json } else { Form::Text }, Talk::On, colour);
    let kind = error.kind();
    if kind == ErrorKind::DisplayHelp || kind == ErrorKind::DisplayVersion {
        output.result(&error.to_string());
        return Exit::Done;
    }
    if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !json {
        // Nothing was asked for: the list of commands is the answer, and still no command was done.
        output.ask(&error.to_string());
    } else {
        output.problem(&problem(&error.to_string()));
    }
    Exit::Wrong
}

/// clap's words, in the form of every other refusal.
fn problem(words: &str) -> Problem {
    let mut parts = words.split("\n\n");
    let first = parts.next().unwrap_or_default().trim_start_matches("error: ");
    let what = first.split_whitespace().collect::<Vec<_>>().join(" ").replace('\'', "`");
    let mut why = "the command cannot be read as it stands".to_owned();
    let mut usage = None;
    for part in parts {
        let part = part.trim();
        if let Some(tip) = part.strip_prefix("tip: ") {
            why = tip.lines().next().unwrap_or_default().replace('\'', "`");
        } else if let Some(line) = part.strip_prefix("Usage: ") {
            usage = Some(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    let fix = usage.map_or_else(
        || "`bailiwick help` lists the commands".to_owned(),
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
        problem(&error.to_string()).to_string()
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
    fn an_odd_value() {
        insta::assert_snapshot!(said(&["deploy", "--env", "production"]), @"
        error[command.usage]: invalid value `production` for `--env <ENV>`: `production` is not one of staging, prod
          why: the command cannot be read as it stands
          fix: `bailiwick help` lists the commands
        ");
        insta::assert_snapshot!(said(&["secret", "show", "slack"]), @"
        error[command.usage]: invalid value `slack` for `<ID>`: an id is written `team/name`
          why: the command cannot be read as it stands
          fix: `bailiwick help` lists the commands
        ");
        insta::assert_snapshot!(said(&["revoke", "x", "--why", " "]), @"
        error[command.usage]: invalid value ` ` for `--why <WHY>`: say why in a few words: the record keeps it
          why: the command cannot be read as it stands
          fix: `bailiwick help` lists the commands
        ");
    }
}
