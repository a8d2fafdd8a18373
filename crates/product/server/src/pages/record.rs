//! The record: what was done, by whom, on what. Search, and searches that are kept.

mod event;
mod export;
mod kept;

pub(super) use event::show;
pub(super) use export::{begin, progress};
pub(super) use kept::{forget, save};

use super::{
    parts::{Choice, Moment, Pager, Tab, choices, query, quoted},
    shell::{Here, Read, Shell, Visit},
};
use crate::{
    Bailiwick,
    api::{Found, WhichEvents},
    page::{Page, Trouble, html},
};
use askama::Template;
use authority::{ACTS, Rule};
use axum::{extract::State, http::StatusCode};
use kept::Kept;
use model::{Problem, ProblemKind, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

const PAGE: u32 = 50;
const OUTCOMES: [(&str, &str); 4] =
    [("", "any outcome"), ("allowed", "allowed"), ("denied", "denied"), ("failed", "failed")];
/// What a look at these pages leaves behind.
const READS: [&str; 2] = ["audit.read", "query.list"];
const DAY: Duration = Duration::from_secs(86_400);
/// Questions that are asked again and again; each is an address, and so is any other search.
const SAVED: [(&str, &str, &str); 6] = [
    ("Refused", "outcome", "denied"),
    ("Switched off", "action", "app.revoke"),
    ("Approved", "action", "release.approve"),
    ("Deployed", "action", "app.deploy"),
    ("Secrets stored", "action", "secret.put"),
    ("Groups changed", "action", "person.groups"),
];

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    person: String,
    app: String,
    action: String,
    outcome: String,
    secret: String,
    resource: String,
    trace: String,
    since: String,
    until: String,
    after: String,
}

#[derive(Template)]
#[template(path = "record.html")]
struct Record {
    shell: Shell,
    which: Which,
    more: bool,
    acts: Vec<Choice>,
    outcomes: Vec<Choice>,
    saved: Vec<Tab>,
    kept: Vec<Kept>,
    /// What this page searches by, to be kept.
    fields: Vec<(&'static str, String)>,
    /// Who was asked for, and is not here.
    nobody: Option<String>,
    filtered: bool,
    lines: Vec<Line>,
    pager: Pager,
    command: String,
}

struct Line {
    id: String,
    at: Moment,
    who: String,
    what: &'static str,
    action: String,
    on: String,
    outcome: String,
    exception: bool,
    why: String,
    /// Reads of the record before it by the same person, which this line stands for.
    more: usize,
}

pub(super) async fn search(State(server): State<Arc<Bailiwick>>, Read(which): Read<Which>, visit: Visit) -> Page {
    let now = server.clock.now();
    let Found { events, next } = server.search(&visit.asked, which.wanted()?).await?;
    let next = next.map(|next| which.href(&[("after", &next.to_string())]));
    let before = (!which.after.is_empty()).then(|| which.href(&[("after", "")]));
    let href = which.href(&[("after", "")]);
    let kept = server.queries(&visit.asked).await?.into_iter().map(|query| Kept::new(query, &href)).collect();
    let page = Record {
        shell: visit.viewer.shell(Here::Record),
        more: [&which.secret, &which.resource, &which.trace, &which.since, &which.until]
            .iter()
            .any(|text| !text.is_empty()),
        acts: acts(&which.action),
        outcomes: choices(&OUTCOMES, &which.outcome),
        saved: saved(&which, now),
        kept,
        fields: which.fields().into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        filtered: !href.ends_with('?'),
        nobody: Some(which.person.trim().to_owned())
            .filter(|email| !email.is_empty() && server.identity.person_by_email(email).is_none()),
        lines: folded(events.iter().map(|event| line(event, now)), which.action.is_empty()),
        pager: Pager { range: String::new(), before, next },
        command: command(&which),
        which,
    };
    Ok(html(StatusCode::OK, &page))
}

impl Which {
    fn wanted(&self) -> Result<WhichEvents, Trouble> {
        let given = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        Ok(WhichEvents {
            app: given(&self.app),
            person: given(&self.person),
            action: given(&self.action),
            outcome: given(&self.outcome),
            trace: given(&self.trace),
            secret: given(&self.secret),
            resource: given(&self.resource),
            since: given(&self.since).map(|text| utc(&text, ":00Z")),
            until: given(&self.until).map(|text| utc(&text, ":59.999Z")),
            limit: Some(PAGE),
            after: given(&self.after).map(|text| text.parse().map_err(|_| Trouble(no_place()))).transpose()?,
        })
    }

