//! An export that is watched: how far it is, and whether it came out whole. The page looks again by itself.

use crate::{
    Bailiwick,
    api::{Progress, Stage},
    page::{Page, Trouble, html},
    pages::{
        parts::{counted, thousands},
        shell::{Here, Shell, Visit},
    },
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use model::{Problem, ProblemKind, Timestamp};
use std::sync::Arc;

/// Seconds after which the page looks again.
const LOOK_AGAIN: &str = "2";

#[derive(Template)]
#[template(path = "export.html")]
struct Export {
    shell: Shell,
    id: String,
    state: &'static str,
    lead: String,
    sent: u64,
    total: u64,
    /// Whether a bar says something.
    bar: bool,
    again: bool,
}

/// A name to watch it by; it begins when it is downloaded.
pub(in crate::pages) async fn begin(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let id = server.watch_export(&visit.asked).await?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    let to = HeaderValue::from_str(&format!("/record/export/{id}")).map_err(|_| Trouble(Problem::internal()))?;
    response.headers_mut().insert(header::LOCATION, to);
    Ok(response)
}

pub(in crate::pages) async fn progress(
    State(server): State<Arc<Bailiwick>>,
    Path(id): Path<String>,
    visit: Visit,
) -> Page {
    let progress = server.export_progress(&visit.asked, &id).ok_or_else(|| Trouble(gone()))?;
    let Progress { stage, sent, total } = progress;
    let (state, lead) = said(progress, server.clock.now());
    let page = Export {
        shell: visit.viewer.shell(Here::Record),
        id,
        state,
        lead,
        sent,
        total,
        bar: !matches!(stage, Stage::Ready) && total > 0,
        again: matches!(stage, Stage::Ready | Stage::BrokenOff),
    };
    let mut response = html(StatusCode::OK, &page);
    if matches!(stage, Stage::Ready | Stage::Underway { .. }) {
        response.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static(LOOK_AGAIN));
    }
    Ok(response)
}

fn number(count: u64) -> String {
    thousands(usize::try_from(count).unwrap_or(usize::MAX))
}

/// A word and a sentence.
fn said(progress: Progress, now: Timestamp) -> (&'static str, String) {
    let Progress { stage, sent, total } = progress;
    match stage {
        Stage::Ready => {
            ("ready", format!("The record has {} events. Nothing is sent before you download it.", number(total)))
        }
        Stage::Underway { since } => {
            let mut lead = format!("{} of {} events are sent", number(sent), number(total));
            let spent = now.since(since).as_secs();
            if sent > 0 && spent > 0 {
                let left = spent.saturating_mul(total.saturating_sub(sent)) / sent;
                lead.push_str(&format!(", about {} are left", counted(left.max(1), "second")));
            }
            lead.push('.');
            ("opening", lead)
        }
        Stage::Whole => ("done", format!("All {} events were sent.", number(total))),
        Stage::BrokenOff => (
            "failed",
            format!("It broke off after {} of {} events: the file is not whole.", number(sent), number(total)),
        ),
    }
}

fn gone() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "export.unknown",
        "there is no such export of yours",
        "it was begun on another node or before a restart, or some hours ago",
        "begin it again on the page of the record",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_far_it_is() {
        let now: Timestamp = "2026-11-28T12:00:10Z".parse().unwrap();
        let since = "2026-11-28T12:00:00Z".parse().unwrap();
        let says = |stage, sent| said(Progress { stage, sent, total: 1_000_000 }, now).1;
        assert_eq!(
            says(Stage::Underway { since }, 250_000),
            "250,000 of 1,000,000 events are sent, about 30 seconds are left."
        );
        assert_eq!(says(Stage::Underway { since }, 0), "0 of 1,000,000 events are sent.");
        assert_eq!(says(Stage::BrokenOff, 9), "It broke off after 9 of 1,000,000 events: the file is not whole.");
    }
}
