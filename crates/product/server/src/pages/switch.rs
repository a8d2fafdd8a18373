//! The switch: two clicks from anywhere, and what else ends or begins an app's service.

use super::{
    app::title,
    done::Done,
    parts::{Said, quoted},
    shell::{Here, Read, Shell, Viewer, Visit},
    word,
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, html},
    reply::Refusal,
};
use askama::Template;
use authority::{AppRef, AppState, rules};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use catalog::{AppView, Deployed, Error, Status};
use model::{Env, Problem, ProblemKind, ReleaseNumber, manifest::SurfaceName};
use serde::Deserialize;
use std::{cmp::Reverse, sync::Arc};

/// What a restore that needs another yes says.
const WAITS: &str = "The yes to what served holds no more: its secret was given another host, or the database was in doubt. Somebody else than you says yes again, and it serves, with its data.";
/// Names that are offered while one types; the field takes any.
const OFFERED: usize = 200;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    app: String,
    /// What was typed before.
    why: String,
}

#[derive(Template)]
#[template(path = "switch.html")]
struct Switch {
    shell: Shell,
    app: String,
    why: String,
    about: Option<About>,
    problem: Option<Said>,
    names: Vec<String>,
    /// Whether there is any app that could be theirs to switch off.
    may: bool,
    may_restore: bool,
    command: String,
}

struct About {
    name: String,
    cuts: Vec<Said>,
}

/// What it will do, before it is done.
pub(super) async fn ask(State(server): State<Arc<Bailiwick>>, Read(which): Read<Which>, visit: Visit) -> Page {
    form(&server, which, &visit).await
}

async fn form(server: &Bailiwick, which: Which, visit: &Visit) -> Page {
    // On a node that may not know who was switched off, nobody is shown a name; whoever knows one can give it.
    let known = match server.apps(&visit.asked).await {
        Ok(apps) => Some(apps),
        Err(Refusal(problem)) if problem.code == "node.cut_off" => None,
        Err(refusal) => return Err(refusal.into()),
    };
    let is_known = known.is_some();
    let mut apps = known.unwrap_or_default();
    apps.retain(|app| may_switch(&visit.viewer, app));
    let last = |app: &AppView| {
        let used = app.environments.iter().map(|env| AppRef { id: app.app_id.clone(), env: env.env });
        used.filter_map(|app| server.gateway.last_used(&app)).max()
    };
    apps.sort_by_cached_key(|app| Reverse(last(app)));
    let found = apps.iter().find(|app| app.app == which.app);
    let about = match found {
        Some(app) => {
            // What it holds is shown: that is looking at it.
            let seen = server.look_at(visit, &app.app).await?;
            Some(About { name: seen.app.app.clone(), cuts: cuts(server, &seen.app).await? })
        }
        None => None,
    };
    let unknown = is_known && !which.app.is_empty() && about.is_none();
    let page = Switch {
        shell: visit.viewer.shell_about(Here::Elsewhere, None),
        problem: unknown.then(|| no_such(&which.app, &apps)),
        command: format!(
            "bailiwick revoke {} --why '…'",
            if which.app.is_empty() { "NAME".to_owned() } else { quoted(&which.app) }
        ),
        app: which.app,
        why: which.why,
        about,
        names: apps.iter().take(OFFERED).map(|app| app.app.clone()).collect(),
        may: visit.viewer.may(&rules::APP_REVOKE, None),
        may_restore: visit.viewer.may(&rules::APP_RESTORE, None),
    };
    Ok(html(StatusCode::OK, &page))
}

/// The nearest of those that can be, for whoever mistyped it.
fn no_such(name: &str, apps: &[AppView]) -> Said {
    let near = apps.iter().map(|app| (strsim::jaro_winkler(&app.app, name), &app.app));
    let near = near.filter(|(likeness, _)| *likeness > 0.8).max_by(|(a, _), (b, _)| a.total_cmp(b));
    let near = near.map(|(_, near)| format!(" Did you mean `{near}`?")).unwrap_or_default();
    Said::new(format!("`{}` is no app that you can switch off now.{near}", name.replace('`', "")))
}

fn may_switch(viewer: &Viewer, app: &AppView) -> bool {
    !matches!(word(app), "revoked" | "retired") && viewer.may(&rules::APP_REVOKE, Some(&app.team))
}

/// What the app holds now, by surface: each line of it dies.
async fn cuts(server: &Bailiwick, app: &AppView) -> Result<Vec<Said>, Error> {
    let mut lines = Vec::new();
    for surface in server.catalog.surfaces() {
        let mut items = Vec::new();
        for env in &app.environments {
            let held = surface.held(&AppRef { id: app.app_id.clone(), env: env.env }).await?;
            items.extend(held.into_iter().map(|held| format!("`{}`", held.item)));
        }
        if !items.is_empty() {
            // Nobody who is in a hurry should fear for it.
            let kept = if surface.name() == SurfaceName::Data { ", closed, not deleted" } else { "" };
            lines.push(Said::new(format!("{}: {}{kept}", title(surface.name()), items.join(", "))));
        }
    }
    Ok(lines)
}

pub(super) async fn revoke_named(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let name = visit.asked.field("app").trim().to_owned();
    if server.catalog.find(&name).is_err() {
        // What was typed stays: whoever presses this is in a hurry.
        let which = Which { app: name, why: visit.asked.field("why") };
        return form(&server, which, &visit).await;
    }
    cut(&server, &visit, &name).await
}

pub(super) async fn revoke(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, visit: Visit) -> Page {
    cut(&server, &visit, &name).await
}

