//! Requests: what waits for a person, and one request with what it takes to decide it within a minute.

mod checklist;
mod files;

use super::{
    done::Done,
    parts::{DiffLine, Moment, Pager, Said, Tab, counted, query, quoted},
    shell::{Here, Read, Shell, Viewer, Visit},
    switch::came_out,
    waivers::Waiver,
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, html, last_day},
};
use askama::Template;
use authority::{BreakGlass, rules};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use catalog::{ListRequests, RequestState, RequestView};
pub(super) use checklist::{Item, Kept, seven};
use files::Files;
use model::{AppId, Env, Finding, RequestId, Severity, Waived, WaiverState, manifest::ChangeKind};
use serde::Deserialize;
use std::sync::Arc;

const STATES: [(&str, &str); 5] =
    [("waiting", "Waiting"), ("approved", "Approved"), ("rejected", "Sent back"), ("void", "Void"), ("all", "All")];
const PAGE: u32 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    state: String,
    app: String,
    after: String,
}

impl Which {
    /// The same list, from another place.
    fn href(&self, after: &str) -> String {
        format!("/requests?{}", query(&[("state", self.state.as_str()), ("app", self.app.trim()), ("after", after)]))
    }
}

#[derive(Template)]
#[template(path = "requests.html")]
struct Requests {
    shell: Shell,
    which: Which,
    tabs: Vec<Tab>,
    lines: Vec<Line>,
    /// Whether there is an app of the name that is looked for.
    known: bool,
    pager: Pager,
    command: String,
}

struct Line {
    id: String,
    app: String,
    release: u32,
    env: String,
    purpose: String,
    tier: &'static str,
    state: &'static str,
    by: String,
    at: Moment,
    change: String,
    exception: bool,
    dependent: bool,
}

pub(super) async fn list(State(server): State<Arc<Bailiwick>>, Read(mut which): Read<Which>, visit: Visit) -> Page {
    let now = server.clock.now();
    if which.state.is_empty() {
        "waiting".clone_into(&mut which.state);
    }
    let named = which.app.trim();
    let app = server.catalog.find(named).ok().map(|(app, _)| app);
    let known = named.is_empty() || app.is_some();
    // An app that is not there has no requests.
    let app = if known { app } else { Some(AppId::new("-")) };
    let after = Some(which.after.as_str()).filter(|after| !after.is_empty()).map(RequestId::new);
    let permit = server.allowed(&visit.asked, ListRequests { tenant: server.tenant.clone() }).await?;
    let mut requests =
        server.catalog.requests_page(permit, &which.state, app.as_ref(), after.as_ref(), PAGE + 1).await?;
    let more = requests.len() > PAGE as usize;
    requests.truncate(PAGE as usize);
    let next = requests.last().filter(|_| more).map(|last| which.href(last.request.as_str()));
    let line = |request: &RequestView| Line {
        id: request.request.to_string(),
        app: request.app.clone(),
        release: request.release.0,
        env: request.env.to_string(),
        purpose: request.purpose.clone(),
        tier: request.tier.as_str(),
        state: word(request.state),
        by: server.name_of(request.requester.as_ref()),
        at: Moment::new(request.created_at, now),
        change: change(request),
        exception: request.exception.is_some(),
        dependent: request.independent == Some(false),
    };
    let page = Requests {
        shell: visit.viewer.shell(Here::Requests),
        tabs: STATES
            .iter()
            .map(|(word, label)| {
                let href = format!("/requests?{}", query(&[("state", word), ("app", named)]));
                Tab::new(href, *label, *word == which.state)
            })
            .collect(),
        known,
        lines: requests.iter().map(line).collect(),
        pager: Pager { range: String::new(), before: after.map(|_| which.href("")), next },
        command: if which.state == "waiting" {
            "bailiwick requests".to_owned()
        } else {
            format!("bailiwick requests --state {}", quoted(&which.state))
        },
        which,
    };
    Ok(html(StatusCode::OK, &page))
}

const fn word(state: RequestState) -> &'static str {
    match state {
        RequestState::Waiting => "waiting",
        RequestState::Approved => "approved",
        RequestState::Rejected => "rejected",
        RequestState::Void => "void",
    }
}

