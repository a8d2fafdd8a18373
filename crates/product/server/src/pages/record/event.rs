//! One event: what it says, the proof that the log holds it, and how to check that by hand.

use super::{says, text, when, who};
use crate::{
    Bailiwick,
    page::{Page, html},
    pages::{
        parts::{Moment, Said, Tab, query},
        shell::{Here, Shell, Visit},
    },
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::Value;
use std::sync::Arc;

/// The check that `docs/auditors.md` gives, for whoever has Python and nothing else.
const PROVE: &str = include_str!("../../../templates/prove.py");

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    shell: Shell,
    title: Said,
    outcome: String,
    lead: Said,
    exception: bool,
    at: Moment,
    facts: Vec<(&'static str, String)>,
    links: Vec<Tab>,
    id: String,
    trace: String,
    detail: String,
    proof: Option<Proof>,
    command: String,
}

/// That the log holds exactly these bytes.
struct Proof {
    index: u64,
    size: String,
    hashes: usize,
    leaf: String,
    body: String,
    checkpoint: String,
    key: String,
}

/// One event, and its proof.
pub(crate) async fn show(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, visit: Visit) -> Page {
    let now = server.clock.now();
    let event = server.read_event(&visit.asked, &id).await?;
    let proof = server.prove(&visit.asked, &id).await?;
    let action = text(&event, "action").to_owned();
    let from = event.get("from");
    let origin =
        |field: &str| from.and_then(|from| from.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned();
    let facts = [
        ("Who", who(&event)),
        ("On", text(&event, "resource").to_owned()),
        ("About", text(&event, "about").to_owned()),
        ("Why", text(&event, "why").to_owned()),
        ("Environment", text(&event, "env").to_owned()),
        ("From", origin("ip")),
        ("Device", origin("device")),
        ("Durability", text(&event, "durability").to_owned()),
    ];
    let mut links = Vec::new();
    for (field, label) in [
        ("app", "Everything of this app"),
        ("user", "Everything of this person"),
        ("about", "Everything of whom it is about"),
        ("trace_id", "Everything of this request"),
    ] {
        let key = match field {
            "user" | "about" => "person",
            "trace_id" => "trace",
            other => other,
        };
        let value = text(&event, field);
        if !value.is_empty() {
            links.push(Tab::new(format!("/record?{}", query(&[(key, value)])), label, false));
        }
    }
    let detail = event.get("detail").filter(|detail| !detail.is_null());
    let page = EventPage {
        shell: visit.viewer.shell(Here::Record),
        title: Said::sentence(if says(&action).is_empty() { &action } else { says(&action) }),
        outcome: text(&event, "outcome").to_owned(),
        lead: Said::new(format!("`{action}`, by {}", who(&event).replace('`', "'"))),
        exception: event.get("exception").is_some_and(|exception| !exception.is_null()),
        at: when(&event, now),
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        links,
        trace: text(&event, "trace_id").to_owned(),
        detail: detail.and_then(|detail| serde_json::to_string_pretty(detail).ok()).unwrap_or_default(),
        proof: Some(Proof {
            index: proof.index,
            size: proof.checkpoint.lines().nth(1).unwrap_or_default().to_owned(),
            hashes: proof.hashes.len(),
            leaf: proof.leaf.to_string(),
            body: proof.body.clone().unwrap_or_default(),
            checkpoint: proof.checkpoint.clone(),
            key: proof.key.to_string(),
        }),
        command: format!("bailiwick audit show {id}"),
        id,
    };
    Ok(html(StatusCode::OK, &page))
}