async fn cut(server: &Bailiwick, visit: &Visit, name: &str) -> Page {
    let why = visit.asked.field("why");
    let receipt = server.switch_off_here(&visit.asked, name, &why).await?;
    // The receipt has an address of its own: it fills in there, can be opened again, and sent on.
    Ok(Redirect::to(&format!("/apps/{name}/receipts/{}", receipt.event)).into_response())
}

pub(super) async fn restore(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, visit: Visit) -> Page {
    let restored = server.restore(&visit.asked, &name, &visit.asked.field("why")).await?;
    let line = |env: &catalog::RestoredEnv| {
        Said::new(format!("`{}`: release {} serves again at `{}`", env.env, env.release.0, env.url))
    };
    let waits = |waits: &catalog::RestoreWaits| {
        Said::new(format!("`{}`: release {} waits for a yes, and its data is kept", waits.env, waits.release.0))
    };
    let off = |off: &catalog::RestoreOff| {
        let catalog::RestoreOff { env, release, problem } = off;
        Said::new(format!("`{env}`: release {} stays off. {}. {}", release.0, problem.why, problem.fix))
    };
    let empty = |empty: &catalog::RestoreEmpty| {
        let how = match empty.state {
            AppState::Expired => "it is past its date; its team can deploy it with a later `expires`",
            AppState::Waiting | AppState::Live | AppState::Revoked | AppState::Retired => {
                "it never served; its team can deploy it"
            }
        };
        Said::new(format!("`{}`: {how}", empty.env))
    };
    let (title, lead) = match (restored.environments.is_empty(), restored.waiting.is_empty()) {
        (true, true) => ("is not switched off any more", "Nothing of it serves until it is deployed."),
        (false, true) if !restored.left_off.is_empty() => {
            ("serves again in part", "What serves has new credentials. Where a waiver is over, it stays off.")
        }
        (false, true) => ("serves again", "It has new credentials. Every session and token of before stays dead."),
        (true, false) => ("waits for a yes", WAITS),
        (false, false) => ("serves again in part", WAITS),
    };
    let state = match restored.status {
        Status::Live => "live",
        Status::Expired => "expired",
        Status::Waiting | Status::Refused => "waiting",
    };
    let requests = restored.waiting.iter().map(|waits| waits.request.to_string());
    let done = Done::new(&visit.viewer, Here::Apps, &format!("`{name}` {title}"), lead)
        .state(state)
        .below(format!("/apps/{name}"), &*name)
        .lines(
            restored
                .environments
                .iter()
                .map(line)
                .chain(restored.waiting.iter().map(waits))
                .chain(restored.left_off.iter().map(off))
                .chain(restored.empty.iter().map(empty)),
        )
        .event(Some(&restored.event));
    let done = requests.fold(done, |done, id| done.link(format!("/requests/{id}"), "Look at the request"));
    let done = done
        .link(format!("/apps/{name}"), format!("Back to {name}"))
        .command(format!("bailiwick restore {name} --why '…'"));
    Ok(done.page())
}

pub(super) async fn retire(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, visit: Visit) -> Page {
    if visit.asked.field("name") != name {
        return Err(Trouble(not_typed(&name)));
    }
    let retired = server.retire(&visit.asked, &name).await?;
    let lead = "Its data is deleted, its name stays taken. This is the certificate.";
    let done = Done::new(&visit.viewer, Here::Apps, &format!("`{name}` is ended for good"), lead)
        .state("retired")
        .below(format!("/apps/{name}"), &*name)
        .lines(retired.deleted.iter().map(Said::new))
        .heard(retired.everywhere.unwrap_or(true))
        .event(Some(&retired.event))
        .link("/apps", "All apps")
        .command(format!("bailiwick retire {name}"));
    Ok(done.page())
}

pub(super) async fn rollback(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, visit: Visit) -> Page {
    let to = visit.asked.field("to").parse().ok().map(ReleaseNumber);
    let env = visit.asked.field("env").parse().unwrap_or(Env::Prod);
    let deployed = server.roll_back(&visit.asked, &name, env, to).await?;
    Ok(came_out(&visit.viewer, &name, &deployed))
}

/// How a deploy, an approval or a way back ended.
pub(super) fn came_out(viewer: &Viewer, name: &str, deployed: &Deployed) -> Response {
    let release = deployed.release.map_or(0, |release| release.0);
    let app = format!("/apps/{name}");
    let done = match (&deployed.status, &deployed.request) {
        (Status::Waiting, Some(request)) => {
            let lead = "It needs the yes of a reviewer or an operator. Until then nothing changes.";
            Done::new(viewer, Here::Requests, &format!("release {release} of `{name}` waits"), lead)
                .state("waiting")
                .link(format!("/requests/{request}"), "Look at the request")
                .link(app.clone(), format!("Back to {name}"))
        }
        _ => {
            let url = deployed.url.clone().unwrap_or_default();
            let lead = format!("It serves at `{url}` from this moment on.");
            Done::new(viewer, Here::Apps, &format!("release {release} of `{name}` is live"), lead)
                .state("live")
                .link(url, "Open it")
                .link(app.clone(), "What it may do")
        }
    };
    done.below(app, name).event(deployed.event.as_ref()).command(format!("bailiwick app {name}")).page()
}

fn not_typed(name: &str) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "retire.name",
        "the name was not typed as it is",
        "retiring deletes data and cannot be taken back, so it asks for the name",
        format!("go back and type `{name}`"),
    )
}
