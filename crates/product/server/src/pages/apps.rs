//! All apps: who owns each, whether it is all right, and which should worry whoever looks after them.
//!
//! Made from memory, so that five thousand apps are one quick page. What was sent back of an app that serves is one
//! question to the database, and left out when that does not answer.

use super::{
    app::without_purpose,
    parts::{Choice, Moment, Pager, choices, query, thousands},
    shell::{Here, Read, Shell, Viewer, Visit},
    word,
};
use crate::{
    Bailiwick,
    page::{Page, html, last_day},
};
use askama::Template;
use authority::{AppRef, AppState, rules};
use axum::{extract::State, http::StatusCode};
use catalog::{AppView, ListRequests};
use model::{AppId, Class, Env, Group, Tier, Timestamp};
use serde::Deserialize;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

const PAGE: usize = 50;
const SOON: Duration = Duration::from_secs(30 * 86_400);
/// So long after it went live nobody worries that an app was never used.
pub(super) const NEW: Duration = Duration::from_secs(7 * 86_400);
/// An app that nobody used for so long is idle.
const IDLE: Duration = Duration::from_secs(30 * 86_400);

const STATES: [(&str, &str); 8] = [
    ("", "any state"),
    ("live", "live"),
    ("waiting", "waiting"),
    ("rejected", "sent back"),
    ("void", "void"),
    ("expired", "expired"),
    ("revoked", "switched off"),
    ("retired", "retired"),
];
const TIERS: [(&str, &str); 4] = [("", "any tier"), ("low", "low"), ("medium", "medium"), ("high", "high")];
const CLASSES: [(&str, &str); 6] = [
    ("", "any class"),
    ("public", "public"),
    ("internal", "internal"),
    ("personal", "personal"),
    ("confidential", "confidential"),
    ("restricted", "restricted"),
];
const SORTS: [(&str, &str); 4] =
    [("", "newest first"), ("name", "by name"), ("expires", "what expires first"), ("used", "least used first")];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    q: String,
    state: String,
    tier: String,
    class: String,
    worry: String,
    sort: String,
    page: String,
}

/// What should worry someone; each is a filter and a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worry {
    Waiting,
    Back,
    Soon,
    Expired,
    Unused,
    Idle,
    Ownerless,
    High,
    Off,
}

impl Worry {
    const ALL: [(Self, &'static str, &'static str); 9] = [
        (Self::Waiting, "waiting", "wait for a yes"),
        (Self::Back, "back", "sent back"),
        (Self::Soon, "soon", "expire within 30 days"),
        (Self::Expired, "expired", "expired"),
        (Self::Unused, "unused", "live for a week, never used"),
        (Self::Idle, "idle", "idle for 30 days"),
        (Self::Ownerless, "ownerless", "nobody in the team"),
        (Self::High, "high", "high tier"),
        (Self::Off, "off", "switched off"),
    ];

    fn holds(self, row: &Row, now: Timestamp) -> bool {
        let live = row.state == "live";
        match self {
            Self::Waiting => row.app.environments.iter().any(|env| env.request.is_some()),
            Self::Back => row.state == "rejected" || row.back,
            Self::Soon => live && row.expires_at <= now.plus(SOON),
            Self::Expired => row.state == "expired",
            Self::Unused => live && row.last_used.is_none() && now.since(row.since) >= NEW,
            Self::Idle => live && row.last_used.is_some_and(|at| now.since(at) >= IDLE),
            Self::Ownerless => row.state != "retired" && row.team_size == 0,
            Self::High => row.state != "retired" && row.tier == Some(Tier::High),
            Self::Off => row.state == "revoked",
        }
    }
}

/// One app, as the list judges and shows it.
struct Row {
    app: AppView,
    state: &'static str,
    /// Its newest request was sent back, while an earlier release stands.
    back: bool,
    tier: Option<Tier>,
    class: Option<Class>,
    expires_at: Timestamp,
    /// When it came into its state.
    since: Timestamp,
    last_used: Option<Timestamp>,
    team_size: usize,
}

