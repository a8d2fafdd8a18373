//! One app: what it is, whether it is all right, what it may touch, what it used; its releases; its log.

mod facts;
mod log;
mod releases;

pub(super) use facts::{Notice, Use};
pub(super) use log::{log, script as follow_script};
pub(super) use releases::releases;

use super::{
    apps::NEW,
    parts::{Moment, Said, Tab},
    shell::{Here, Shell, Viewer, Visit},
    waivers::{self, Waiver},
    word,
};
use crate::{
    Bailiwick,
    page::{Page, html, last_day},
    reply::Refusal,
};
use askama::Template;
use authority::{AppRef, AppState, rules};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use catalog::{AppView, Deployment, Error, SeeApp};
use facts::{Answers, Kept, May};
use model::{AppId, Env, Manifest, manifest::SurfaceName};
use std::sync::Arc;

/// What stands above every page about an app.
pub(super) struct Head {
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) says: String,
    /// Where it serves, while it does.
    pub(super) url: Option<String>,
    pub(super) switch: bool,
    pub(super) tabs: Vec<Tab>,
}

/// Which of the pages about an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Overview,
    Releases,
    Log,
}

impl Head {
    pub(super) fn new(viewer: &Viewer, app: &AppView, side: Side) -> Self {
        let (name, env) = (&app.app, app.environments.last());
        let state = env.map_or(AppState::Waiting, |env| env.state);
        let mut tabs = vec![
            Tab::new(format!("/apps/{name}"), "Overview", side == Side::Overview),
            Tab::new(format!("/apps/{name}/releases"), "Releases", side == Side::Releases),
        ];
        if viewer.may(&rules::APP_LOGS, Some(&app.team)) {
            tabs.push(Tab::new(format!("/apps/{name}/log"), "Log", side == Side::Log));
        }
        if state != AppState::Retired && viewer.may(&rules::APP_SOURCE, Some(&app.team)) {
            tabs.push(Tab::new(format!("/apps/{name}/edit"), "Edit", false));
        }
        if viewer.may(&rules::AUDIT_READ, None) {
            tabs.push(Tab::new(format!("/record?app={name}"), "Events", false));
        }
        Self {
            says: app.purpose.clone().unwrap_or_else(|| without_purpose(state).to_owned()),
            state: word(app),
            url: env.filter(|_| state == AppState::Live).map(|env| env.url.clone()),
            switch: matches!(state, AppState::Live | AppState::Expired | AppState::Waiting)
                && viewer.may(&rules::APP_REVOKE, Some(&app.team)),
            name: name.clone(),
            tabs,
        }
    }
}

/// What is said of an app without a release that says what it is for.
pub(super) const fn without_purpose(state: AppState) -> &'static str {
    if matches!(state, AppState::Retired) { "It was ended for good." } else { "Nothing of it was live yet." }
}

/// One app, as its pages need it: looked at under one permit.
pub(super) struct Seen {
    pub(super) app: AppView,
    pub(super) manifest: Option<Arc<Manifest>>,
}

impl Bailiwick {
    pub(super) async fn look_at(&self, visit: &Visit, name: &str) -> Result<Seen, Refusal> {
        let (app, team) = self.catalog.find(name)?;
        let permit = self.allowed(&visit.asked, SeeApp { tenant: self.tenant.clone(), app, team }).await?;
        let (app, manifest) = self.catalog.see(permit)?;
        Ok(Seen { app, manifest })
    }
}

#[derive(Template)]
#[template(path = "app_overview.html")]
struct Overview {
    shell: Shell,
    head: Head,
    notices: Vec<Notice>,
    may: Vec<May>,
    uses: Vec<Use>,
    unused: usize,
    /// It serves for long enough to call a thing unused.
    settled: bool,
    kept: Vec<Kept>,
    answers: Answers,
    serves: Option<Serves>,
    other: Vec<Other>,
    id: String,
    waivers: Vec<Waiver>,
    may_waive: waivers::May,
    restore: bool,
    retire: bool,
    command: String,
}

/// An environment besides the main one.
struct Other {
    env: String,
    state: &'static str,
    url: String,
}

/// What serves now, or did until it was stopped.
struct Serves {
    now: bool,
    release: u32,
    digest: String,
    tier: &'static str,
    reasons: Vec<Said>,
    class: &'static str,
    since: Moment,
    until: String,
    ends: Moment,
    used: Option<Moment>,
}

