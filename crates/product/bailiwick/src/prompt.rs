//! Questions to the person at the terminal. Without a terminal nothing is asked: what would need an answer is refused.
//!
//! A secret's value comes from here alone: never from an argument, where other users of the machine could read it.

use crate::output::Output;
use model::{Problem, ProblemKind};
use seal::Zeroizing;
use server::Asked;
use std::io::{BufRead as _, IsTerminal as _, Read as _, stdin};

/// Longer than any credential; a key with its chain of certificates fits.
const VALUE_MAX_BYTES: u64 = 64 << 10;

/// Whether `--yes` was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Ask,
}

/// Goes on after a yes.
///
/// # Errors
/// A no; or nobody there to ask.
pub(crate) fn confirm(output: &Output, consent: Consent, question: &str) -> Result<(), Problem> {
    if consent == Consent::Given {
        return Ok(());
    }
    if !stdin().is_terminal() {
        return Err(Problem::new(
            ProblemKind::Invalid,
            "command.unconfirmed",
            format!("{question}: nobody answered"),
            "this cannot be undone, and there is no terminal to ask at",
            "run it again with `--yes` if that is meant",
        ));
    }
    output.ask(&format!("{question}? [y/N] "));
    let mut answer = String::new();
    drop(stdin().read_line(&mut answer));
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Problem::new(
            ProblemKind::Invalid,
            "command.declined",
            "nothing was changed",
            "the answer was not yes",
            "answer `y` to go on",
        )),
    }
}

/// As [`confirm`], of whoever is there to be asked: a script that says what it wants is not held up.
///
/// # Errors
/// A no.
pub(crate) fn confirm_if_there(output: &Output, consent: Consent, question: &str) -> Result<(), Problem> {
    if stdin().is_terminal() { confirm(output, consent, question) } else { Ok(()) }
}

/// Whether somebody is there to be asked.
pub(crate) fn somebody_there() -> bool {
    stdin().is_terminal()
}

/// The value of a secret: from stdin when it is not a terminal, else typed unseen.
///
/// # Errors
/// Nothing given, too much, or not text.
pub(crate) fn secret_value(output: &Output) -> Result<String, Problem> {
    let value = if stdin().is_terminal() {
        output.ask("value (not shown): ");
        console::Term::stderr().read_secure_line().map_err(|_| unreadable("the terminal could not be read"))?
    } else {
        let mut text = String::new();
        let read = stdin().take(VALUE_MAX_BYTES + 1).read_to_string(&mut text);
        read.map_err(|_| unreadable("stdin is not text"))?;
        text
    };
    if value.len() as u64 > VALUE_MAX_BYTES {
        return Err(unreadable("it is longer than 64 KiB"));
    }
    let value = trimmed(&value);
    if value.is_empty() {
        return Err(unreadable("nothing was given"));
    }
    Ok(value.to_owned())
}

/// The passphrase of the root key: from stdin when it is not a terminal (one line), else typed unseen.
///
/// # Errors
/// Nothing given, or two that differ where one is chosen.
pub(crate) fn passphrase(asked: Asked) -> Result<Zeroizing<String>, Problem> {
    if !stdin().is_terminal() {
        let mut line = Zeroizing::new(String::new());
        let read = stdin().lock().take(VALUE_MAX_BYTES).read_line(&mut line);
        read.map_err(|_| no_passphrase("stdin is not text"))?;
        let line = Zeroizing::new(trimmed(&line).to_owned());
        return if line.is_empty() { Err(no_passphrase("nothing was given on stdin")) } else { Ok(line) };
    }
    match asked {
        Asked::Known => typed("passphrase of the root key (not shown): "),
        Asked::New => {
            let chosen = typed("choose a passphrase for the root key (not shown): ")?;
            let again = typed("the same once more: ")?;
            if *chosen == *again { Ok(chosen) } else { Err(no_passphrase("the two differ")) }
        }
    }
}

fn typed(question: &str) -> Result<Zeroizing<String>, Problem> {
    let term = console::Term::stderr();
    let read = term.write_str(question).and_then(|()| term.read_secure_line());
    read.map(Zeroizing::new).map_err(|_| no_passphrase("the terminal could not be read"))
}

fn no_passphrase(why: &str) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "root_key.no_passphrase",
        "there is no passphrase for the root key",
        why,
        "type it when asked, or give it as one line on stdin",
    )
}

/// Without the one line end that `echo` and editors add.
fn trimmed(value: &str) -> &str {
    let value = value.strip_suffix('\n').unwrap_or(value);
    value.strip_suffix('\r').unwrap_or(value)
}

fn unreadable(why: &str) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "secret.no_value",
        "there is no value to keep",
        why,
        "type it when asked, or send it on standard input: put `< FILE` behind the command",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_not_part_of_a_value() {
        assert_eq!(trimmed("abc\n"), "abc");
        assert_eq!(trimmed("abc\r\n"), "abc");
        assert_eq!(trimmed(" abc \n\n"), " abc \n");
    }
}