/// What it changes, in a few words.
fn change(request: &RequestView) -> String {
    if request.restores {
        return "serves again what was switched off".to_owned();
    }
    if request.compared_with.is_none() {
        return "its first release".to_owned();
    }
    let more = request.changes.iter().filter(|change| change.kind.gives_more()).count();
    let less = request
        .changes
        .iter()
        .filter(|change| !change.kind.gives_more() && change.kind != ChangeKind::Reworded)
        .count();
    match (more, less) {
        (0, 0) => "the same authority, other code".to_owned(),
        (more, 0) => format!("may do {} more", counted(more as u64, "thing")),
        (0, less) => format!("may do {} less", counted(less as u64, "thing")),
        (more, less) => format!("{more} more, {less} less"),
    }
}

/// A finding, as pages show it.
pub(super) struct Seen {
    pub(super) severity: &'static str,
    pub(super) word: &'static str,
    pub(super) what: Said,
    pub(super) at: String,
    pub(super) why: Said,
    pub(super) fix: Said,
    /// Lines around it: number, text, whether it is the one.
    pub(super) source: Vec<(u32, String, bool)>,
    /// What the button sends that mends it, where one does.
    pub(super) fix_it: Option<String>,
    /// What it would write: file and lines.
    pub(super) writes: Vec<(String, String)>,
    /// The exception that it has, or had.
    pub(super) waiver: Option<Said>,
}

impl Seen {
    pub(super) fn new(finding: &Finding) -> Self {
        let (severity, word) = match finding.severity {
            Severity::Note => ("note", "note"),
            Severity::Warn => ("warn", "look"),
            Severity::Block if finding.is_waived() => ("waived", "EXCEPTION"),
            Severity::Block => ("block", "blocks"),
        };
        let at = match (&finding.file, finding.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.clone(),
            (None, _) => String::new(),
        };
        Self {
            severity,
            word,
            what: Said::sentence(&finding.what),
            at,
            why: Said::sentence(&finding.why),
            fix: Said::sentence(&finding.fix),
            source: vec![],
            fix_it: None,
            writes: vec![],
            waiver: finding.waiver.as_ref().map(waived),
        }
    }
}

/// Who agreed, until when and why; of one that holds no more, that it does not.
fn waived(waiver: &Waived) -> Said {
    let by = waiver.user.as_deref().unwrap_or(&waiver.by);
    // Backticks would be read as code; the words are somebody's own.
    let why = waiver.why.as_deref().map(|why| format!(": “{}”", why.replace('`', "'"))).unwrap_or_default();
    Said::new(match waiver.state {
        WaiverState::Active => format!("Waived by {by}, {} is its last day{why}", last_day(waiver.until)),
        WaiverState::Lapsed => {
            format!("The waiver that {by} agreed to lapsed, {} was its last day{why}", last_day(waiver.until))
        }
        WaiverState::Ended => format!("The waiver that {by} agreed to was ended{why}"),
    })
}

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    shell: Shell,
    id: String,
    app: String,
    env: String,
    release: u32,
    state: &'static str,
    exception: bool,
    purpose: String,
    by: String,
    team: String,
    at: Moment,
    decided: Option<(String, Moment)>,
    /// What the approver has from whoever asked; nothing when they are independent.
    dependence: String,
    /// With which it was decided.
    words: Option<String>,
    independent: bool,
    tier: &'static str,
    reasons: Vec<Said>,
    class: &'static str,
    until: String,
    digest: String,
    compared_with: Option<u32>,
    restores: bool,
    more: Vec<DiffLine>,
    less: Vec<DiffLine>,
    files: Files,
    may: Vec<Said>,
    findings: Vec<Seen>,
    items: Vec<Item>,
    waivers: Vec<Waiver>,
    used: Vec<super::app::Use>,
    /// Whether files, findings and waivers are for this person.
    seen: bool,
    /// It was sent back, and this person may change its files.
    mend: bool,
    /// Why this person may not decide, if they may not.
    cannot: Option<&'static str>,
    command: String,
}

/// What is for those who may see the app.
#[derive(Default)]
struct Inside {
    files: Files,
    findings: Vec<Seen>,
    waivers: Vec<Waiver>,
    used: Vec<super::app::Use>,
    words: Option<String>,
}

impl Inside {
    async fn of(server: &Bailiwick, visit: &Visit, request: &RequestView) -> Result<Self, Trouble> {
        server.look_at(visit, &request.app).await?;
        Ok(Self {
            files: Files::new(server.catalog.changed_files(request).await?.into_iter()),
            findings: request.findings.iter().map(Seen::new).collect(),
            waivers: super::waivers::of(server, &request.app).await?,
            used: super::app::live_uses(server, &request.app_id, request.env).await?,
            words: server.catalog.words(request).await?,
        })
    }
}

