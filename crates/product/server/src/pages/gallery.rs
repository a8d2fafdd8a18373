//! Every part of the pages on one page, for whoever changes them and for the tests that photograph them. In development
//! builds alone: in others there is no such page.

use crate::Bailiwick;
use axum::Router;
use std::sync::Arc;

#[cfg(not(debug_assertions))]
pub(super) fn router() -> Router<Arc<Bailiwick>> {
    Router::new()
}

#[cfg(debug_assertions)]
pub(super) fn router() -> Router<Arc<Bailiwick>> {
    Router::new().route("/gallery", axum::routing::get(samples::show))
}

#[cfg(debug_assertions)]
mod samples {
    use crate::{
        page::{Page, html},
        pages::{
            parts::{Choice, DiffLine, Moment, Pager, Said, Tab, choices},
            receipt::Line,
            shell::Shell,
        },
    };
    use askama::Template;
    use axum::http::StatusCode;
    use model::Timestamp;

    const STATES: [&str; 20] = [
        "live", "ready", "approved", "allowed", "waiting", "expiring", "changed", "unused", "expired", "revoked",
        "disabled", "denied", "failed", "dead", "retired", "rejected", "void", "unbound", "lapsed", "ended",
    ];

    struct Sample {
        word: &'static str,
    }

    #[derive(Template)]
    #[template(path = "gallery.html")]
    struct Gallery {
        shell: Shell,
        states: Vec<Sample>,
        moments: Vec<Moment>,
        id: &'static str,
        diff: Vec<DiffLine>,
        receipt: Vec<Line>,
        tabs: Vec<Tab>,
        pager: Pager,
        options: Vec<Choice>,
        command: &'static str,
    }

    pub(super) async fn show() -> Page {
        let now = Timestamp::from_ms(1_764_000_000_000);
        let moments =
            [-2_000, -180_000, -86_400_000 * 3, 86_400_000 * 64].map(|ms| Timestamp::from_ms(now.as_ms() + ms));
        let diff = |kind, text: &str| DiffLine { kind, text: Said::new(text) };
        let line = |surface: &str, item: &str, state, after: &str, how: &str| Line {
            surface: surface.into(),
            item: item.into(),
            state,
            after: after.into(),
            how: how.into(),
        };
        let tab = |label, here| Tab::new("/gallery", label, here);
        let page = Gallery {
            shell: Shell {
                email: "ana.of.a.long.name@people.example.test".into(),
                roles: "builder, operator".into(),
                tabs: vec![tab("My apps", false), tab("All apps", true), tab("Requests", false), tab("Record", false)],
                switch: Some("/switch".into()),
                may_decide: true,
            },
            states: STATES.map(|word| Sample { word }).into(),
            moments: moments.into_iter().map(|at| Moment::new(at, now)).collect(),
            id: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            diff: vec![
                diff("added", "may POST to slack.com/api/chat.postMessage with `SLACK_TOKEN`"),
                diff("widened", "keeps `votes` for 90 days (was 30 days)"),
                diff("narrowed", "answers at most 60 requests a minute for each user"),
                diff("removed", "people in `contractors` may use it"),
                diff("reworded", "`slack.com`: posts the result"),
            ],
            receipt: vec![
                line("gateway", "http://tinypoll.localhost:7070", "dead", "3 ms", "route closed; 2 requests stopped"),
                line("vault", "people-ops/slack-bot", "expiring", "within 1.5 s", "waits for another node"),
                line("broker", "slack.com", "failed", "not yet", "the provider did not answer"),
            ],
            tabs: vec![tab("Overview", true), tab("Releases", false), tab("Log", false)],
            pager: Pager::of(5_000, 2, 50, |page| format!("?page={page}")),
            options: choices(&[("", "any state"), ("live", "live")], "live"),
            command: "bailiwick app tinypoll",
        };
        Ok(html(StatusCode::OK, &page))
    }
}
