//! Notices: were people told, and what waits for somebody to take it on.

mod way;

use super::{
    done::Done,
    parts::{Choice, Moment, Pager, Said, Tab, choices, query},
    shell::{Here, Read, Shell, Visit},
};
use crate::{
    Bailiwick,
    page::{Page, html, last_day},
};
use askama::Template;
use authority::rules;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use model::{NoticeKind, Timestamp};
use serde::Deserialize;
use std::sync::Arc;
use watch::{Sent, Tested, Warning, WhichNotices};
use way::Way;

const PAGE: u32 = 50;
const STATES: [(&str, &str); 4] = [("", "any state"), ("waiting", "waiting"), ("sent", "sent"), ("failed", "failed")];

const fn label(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Waits => "a request waits",
        NoticeKind::Decided => "a request was decided",
        NoticeKind::Expires => "something ends",
        NoticeKind::Revoked => "something was switched off",
        NoticeKind::Joined => "someone joined a role",
        NoticeKind::Alarm => "alarm",
    }
}

fn kinds() -> Vec<(&'static str, &'static str)> {
    let all = NoticeKind::ALL.into_iter().map(|kind| (kind.as_str(), label(kind)));
    std::iter::once(("", "any kind")).chain(all).collect()
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    state: String,
    kind: String,
    after: String,
}

#[derive(Template)]
#[template(path = "notices.html")]
struct Notices {
    shell: Shell,
    ways: Vec<String>,
    warnings: Vec<Open>,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    filtered: bool,
    lines: Vec<Line>,
    pager: Pager,
    may_test: bool,
    may_read: bool,
    command: &'static str,
}

struct Open {
    event: String,
    what: Said,
    ends: Moment,
    warned: Moment,
    asked: &'static str,
}

struct Line {
    event: String,
    subject: Said,
    to: String,
    channel: String,
    state: String,
    at: Moment,
    /// When it is tried next, while it waits.
    next: Option<Moment>,
    error: String,
    attempts: u64,
}

fn open(warning: &Warning, now: Timestamp) -> Open {
    Open {
        event: warning.event.to_string(),
        what: Said::sentence(&warning.what),
        ends: Moment::new(warning.ends_at, now),
        warned: Moment::new(warning.warned_at, now),
        asked: warning.asked,
    }
}

fn line(sent: Sent, now: Timestamp) -> Line {
    Line {
        event: sent.event.to_string(),
        subject: Said::sentence(&sent.subject),
        to: sent.to,
        channel: sent.channel,
        state: sent.state,
        at: Moment::new(sent.made_at, now),
        next: Moment::opt(sent.next_at, now),
        error: sent.error.unwrap_or_default(),
        attempts: sent.attempts,
    }
}