struct Line {
    name: String,
    says: String,
    team: String,
    ownerless: bool,
    state: &'static str,
    back: bool,
    tier: &'static str,
    class: &'static str,
    used: Option<Moment>,
    expires: Option<(String, Moment, bool)>,
}

struct Count {
    href: String,
    number: String,
    says: &'static str,
    zero: bool,
    here: bool,
}

#[derive(Template)]
#[template(path = "apps.html")]
struct Apps {
    shell: Shell,
    lead: String,
    q: String,
    worry: String,
    states: Vec<Choice>,
    tiers: Vec<Choice>,
    classes: Vec<Choice>,
    sorts: Vec<Choice>,
    counts: Vec<Count>,
    any: bool,
    may_see: bool,
    filtered: bool,
    lines: Vec<Line>,
    pager: Pager,
}

pub(super) async fn list(State(server): State<Arc<Bailiwick>>, Read(which): Read<Which>, visit: Visit) -> Page {
    let now = server.clock.now();
    let (sizes, back) = (server.identity.group_sizes(), server.sent_back_last(&visit).await);
    let rows: Vec<Row> = server
        .apps(&visit.asked)
        .await?
        .into_iter()
        .filter_map(|app| row(&server, &visit.viewer, &sizes, &back, app))
        .collect();
    let (mut counts, lead) = (counts(&rows, &which, now), lead(&rows));
    counts.extend(asked(&visit.viewer));
    let any = !rows.is_empty();
    let mut rows: Vec<Row> = rows.into_iter().filter(|row| which.takes(row, now)).collect();
    sort(&mut rows, &which.sort);
    let total = rows.len();
    let page = which.page.parse().unwrap_or(1).clamp(1, 1 + total.saturating_sub(1) / PAGE);
    let pager = Pager::of(total, page, PAGE, |page| which.href(&[("page", &page.to_string())]));
    let lines = rows.into_iter().skip((page - 1) * PAGE).take(PAGE).map(|row| line(row, now)).collect();
    let page = Apps {
        shell: visit.viewer.shell(Here::Apps),
        lead,
        states: choices(&STATES, &which.state),
        tiers: choices(&TIERS, &which.tier),
        classes: choices(&CLASSES, &which.class),
        sorts: choices(&SORTS, &which.sort),
        filtered: !which.href(&[]).ends_with('?'),
        q: which.q,
        worry: which.worry,
        counts,
        any,
        may_see: visit.viewer.may(&rules::APP_SEE, None),
        lines,
        pager,
    };
    Ok(html(StatusCode::OK, &page))
}

/// When a request of an app was sent back last.
type Back = HashMap<(AppId, Env), Timestamp>;

impl Bailiwick {
    async fn sent_back_last(&self, visit: &Visit) -> Back {
        if !visit.viewer.may(&rules::REQUEST_LIST, None) {
            return Back::new();
        }
        let act = ListRequests { tenant: self.tenant.clone() };
        let Ok(permit) = self.allowed(&visit.asked, act).await else { return Back::new() };
        self.catalog.sent_back_last(permit).await.unwrap_or_default()
    }
}

/// What serves, or did until its date, is older than the no, and nothing waits.
fn is_back(app: &AppView, back: &Back) -> bool {
    app.environments.iter().any(|env| {
        let stands = matches!(env.state, AppState::Live | AppState::Expired) && env.request.is_none();
        stands && back.get(&(app.app_id.clone(), env.env)).is_some_and(|at| env.changed_at <= *at)
    })
}

fn row(server: &Bailiwick, viewer: &Viewer, sizes: &BTreeMap<Group, usize>, back: &Back, app: AppView) -> Option<Row> {
    if !viewer.may(&rules::APP_SEE, Some(&app.team)) {
        return None;
    }
    let env = app.environments.last();
    let last = |env: Env| server.gateway.last_used(&AppRef { id: app.app_id.clone(), env });
    Some(Row {
        state: word(&app),
        back: is_back(&app, back),
        tier: env.and_then(|env| env.tier),
        class: env.and_then(|env| env.class),
        expires_at: env.map_or(app.created_at, |env| env.expires_at),
        since: env.map_or(app.created_at, |env| env.changed_at),
        last_used: app.environments.iter().filter_map(|env| last(env.env)).max(),
        team_size: sizes.get(&app.team).copied().unwrap_or_default(),
        app,
    })
}

