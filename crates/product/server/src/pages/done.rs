//! What an act did: said after it, with its event and where to go on.

use super::{
    parts::{DiffLine, Said, Tab},
    shell::{Here, Shell, Viewer},
};
use crate::page::html;
use askama::Template;
use authority::rules;
use axum::{http::StatusCode, response::Response};
use model::EventId;

/// What is dead here may be alive there for as long.
const UNHEARD: &str = "Another node has not said that it has done so too: it may go on by what it knew until it hears of it. Look at the server's log for which, and stop that node if you cannot wait: without its lease it serves nothing.";

#[derive(Template)]
#[template(path = "done.html")]
pub(super) struct Done {
    shell: Shell,
    may_read: bool,
    title: Said,
    /// The word beside the title.
    state: &'static str,
    lead: Said,
    crumb: Option<(String, String)>,
    /// What is shown this once: its name, the value, a hint.
    once: Option<(&'static str, String, String)>,
    lines: Vec<Said>,
    diff: Vec<DiffLine>,
    event: Option<String>,
    links: Vec<Tab>,
    command: String,
}

impl Done {
    pub(super) fn new(viewer: &Viewer, here: Here, title: &str, lead: impl Into<String>) -> Self {
        Self {
            shell: viewer.shell(here),
            may_read: viewer.may(&rules::AUDIT_READ, None),
            title: Said::sentence(title),
            state: "done",
            lead: Said::new(lead),
            crumb: None,
            once: None,
            lines: vec![],
            diff: vec![],
            event: None,
            links: vec![],
            command: String::new(),
        }
    }

    pub(super) fn state(self, state: &'static str) -> Self {
        Self { state, ..self }
    }

    pub(super) fn below(self, href: impl Into<String>, label: impl Into<String>) -> Self {
        Self { crumb: Some((href.into(), label.into())), ..self }
    }

    pub(super) fn once(self, what: &'static str, value: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { once: Some((what, value.into(), hint.into())), ..self }
    }

    pub(super) fn lines(self, lines: impl IntoIterator<Item = Said>) -> Self {
        Self { lines: lines.into_iter().collect(), ..self }
    }

    /// Where another node has not said that it has done it too: what that means, and what to do.
    pub(super) fn heard(mut self, everywhere: bool) -> Self {
        if !everywhere {
            self.lines.push(Said::new(UNHEARD));
        }
        self
    }

    pub(super) fn event(self, event: Option<&EventId>) -> Self {
        Self { event: event.map(ToString::to_string), ..self }
    }

    pub(super) fn link(mut self, href: impl Into<String>, label: impl Into<String>) -> Self {
        self.links.push(Tab::new(href, label, false));
        self
    }

    pub(super) fn command(self, command: impl Into<String>) -> Self {
        Self { command: command.into(), ..self }
    }

    pub(super) fn page(&self) -> Response {
        html(StatusCode::OK, self)
    }
}