pub(super) async fn list(State(server): State<Arc<Bailiwick>>, Read(which): Read<Which>, visit: Visit) -> Page {
    let now = server.clock.now();
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let wanted = WhichNotices {
        state: given(&which.state),
        kind: given(&which.kind),
        limit: Some(PAGE),
        after: given(&which.after),
    };
    let found = server.sent_notices(&visit.asked, &wanted).await?;
    let href = |after: &str| {
        format!("/notices?{}", query(&[("state", &which.state), ("kind", &which.kind), ("after", after)]))
    };
    let page = Notices {
        shell: visit.viewer.shell(Here::Notices),
        ways: found.channels,
        warnings: found.warnings.iter().map(|warning| open(warning, now)).collect(),
        states: choices(&STATES, &which.state),
        kinds: choices(&kinds(), &which.kind),
        filtered: !which.state.is_empty() || !which.kind.is_empty(),
        lines: found.notices.into_iter().map(|sent| line(sent, now)).collect(),
        pager: Pager {
            range: String::new(),
            before: (!which.after.is_empty()).then(|| href("")),
            next: found.next.map(|next| href(&next)),
        },
        may_test: visit.viewer.may(&rules::NOTICE_TEST, None),
        may_read: visit.viewer.may(&rules::AUDIT_READ, None),
        command: "bailiwick notices list",
    };
    Ok(html(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice {
    shell: Shell,
    event: String,
    what: Said,
    state: &'static str,
    ends: Moment,
    day: String,
    warned: Moment,
    days: i64,
    asked: &'static str,
    taken: Option<(String, Moment)>,
    after: &'static str,
    next: Said,
    links: Vec<Tab>,
    may_list: bool,
    command: String,
}

fn notice(visit: &Visit, warning: &Warning, way: Way, now: Timestamp) -> Notice {
    let taken = warning.acked_by.clone().zip(Moment::opt(warning.acked_at, now));
    let state = match (&taken, warning.ends_at <= now) {
        (_, true) => "expired",
        (Some(_), false) => "done",
        (None, false) => "waiting",
    };
    Notice {
        shell: visit.viewer.shell(Here::Notices),
        event: warning.event.to_string(),
        what: Said::sentence(&warning.what),
        state,
        ends: Moment::new(warning.ends_at, now),
        day: warning.ends_at.to_string(),
        warned: Moment::new(warning.warned_at, now),
        days: warning.days,
        asked: warning.asked,
        taken: taken.map(|(by, at)| (by.trim_start_matches("person:").to_owned(), at)),
        after: way.after,
        next: Said::sentence(&way.next),
        links: way.links,
        may_list: visit.viewer.may(&rules::NOTICE_LIST, None),
        command: format!("bailiwick notices ack {}", warning.event),
    }
}

pub(super) async fn show(State(server): State<Arc<Bailiwick>>, Path(event): Path<String>, visit: Visit) -> Page {
    let warning = server.see_warning(&visit.asked, &event).await?;
    let way = Way::on(&server, &visit.viewer, &warning);
    Ok(html(StatusCode::OK, &notice(&visit, &warning, way, server.clock.now())))
}

pub(super) async fn take_on(State(server): State<Arc<Bailiwick>>, Path(event): Path<String>, visit: Visit) -> Page {
    let warning = server.take_on(&visit.asked, &event).await?;
    let lead = "It is yours now: nobody else is asked, unless the next threshold comes and it still ends.";
    let way = Way::on(&server, &visit.viewer, &warning);
    // What is left to do comes first: it is theirs now.
    let ends = format!("{} ends: {} is its last day. {}", warning.what, last_day(warning.ends_at), way.after);
    let done = Done::new(&visit.viewer, Here::Notices, "you have taken it on", lead)
        .below(format!("/notices/{}", warning.event), "The warning")
        .lines([Said::sentence(&ends), Said::sentence(&way.next)]);
    let done = way.links.into_iter().fold(done, |done, link| done.link(link.href, link.label));
    let done = done.link("/", "My apps").command(format!("bailiwick notices ack {}", warning.event));
    Ok(done.page())
}

pub(super) async fn test(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let tested = server.test_notices(&visit.asked).await?;
    let (title, lead) = match (tested.is_empty(), tested.iter().all(|one| one.ok)) {
        (true, _) => ("there is no way to tell anybody", "`[notify]` in the configuration names none."),
        (false, true) => ("it is sent", "Look into your mail, and at the receiver of the webhook."),
        (false, false) => ("not every way works", "What failed, and what was said:"),
    };
    let says = |one: &Tested| match &one.error {
        None => Said::new(format!("{} to `{}`: taken", one.channel, one.to)),
        Some(error) => Said::new(format!("{} to `{}`: {}", one.channel, one.to, error.replace('`', "'"))),
    };
    let done = Done::new(&visit.viewer, Here::Notices, title, lead)
        .state(if tested.iter().all(|one| one.ok) { "done" } else { "failed" })
        .below("/notices", "Notices")
        .lines(tested.iter().map(says))
        .command("bailiwick notices test");
    Ok(done.page())
}