fn sort(rows: &mut [Row], by: &str) {
    match by {
        "name" => rows.sort_by(|one, other| one.app.app.cmp(&other.app.app)),
        // What serves comes before what does not any more.
        "expires" => rows.sort_by_key(|row| (row.state != "live", row.expires_at)),
        "used" => rows.sort_by_key(|row| (row.state != "live", row.last_used)),
        _ => rows.sort_by_key(|row| Reverse(row.app.created_at)),
    }
}

impl Which {
    fn takes(&self, row: &Row, now: Timestamp) -> bool {
        let q = self.q.trim().to_lowercase();
        let said = [row.app.app.as_str(), row.app.team.as_str(), row.app.purpose.as_deref().unwrap_or_default()];
        let worry = Worry::ALL.iter().find(|(_, name, _)| *name == self.worry);
        (q.is_empty() || said.iter().any(|text| text.to_lowercase().contains(&q)))
            && (self.state.is_empty() || self.state == row.state)
            && (self.tier.is_empty() || row.tier.is_some_and(|tier| tier.as_str() == self.tier))
            && (self.class.is_empty() || row.class.is_some_and(|class| class.as_str() == self.class))
            && worry.is_none_or(|(worry, ..)| worry.holds(row, now))
    }

    /// The same list, with something else besides.
    fn href(&self, more: &[(&str, &str)]) -> String {
        let mine = [
            ("q", self.q.as_str()),
            ("state", &self.state),
            ("tier", &self.tier),
            ("class", &self.class),
            ("worry", &self.worry),
            ("sort", &self.sort),
        ];
        let pairs: Vec<(&str, &str)> = mine
            .into_iter()
            .filter(|(key, _)| more.iter().all(|(other, _)| other != key))
            .chain(more.iter().copied())
            .collect();
        format!("/apps?{}", query(&pairs))
    }
}

fn counts(rows: &[Row], which: &Which, now: Timestamp) -> Vec<Count> {
    let count = |(worry, name, says): &(Worry, &'static str, &'static str)| {
        let number = rows.iter().filter(|row| worry.holds(row, now)).count();
        let here = which.worry == *name;
        let to = if here { "" } else { *name };
        Count { href: which.href(&[("worry", to)]), number: thousands(number), says, zero: number == 0, here }
    };
    Worry::ALL.iter().map(count).collect()
}

/// What others ask for, of whoever may give it: no app, and as much in need of a look.
fn asked(viewer: &Viewer) -> Option<Count> {
    let says = if viewer.roles_asked == 1 { "role asked for" } else { "roles asked for" };
    (viewer.roles_asked > 0).then(|| Count {
        href: "/roles".to_owned(),
        number: viewer.roles_asked.to_string(),
        says,
        zero: false,
        here: false,
    })
}

fn lead(rows: &[Row]) -> String {
    let live = rows.iter().filter(|row| row.state == "live").count();
    format!("{} of {} serve now.", thousands(live), thousands(rows.len()))
}

fn line(row: Row, now: Timestamp) -> Line {
    let ends = matches!(row.state, "live" | "expired" | "waiting");
    let soon = row.state == "live" && row.expires_at <= now.plus(SOON);
    let state = row.app.environments.last().map_or(AppState::Waiting, |env| env.state);
    Line {
        says: row.app.purpose.unwrap_or_else(|| without_purpose(state).to_owned()),
        team: row.app.team.to_string(),
        ownerless: row.team_size == 0,
        state: row.state,
        back: row.back,
        tier: row.tier.map_or("—", Tier::as_str),
        class: row.class.map_or("—", Class::as_str),
        used: Moment::opt(row.last_used, now),
        expires: ends.then(|| (last_day(row.expires_at), Moment::new(row.expires_at, now), soon)),
        name: row.app.app,
    }
}