    /// What it asks for, in the order of an address.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("person", &self.person),
            ("app", &self.app),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("secret", &self.secret),
            ("resource", &self.resource),
            ("trace", &self.trace),
            ("since", &self.since),
            ("until", &self.until),
        ];
        fields.into_iter().map(|(name, value)| (name, value.trim().to_owned())).collect()
    }

    fn href(&self, more: &[(&str, &str)]) -> String {
        let mine = self.fields();
        let mine = mine.iter().map(|(key, value)| (*key, value.as_str())).chain([("after", self.after.as_str())]);
        let kept = mine.filter(|(key, _)| more.iter().all(|(other, _)| other != key));
        let pairs: Vec<(&str, &str)> = kept.chain(more.iter().copied()).collect();
        format!("/record?{}", query(&pairs))
    }
}

/// What a browser's date field says, as a time: `2026-11-23T08:00` is UTC.
fn utc(text: &str, rest: &str) -> String {
    if text.len() == "2026-11-23T08:00".len() { format!("{text}{rest}") } else { text.to_owned() }
}

fn no_place() -> Problem {
    let what = "that is no place in the record";
    Problem::new(ProblemKind::Invalid, "request.after", what, "the address was changed", "search anew")
}

fn acts(chosen: &str) -> Vec<Choice> {
    let any = Choice { value: "", label: "any act", chosen: chosen.is_empty() };
    let act = |rule: &&'static Rule| Choice { value: rule.name, label: rule.says, chosen: rule.name == chosen };
    std::iter::once(any).chain(ACTS.iter().map(act)).collect()
}

fn saved(which: &Which, now: Timestamp) -> Vec<Tab> {
    let week = now.minus(DAY * 7).to_string().chars().take(16).collect::<String>();
    let recent = Tab::new(format!("/record?{}", query(&[("since", &week)])), "The last 7 days", which.since == week);
    let tab = |(label, key, value): &(&str, &str, &str)| {
        let here = match *key {
            "outcome" => which.outcome == *value,
            _ => which.action == *value,
        };
        Tab::new(format!("/record?{}", query(&[(*key, *value)])), *label, here)
    };
    SAVED.iter().map(tab).chain([recent]).collect()
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn when(event: &Value, now: Timestamp) -> Moment {
    Moment::new(text(event, "timestamp").parse().unwrap_or(now), now)
}

/// Outermost first: an app for a person reads 'app/poll (prod) for ana@example.test'.
fn who(event: &Value) -> String {
    let chain = event.get("actor").and_then(Value::as_array);
    let actors: Vec<&str> = chain.into_iter().flatten().filter_map(Value::as_str).collect();
    let actors: Vec<&str> = actors.iter().map(|actor| actor.strip_prefix("person:").unwrap_or(actor)).collect();
    if actors.is_empty() { "(erased)".to_owned() } else { actors.join(" for ") }
}

fn says(action: &str) -> &'static str {
    ACTS.iter().find(|rule| rule.name == action).map_or("", |rule| rule.says)
}

fn line(event: &Value, now: Timestamp) -> Line {
    let action = text(event, "action");
    Line {
        id: text(event, "id").to_owned(),
        at: when(event, now),
        who: who(event),
        what: says(action),
        action: action.to_owned(),
        on: match text(event, "about") {
            "" => text(event, "resource").to_owned(),
            about => format!("{}, about {about}", text(event, "resource")),
        },
        outcome: text(event, "outcome").to_owned(),
        exception: event.get("exception").is_some_and(|exception| !exception.is_null()),
        why: text(event, "why").to_owned(),
        more: 0,
    }
}

/// Whoever reads the record makes events; one after another they are one line, unless it is they that are looked for.
fn folded(lines: impl Iterator<Item = Line>, fold: bool) -> Vec<Line> {
    let reads = |line: &Line| READS.contains(&line.action.as_str()) && line.outcome == "allowed";
    let mut shown: Vec<Line> = Vec::new();
    for line in lines {
        match shown.last_mut() {
            Some(last) if fold && reads(last) && reads(&line) && last.who == line.who => last.more += 1,
            _ => shown.push(line),
        }
    }
    shown
}

fn command(which: &Which) -> String {
    let mut command = "bailiwick audit list".to_owned();
    for (flag, value) in [
        ("--person", &which.person),
        ("--app", &which.app),
        ("--action", &which.action),
        ("--outcome", &which.outcome),
        ("--secret", &which.secret),
        ("--trace", &which.trace),
        ("--since", &which.since),
        ("--until", &which.until),
    ] {
        if !value.is_empty() {
            command.push_str(&format!(" {flag} {}", quoted(value)));
        }
    }
    command
}
