//! The receipt of a revoke: each surface with its state. It looks again while something is still dying.

use super::{
    parts::{Moment, took},
    shell::{Here, Read, Shell, Viewer, Visit},
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, html},
    reply::Refusal,
};
use askama::Template;
use authority::{Cut, CutState, rules};
use axum::{
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use catalog::Receipt;
use model::{Problem, ProblemKind, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use store::EventFilter;

/// Old revokes of one app that are looked through for the one that is asked for.
const REVOKES_MAX: u32 = 1_000;

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
    /// Where the cut is kept until then, in a sentence.
    until_then: &'static str,
    may_read: bool,
    refreshing: bool,
    lines: Vec<Line>,
    why: String,
    asked: Moment,
    by: String,
    event: String,
    done_event: String,
    command: String,
}

pub(super) struct Line {
    pub(super) surface: String,
    pub(super) item: String,
    pub(super) state: &'static str,
    pub(super) after: String,
    pub(super) how: String,
}

/// What the event `app.revoke.done` keeps of a receipt.
#[derive(Debug, Deserialize)]
struct Kept {
    asked_at: Timestamp,
    done_at: Timestamp,
    event: model::EventId,
    surfaces: Vec<Cut>,
}

/// One receipt, from the record; `latest` is the newest of the app.
pub(super) async fn show(
    State(server): State<Arc<Bailiwick>>,
    Path((name, event)): Path<(String, String)>,
    Read(how): Read<How>,
    visit: Visit,
) -> Page {
    let seen = server.look_at(&visit, &name).await?;
    let filter = EventFilter {
        app: Some(seen.app.app_id.clone()),
        action: Some(rules::APP_REVOKE_DONE.name.to_owned()),
        limit: Some(REVOKES_MAX),
        ..EventFilter::default()
    };
    let say = |error: store::StoreError| Refusal(error.problem());
    for found in server.store.events(&server.tenant, &filter).await.map_err(say)? {
        let shown = server.store.show(&found).await.map_err(say)?;
        let kept = shown.get("detail").cloned().map(serde_json::from_value::<Kept>);
        let Some(Ok(kept)) = kept else { continue };
        if event != "latest" && kept.event.as_str() != event {
            continue;
        }
        let receipt = Receipt {
            app: name,
            app_id: seen.app.app_id,
            why: shown.get("why").and_then(Value::as_str).unwrap_or_default().to_owned(),
            asked_at: kept.asked_at,
            done_at: kept.done_at,
            event: kept.event,
            done_event: found.id.clone(),
            recorded: true,
            kept: catalog::Kept::Record,
            surfaces: kept.surfaces,
        };
        let by = server.name_of(found.person.as_ref());
        return Ok(page(&visit.viewer, &receipt, by, server.clock.now(), how.still.is_empty()));
    }
    Err(Trouble(no_receipt(&name)))
}

/// The receipt of a revoke that the record could not take yet.
pub(super) fn unrecorded(viewer: &Viewer, receipt: &Receipt, now: Timestamp) -> Response {
    page(viewer, receipt, viewer.email.clone(), now, false)
}

fn page(viewer: &Viewer, receipt: &Receipt, by: String, now: Timestamp, look_again: bool) -> Response {
    let asked = receipt.asked_at;
    let all = |state| receipt.surfaces.iter().filter(move |cut| cut.state == state).count();
    let (dying, failed) = (all(CutState::Expiring), all(CutState::Failed));
    let lead = match (failed, dying) {
        (0, 0) => format!("Every surface was dead within {} of asking.", took(asked, receipt.done_at)),
        (0, dying) => format!("{dying} of {} lines are still dying; nothing new can begin.", receipt.surfaces.len()),
        (failed, _) => format!("{failed} of {} lines could not be cut. Look at them now.", receipt.surfaces.len()),
    };
    let refreshing = dying > 0 && look_again;
    let shown = ReceiptPage {
        shell: viewer.shell_about(Here::Apps, None),
        title: format!("{} is switched off", receipt.app),
        whole: if failed > 0 {
            "failed"
        } else if dying > 0 {
            "expiring"
        } else {
            "dead"
        },
        lead,
        recorded: receipt.recorded,
        until_then: match receipt.kept {
            catalog::Kept::Record | catalog::Kept::Journal => "A restart keeps it cut.",
            catalog::Kept::Memory => "Free the disk: a restart before that brings it back.",
        },
        may_read: viewer.may(&rules::AUDIT_READ, None),
        refreshing,
        lines: receipt.surfaces.iter().map(|cut| Line::new(cut, asked)).collect(),
        why: receipt.why.clone(),
        asked: Moment::new(asked, now),
        by,
        event: receipt.event.to_string(),
        done_event: receipt.done_event.to_string(),
        command: format!("bailiwick revoke {} --why '…'", receipt.app),
        name: receipt.app.clone(),
    };
    let mut response = html(StatusCode::OK, &shown);
    if refreshing {
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
        "it was never switched off by that act",
        format!("look at `{name}` itself"),
    )
}