pub(super) async fn show(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, visit: Visit) -> Page {
    let (viewer, now) = (&visit.viewer, server.clock.now());
    let permit = server.allowed(&visit.asked, ListRequests { tenant: server.tenant.clone() }).await?;
    let (request, manifest) = server.catalog.look_at_request(permit, &RequestId::new(id.as_str())).await?;
    let waiting = request.state == RequestState::Waiting;
    let others = server.others_secrets(&manifest, Some(&request.app_id)).await.map_err(Trouble)?;
    let cannot = if !waiting {
        Some("It is decided, or something newer took its place.")
    } else if !viewer.may(&rules::RELEASE_APPROVE, Some(&request.team)) {
        Some("A reviewer or an operator decides it.")
    } else if request.requester.as_ref() == Some(&viewer.id) {
        Some("You asked for it, so someone else decides. You may still send it back.")
    } else if !others.is_empty() {
        Some("It names a secret of another app, which no yes gives it. Send it back.")
    } else {
        None
    };
    let by = request.decided_by.as_deref().map(|by| server.actor(by));
    let (more, less) = request.changes.iter().partition::<Vec<_>, _>(|change| change.kind.gives_more());
    let seen = viewer.may(&rules::APP_SEE, Some(&request.team));
    let Inside { files, findings, waivers, used, words } =
        if seen { Inside::of(&server, &visit, &request).await? } else { Inside::default() };
    let page = RequestPage {
        shell: viewer.shell_about(Here::Requests, Some(&request.app)),
        mend: may_mend(viewer, &request),
        waivers,
        files,
        items: checklist::of(&server, &request, &manifest, others).await?,
        used,
        seen,
        id: request.request.to_string(),
        env: request.env.to_string(),
        release: request.release.0,
        state: word(request.state),
        exception: request.exception.is_some(),
        by: server.name_of(request.requester.as_ref()),
        team: request.team.to_string(),
        at: Moment::new(request.created_at, now),
        dependence: request.dependence.join(", "),
        decided: by.zip(Moment::opt(request.decided_at, now)),
        words,
        independent: request.independent == Some(true),
        tier: request.tier.as_str(),
        reasons: request.reasons.iter().map(|reason| Said::new(reason.why.as_str())).collect(),
        class: manifest.app.class.as_str(),
        until: manifest.app.expires.to_string(),
        digest: request.digest.clone(),
        compared_with: request.compared_with.map(|number| number.0),
        restores: request.restores,
        more: more.into_iter().map(DiffLine::from).collect(),
        less: less.into_iter().map(DiffLine::from).collect(),
        may: request.may.iter().map(|line| Said::sentence(&line.text)).collect(),
        findings,
        cannot,
        command: if waiting {
            format!("bailiwick approve {id} --why '…'")
        } else {
            format!("bailiwick requests --state {}", word(request.state))
        },
        purpose: request.purpose,
        app: request.app,
    };
    Ok(html(StatusCode::OK, &page))
}

/// What is changed in the page goes to `prod`.
fn may_mend(viewer: &Viewer, request: &RequestView) -> bool {
    request.state == RequestState::Rejected
        && request.env == Env::Prod
        && viewer.may(&rules::APP_SOURCE, Some(&request.team))
}

pub(super) async fn approve(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, visit: Visit) -> Page {
    let why = visit.asked.field("why");
    let deployed = server.approve(&visit.asked, &RequestId::new(id), BreakGlass::No, &why).await?;
    let name = deployed.app.clone().unwrap_or_default();
    Ok(came_out(&visit.viewer, &name, &deployed))
}

pub(super) async fn reject(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, visit: Visit) -> Page {
    let why = visit.asked.field("why");
    server.reject(&visit.asked, &RequestId::new(id.as_str()), &why).await?;
    let lead = "Whoever asked sees your words, mends it and deploys again. What serves now goes on serving.";
    let done = Done::new(&visit.viewer, Here::Requests, "it is sent back", lead)
        .state("rejected")
        .below(format!("/requests/{id}"), "The request")
        .lines([Said::new(format!("“{why}”"))])
        .link("/requests", "What else waits")
        .command(format!("bailiwick reject {id} --why '…'"));
    Ok(done.page())
}

impl Bailiwick {
    /// `person:ID` or `machine:USER` by the name that people know.
    pub(super) fn actor(&self, chain: &str) -> String {
        match chain.split_once(':') {
            Some(("person", id)) => self.name_of(Some(&model::PersonId::new(id))),
            Some(("machine", user)) => format!("machine ({user})"),
            _ => chain.to_owned(),
        }
    }
}
