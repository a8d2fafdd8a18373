//! The only place that prints. Results go to stdout, talk to stderr; with `--json`, stdout is one JSON document.
//!
//! A reader that went away (`bailiwick apps | head -1`) is no error: writing just ends.

use crate::{
    clean,
    ink::{Ink, Tone},
    views::{self, View},
};
use model::{Clock as _, Problem, SystemClock};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _, stderr, stdout};

/// What stdout carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

/// Whether stderr says more than problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    On,
    Off,
}

/// Whether colour was asked not to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    OnTerminals,
    Never,
}

/// Where the words of a command go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    form: Form,
    talk: Talk,
    ink: Ink,
    problem_ink: Ink,
}

impl Output {
    pub(crate) fn new(form: Form, talk: Talk, colour: Colour) -> Self {
        let ink = |terminal: bool| if terminal && colour == Colour::OnTerminals { Ink::Colour } else { Ink::None };
        let talk = if form == Form::Json { Talk::Off } else { talk };
        Self { form, talk, ink: ink(stdout().is_terminal()), problem_ink: ink(stderr().is_terminal()) }
    }

    pub(crate) const fn form(&self) -> Form {
        self.form
    }

    /// Whether progress may be drawn.
    pub(crate) fn draws(&self) -> bool {
        self.talk == Talk::On && stderr().is_terminal()
    }

    /// The result of a command.
    ///
    /// # Errors
    /// A document that this version cannot show as text.
    pub(crate) fn show<V: View>(&self, document: &Value) -> Result<(), Problem> {
        if self.form == Form::Json {
            self.document(document);
            return Ok(());
        }
        let (text, next) = views::render::<V>(document, self.ink, SystemClock.now())?;
        self.result(&text);
        if let Some(next) = next {
            self.say(&format!("{} {next}", self.problem_ink.paint(Tone::Quiet, "next:")));
        }
        Ok(())
    }

    /// One of many documents that belong together: one JSON document a line.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(crate) fn show_line<V: View>(&self, document: &Value) -> Result<(), Problem> {
        if self.form == Form::Json {
            self.result(&line(document));
            return Ok(());
        }
        let (text, _) = views::render::<V>(document, self.ink, SystemClock.now())?;
        self.result(&text);
        Ok(())
    }

    /// A document that is JSON in either form.
    pub(crate) fn document(&self, document: &Value) {
        self.result(&clean::json(format!("{document:#}\n")));
    }

    /// Text for stdout as it stands: a file in another format, a token.
    pub(crate) fn result(&self, text: &str) {
        let mut out = stdout().lock();
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// A line for the person at the terminal.
    pub(crate) fn say(&self, line: &str) {
        if self.talk == Talk::On {
            self.ask(&format!("{line}\n"));
        }
    }

    /// A question, or talk that `--quiet` must not swallow.
    pub(crate) fn ask(&self, text: &str) {
        let mut err = stderr().lock();
        drop(err.write_all(text.as_bytes()).and_then(|()| err.flush()));
    }

    /// Why a command was refused or failed.
    pub(crate) fn problem(&self, problem: &Problem) {
        match self.form {
            Form::Json => self.document(&json!({ "problem": problem })),
            Form::Text => self.ask(&format!("{}\n", told(problem, self.problem_ink))),
        }
    }

    /// The same after documents of one line each: one line, too.
    pub(crate) fn problem_line(&self, problem: &Problem) {
        match self.form {
            Form::Json => self.result(&line(&json!({ "problem": problem }))),
            Form::Text => self.problem(problem),
        }
    }

    /// Every mistake at once.
    pub(crate) fn problems(&self, problems: &[Problem]) {
        match self.form {
            Form::Json => self.document(&json!({ "problem": problems.first(), "problems": problems })),
            Form::Text => problems.iter().for_each(|problem| self.problem(problem)),
        }
    }
}

/// A document on one line.
fn line(document: &Value) -> String {
    clean::json(format!("{document}\n"))
}

/// A problem as people read it: what happened, then where, why and how to mend it, each on a line of its own.
pub(crate) fn told(problem: &Problem, ink: Ink) -> String {
    let head = ink.paint(Tone::Bad, &format!("error[{}]:", clean::text(&problem.code)));
    let mut text = format!("{head} {}", clean::text(&problem.what));
    let at = problem.at.as_deref();
    for (label, words) in
        [("   at:", at), ("  why:", Some(problem.why.as_str())), ("  fix:", Some(problem.fix.as_str()))]
    {
        if let Some(words) = words {
            text.push_str(&format!("\n{} {}", ink.paint(Tone::Quiet, label), clean::text(words)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ProblemKind;

    #[test]
    fn a_line_holds_nothing_that_a_terminal_would_act_on() {
        let what = "`\u{202e}txt.exe\u{9b}2J\u{7f}`";
        let problem = json!({ "problem": Problem::new(ProblemKind::Invalid, "x.y", what, "why", "fix") });
        let shown = line(&problem);
        assert!(shown.is_ascii() && shown.ends_with("}\n"), "{shown:?}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), problem);
    }

    #[test]
    fn a_problem_reads_the_same_here_and_in_the_model() {
        let problem = Problem::new(
            ProblemKind::Denied,
            "secret.not_granted",
            "`tinypoll` may not use `people-ops/stripe`",
            "the manifest does not ask for it",
            "add it under `[secrets]`, then deploy again",
        );
        assert_eq!(told(&problem, Ink::None), problem.to_string());
        let placed = problem.at("bailiwick.toml:21");
        assert_eq!(told(&placed, Ink::None), placed.to_string());
        insta::assert_snapshot!(told(&placed, Ink::None), @r"
        error[secret.not_granted]: `tinypoll` may not use `people-ops/stripe`
           at: bailiwick.toml:21
          why: the manifest does not ask for it
          fix: add it under `[secrets]`, then deploy again
        ");
    }
}
