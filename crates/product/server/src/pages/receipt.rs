//! The receipt of a revoke: each surface with its state. It looks again until its event is written, whole.

use super::{
    parts::{Moment, quoted, took},
    shell::{Here, Read, Shell, Viewer, Visit},
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, html},
};
use askama::Template;
use authority::{Cut, CutState, rules};
use axum::{
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use catalog::{ReceiptRead, Since};
use model::{EventId, Problem, ProblemKind, Timestamp};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct How {
    still: String,
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage {
    shell: Shell,
    name: String,
    title: String,
    whole: &'static str,
    lead: String,
    recorded: bool,
    /// Whether the receipt's own event stands.
    written: bool,
    /// Where the cut is kept until then, in a sentence.
    until_then: &'static str,
    may_read: bool,
    /// That it came back since, and what it is now.
    back: Option<Back>,
    /// What is waited for, while the page looks again.
    waits: Option<&'static str>,
    lines: Vec<Line>,
    why: String,
    asked: Moment,
    by: String,
    event: String,
    done_event: String,
    command: String,
}

/// An app that is not off by this act any more.
struct Back {
    at: Moment,
    off_again: bool,
}

pub(super) struct Line {
    pub(super) surface: String,
    pub(super) item: String,
    pub(super) state: &'static str,
    pub(super) after: String,
    pub(super) how: String,
}

/// One receipt, as far as it has come; `latest` is the newest of the app.
pub(super) async fn show(
    State(server): State<Arc<Bailiwick>>,
    Path((name, event)): Path<(String, String)>,
    Read(how): Read<How>,
    visit: Visit,
) -> Page {
    let which = match event.as_str() {
        "latest" => None,
        event => Some(EventId::sent(event).ok_or_else(|| Trouble(no_receipt(&name)))?),
    };
    let permit = server.allowed(&visit.asked, server.catalog.plan_receipt(&name)?).await?;
    let Some(read) = server.catalog.receipt(permit, which.as_ref()).await? else {
        return Err(Trouble(no_receipt(&name)));
    };
    let by = server.name_of(read.by.as_ref());
    Ok(page(&visit.viewer, &read, by, server.clock.now(), how.still.is_empty()))
}

fn page(viewer: &Viewer, read: &ReceiptRead, by: String, now: Timestamp, look_again: bool) -> Response {
    let ReceiptRead { receipt, written, .. } = read;
    let asked = receipt.asked_at;
    let all = |state| receipt.surfaces.iter().filter(move |cut| cut.state == state).count();
    let (dying, failed) = (all(CutState::Expiring), all(CutState::Failed));
    let lead = match (failed, dying) {
        (0, 0) => format!("Every surface was dead within {} of asking.", took(asked, receipt.done_at)),
        (0, dying) if receipt.recorded => {
            format!("{dying} of {} lines are still dying; nothing new can begin.", receipt.surfaces.len())
        }
        (0, dying) => {
            format!("{dying} of {} lines are of nodes that cannot have heard of it yet.", receipt.surfaces.len())
        }
        (failed, _) => format!("{failed} of {} lines could not be cut. Look at them now.", receipt.surfaces.len()),
    };
    let waits = match (receipt.recorded, dying) {
        (false, _) => "The record is waited for.",
        (true, 0) => "The event of this receipt is being written.",
        (true, _) => "Some of it is still dying.",
    };
    let waits = Some(waits).filter(|_| !written && look_again);
    let back = match read.since {
        Since::Off => None,
        Since::Back(at) => Some(Back { at: Moment::new(at, now), off_again: false }),
        Since::OffAgain(at) => Some(Back { at: Moment::new(at, now), off_again: true }),
    };
    let shown = ReceiptPage {
        shell: viewer.shell_about(Here::Apps, None),
        title: if back.is_some() {
            format!("{} was switched off", receipt.app)
        } else {
            format!("{} is switched off", receipt.app)
        },
        back,
        whole: if failed > 0 {
            "failed"
        } else if dying > 0 {
            "expiring"
        } else {
            "dead"
        },
        lead,
        recorded: receipt.recorded,
        written: *written,
        until_then: match receipt.kept {
            catalog::Kept::Record | catalog::Kept::Journal => "A restart keeps it cut.",
            catalog::Kept::Memory => "Free the disk: a restart before that brings it back.",
        },
        may_read: viewer.may(&rules::AUDIT_READ, None),
        waits,
        lines: receipt.surfaces.iter().map(|cut| Line::new(cut, asked)).collect(),
        why: receipt.why.clone(),
        asked: Moment::new(asked, now),
        by,
        event: receipt.event.to_string(),
        done_event: receipt.done_event.to_string(),
        command: format!("bailiwick app {}", quoted(&receipt.app)),
        name: receipt.app.clone(),
    };
    let mut response = html(StatusCode::OK, &shown);
    if waits.is_some() {
        response.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static("2"));
    }
    response
}

impl Line {
    pub(super) fn new(cut: &Cut, asked: Timestamp) -> Self {
        Self {
            surface: cut.surface.to_string(),
            item: cut.item.clone(),
            state: match cut.state {
                CutState::Dead => "dead",
                CutState::Expiring => "expiring",
                CutState::Failed => "failed",
            },
            after: match (cut.dead_at, cut.dead_by) {
                (Some(at), _) => took(asked, at),
                (None, Some(by)) => format!("within {}", took(asked, by)),
                (None, None) => "not yet".to_owned(),
            },
            how: cut.how.clone(),
        }
    }
}

fn no_receipt(name: &str) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "receipt.unknown",
        format!("there is no such receipt of `{name}`"),
        "it was never switched off by that act, or the server that did it cannot write it down yet",
        format!("look at `{name}` itself"),
    )
}
