//! What each document looks like as text: one file a noun. A document is read leniently, since fields may be added.

pub(crate) mod app;
pub(crate) mod apps;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod deployed;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod findings;
pub(crate) mod lines;
pub(crate) mod login;
pub(crate) mod made;
pub(crate) mod notices;
pub(crate) mod people;
pub(crate) mod policy;
pub(crate) mod queries;
pub(crate) mod reach;
pub(crate) mod receipt;
pub(crate) mod recovered;
pub(crate) mod requests;
pub(crate) mod roles;
pub(crate) mod secrets;
pub(crate) mod sign_in;
pub(crate) mod templates;
pub(crate) mod verdict;
pub(crate) mod waivers;
pub(crate) mod whoami;

use crate::{clean, ink::Ink, page::Page};
use model::{Problem, ProblemKind, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A document that can be shown to a person.
pub(crate) trait View: DeserializeOwned {
    fn show(&self, page: &mut Page);
}

/// The text of a document, and the next step.
pub(crate) fn render<V: View>(document: &Value, ink: Ink, now: Timestamp) -> Result<(String, Option<String>), Problem> {
    let view: V = serde_json::from_value(clean::document(document)).map_err(|_| unreadable())?;
    let mut page = Page::new(ink, now);
    view.show(&mut page);
    Ok(page.done())
}

fn unreadable() -> Problem {
    Problem::new(
        ProblemKind::Upstream,
        "server.answer",
        "the server's answer could not be shown",
        "it has another form than this version of `bailiwick` reads",
        "use the same version as the server, or `--json` to see the answer as it is",
    )
}

/// What a document looks like, for tests: the page, then the next step.
#[cfg(test)]
pub(crate) fn shown<V: View>(document: &Value) -> String {
    let now = "2026-11-03T12:00:00Z".parse().unwrap();
    let (text, next) = render::<V>(document, Ink::None, now).unwrap();
    match next {
        Some(next) => format!("{text}next: {next}"),
        None => text.trim_end().to_owned(),
    }
}
