//! A draft that is tried: where it is, until when, and what it did so far. For whoever began it, and nobody else.

use super::{
    new::{Draft, packed},
    parts::{Moment, Said},
    shell::{Here, Read, Shell, Visit},
};
use crate::{
    Bailiwick,
    dev::{
        Happened,
        trial::{Files, Trial, TryApp},
    },
    page::{Page, Trouble, html},
    turns::Turn,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect},
};
use catalog::First;
use model::{Env, Problem, ProblemKind, Tier};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "tries.html")]
struct Tried {
    shell: Shell,
    app: String,
    label: String,
    /// Nothing once it is over.
    runs: Option<Runs>,
    /// What stands for what runs, or ran: to be changed on, or to go live. Nothing when it is too large to be kept.
    bundle: Option<String>,
    open: String,
    does: &'static str,
    command: &'static str,
}

/// A draft while it runs.
struct Runs {
    url: String,
    ends: Moment,
    mocked: Vec<Said>,
    heard: Vec<Said>,
}

/// Begins one, and shows it.
pub(super) async fn begin(server: &Arc<Bailiwick>, visit: &Visit, turn: Turn, draft: Draft) -> Page {
    let now = server.clock.now();
    let read = move || {
        let Draft { unpacked, open, .. } = draft;
        let manifest = unpacked.manifest(now).ok_or_else(not_ready)?;
        let (digest, carried) = (unpacked.digest().to_string(), packed(&unpacked)?);
        Ok(Files { unpacked, manifest, digest, carried, open })
    };
    let files = turn.work(read).await.and_then(|read| read).map_err(Trouble)?;
    // While it waits for the one before, the gates are for others.
    drop(turn);
    let plan = server.catalog.plan(visit.asked.caller.person(), &files.manifest, &files.digest, Env::Prod)?;
    let app = (plan.first == First::No).then_some(plan.app);
    let act = TryApp { tenant: server.tenant.clone(), app, team: plan.team };
    let permit = server.allowed(&visit.asked, act).await?;
    let trial = server.begin_trial(permit, &visit.viewer.email, files).await.map_err(Trouble)?;
    Ok(Redirect::to(&format!("/tries/{}", trial.label)).into_response())
}

pub(super) async fn show(State(server): State<Arc<Bailiwick>>, Path(label): Path<String>, visit: Visit) -> Page {
    let Some(trial) = server.trial_of(&label, &visit.viewer.id) else { return over(&server, &label, &visit) };
    let heard = trial.heard();
    let mocked = heard.iter().find_map(|happened| {
        let Happened::Ready(ready) = happened else { return None };
        Some(ready.mocked.clone())
    });
    let known = server.catalog.find(&trial.app).is_ok();
    let page = Tried {
        shell: visit.viewer.shell(if known { Here::Apps } else { Here::New }),
        bundle: trial.carried.clone().map(|archive| server.carry(&visit.viewer.id, archive)),
        open: trial.open.clone(),
        does: does(trial.tier),
        app: trial.app.clone(),
        label: trial.label.clone(),
        runs: Some(Runs {
            url: trial.url.clone(),
            ends: Moment::new(trial.until, server.clock.now()),
            mocked: mocked
                .unwrap_or_default()
                .into_iter()
                .map(|mocked| mock(&mocked.host, mocked.file.as_deref()))
                .collect(),
            heard: heard.iter().filter_map(said).collect(),
        }),
        command: "bailiwick dev FOLDER",
    };
    Ok(html(StatusCode::OK, &page))
}

/// What was changed is there still when its time is over.
fn over(server: &Bailiwick, label: &str, visit: &Visit) -> Page {
    let left = server.left_of(label, &visit.asked).ok_or_else(|| Trouble(nothing()))?;
    let known = server.catalog.find(&left.app).is_ok();
    let page = Tried {
        shell: visit.viewer.shell(if known { Here::Apps } else { Here::New }),
        bundle: Some(server.carry(&visit.viewer.id, left.carried.clone())),
        open: left.open.clone(),
        does: does(left.tier),
        app: left.app.clone(),
        label: left.label.clone(),
        runs: None,
        command: "bailiwick dev FOLDER",
    };
    Ok(html(StatusCode::OK, &page))
}

const fn does(tier: Tier) -> &'static str {
    match tier {
        Tier::Low => "Go live",
        Tier::Medium | Tier::High => "Ask for a yes",
    }
}

/// By which its host knows the browser.
#[derive(Debug, Deserialize)]
pub(super) struct Met {
    browser: Option<String>,
}

pub(super) async fn open(
    State(server): State<Arc<Bailiwick>>,
    Path(label): Path<String>,
    Read(met): Read<Met>,
    visit: Visit,
) -> Page {
    let trial = own(&server, &label, &visit)?;
    Ok(Redirect::to(&server.enter_trial(&trial, met.browser.as_deref())).into_response())
}

pub(super) async fn end(State(server): State<Arc<Bailiwick>>, Path(label): Path<String>, visit: Visit) -> Page {
    let app = match server.trial_of(&label, &visit.viewer.id) {
        Some(trial) => {
            trial.end();
            if trial.carried.is_some() {
                // Its files stand there still, until they are given up too.
                return Ok(Redirect::to(&format!("/tries/{label}")).into_response());
            }
            trial.app.clone()
        }
        None => server.left_of(&label, &visit.asked).ok_or_else(|| Trouble(nothing()))?.app.clone(),
    };
    server.give_up(&label, &visit.viewer.id);
    let to = if server.catalog.find(&app).is_ok() { format!("/apps/{app}") } else { "/new".to_owned() };
    Ok(Redirect::to(&to).into_response())
}

fn own(server: &Bailiwick, label: &str, visit: &Visit) -> Result<Arc<Trial>, Trouble> {
    server.trial_of(label, &visit.viewer.id).ok_or_else(|| Trouble(nothing()))
}

fn mock(host: &str, file: Option<&str>) -> Said {
    match file {
        Some(file) => Said::new(format!("`{host}`, by `{file}`")),
        None => Said::new(format!("`{host}`, by a plain yes")),
    }
}

/// What happened, in a line; nothing for what the page says anyway.
fn said(happened: &Happened) -> Option<Said> {
    let line = match happened {
        Happened::Ready(_) | Happened::Live { .. } => return None,
        Happened::Refused { problem: Some(problem), .. } => problem.what.clone(),
        Happened::Refused { findings, .. } => findings.first()?.what.clone(),
        Happened::Noted { finding } => finding.what.clone(),
        Happened::Request { method, path, status, ms } => format!("`{method} {path}` was answered {status} in {ms} ms"),
        Happened::Log { text, .. } => format!("it printed “{text}”"),
        Happened::Call { host, method, path, status, secrets, .. } => {
            let with = if secrets.is_empty() { String::new() } else { format!(" with `{}`", secrets.join("`, `")) };
            format!("it called `{method} {host}{path}`{with}; the mock answered {status}")
        }
    };
    Some(Said::sentence(&line))
}

fn nothing() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "try.ended",
        "there is no such draft",
        "its files were given up, you tried something else since, 32 other people did, you may not try it any more, or it is somebody else's",
        "check the files again under New app, or on the app's page Edit",
    )
}

fn not_ready() -> Problem {
    Problem::new(
        ProblemKind::Unprocessable,
        "try.not_ready",
        "these files cannot be tried yet",
        "their manifest has problems",
        "mend what blocks, then try them again",
    )
}