pub(super) async fn overview(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, visit: Visit) -> Page {
    let seen = server.look_at(&visit, &name).await?;
    let (viewer, app) = (&visit.viewer, &seen.app);
    let now = server.clock.now();
    let env = app.environments.last();
    let uses = match env {
        Some(env) => live_uses(&server, &app.app_id, env.env).await?,
        None => vec![],
    };
    let state = env.map_or(AppState::Waiting, |env| env.state);
    let team = Some(&app.team);
    // What went live today was not used yet: that says nothing.
    let settled = env.is_some_and(|env| now.since(env.changed_at) >= NEW);
    let page = Overview {
        shell: viewer.shell_about(Here::Apps, Some(&app.app)),
        head: Head::new(viewer, app, Side::Overview),
        notices: server.notices(viewer, &seen).await?,
        may: seen.manifest.as_deref().map(|manifest| may(&server, manifest)).unwrap_or_default(),
        unused: if settled { uses.iter().filter(|used| used.never).count() } else { 0 },
        settled,
        uses,
        kept: seen.manifest.as_deref().map(Kept::of).unwrap_or_default(),
        answers: server.answers(app, now).await?,
        serves: env.and_then(|env| serves(&server, &seen, env)),
        other: app
            .environments
            .iter()
            .rev()
            .skip(1)
            .map(|env| Other { env: env.env.to_string(), state: env.word, url: env.url.clone() })
            .collect(),
        waivers: waivers::of(&server, &app.app).await?,
        may_waive: waivers::May::new(viewer, app, now),
        id: app.app_id.to_string(),
        restore: state == AppState::Revoked && viewer.may(&rules::APP_RESTORE, team),
        retire: state != AppState::Retired && viewer.may(&rules::APP_RETIRE, team),
        command: format!("bailiwick app {name}"),
    };
    Ok(html(StatusCode::OK, &page))
}

fn serves(server: &Bailiwick, seen: &Seen, env: &Deployment) -> Option<Serves> {
    let now = server.clock.now();
    let app = AppRef { id: seen.app.app_id.clone(), env: env.env };
    let reasons = seen.manifest.iter().flat_map(|manifest| manifest.tier_reasons());
    Some(Serves {
        now: env.state == AppState::Live,
        release: env.release?.0,
        digest: env.digest.clone()?,
        tier: env.tier?.as_str(),
        reasons: reasons.map(|reason| Said::new(reason.why)).collect(),
        class: env.class?.as_str(),
        since: Moment::new(env.changed_at, now),
        until: last_day(env.expires_at),
        ends: Moment::new(env.expires_at, now),
        used: Moment::opt(server.gateway.last_used(&app), now),
    })
}

/// What the manifest asks, by surface, under a heading that a builder would use.
fn may(server: &Bailiwick, manifest: &Manifest) -> Vec<May> {
    let surfaces = server.catalog.surfaces().iter();
    let asked = surfaces.map(|surface| (surface.name(), surface.plan(manifest)));
    asked
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(surface, lines)| May {
            title: title(surface),
            lines: lines.into_iter().map(|line| Said::sentence(&line.sentence)).collect(),
        })
        .collect()
}

pub(super) const fn title(surface: SurfaceName) -> &'static str {
    match surface {
        SurfaceName::Gateway => "Who reaches it, and how",
        SurfaceName::Identity => "Who it is",
        SurfaceName::Vault => "Secrets that it may use, and never sees",
        SurfaceName::Data => "Data that it keeps",
        SurfaceName::Broker => "Where it may send and ask",
    }
}

/// What the live release of an app holds, and used.
pub(super) async fn live_uses(server: &Bailiwick, app: &AppId, env: Env) -> Result<Vec<Use>, Error> {
    let (now, app) = (server.clock.now(), AppRef { id: app.clone(), env });
    let mut lines = Vec::new();
    for surface in server.catalog.surfaces() {
        let (held, used) = (surface.held(&app).await?, surface.used(&app).await?);
        lines.extend(held.into_iter().map(|held| {
            let used = used.iter().find(|used| used.item == held.item);
            Use::new(held, used, server.gateway.last_used(&app), now)
        }));
    }
    Ok(lines)
}
