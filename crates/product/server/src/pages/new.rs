//! A new app without a terminal: a template, a dropped folder, or one pasted file. First what the gates say of it and what
//! it may do, then live, or a question to a reviewer.
//!
//! Nothing of it counts between the two: the files travel in the form, or wait for it when they are many, and what is
//! deployed passes every gate again.

mod edit;
mod form;
mod judged;
mod kept;
mod permitted;

pub(super) use edit::edit;
pub(super) use judged::{Draft, packed};
pub(crate) use kept::Drafts;

use super::{
    shell::{Here, Read, Shell, Viewer, Visit},
    switch::came_out,
    tries,
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, html},
    reply::Refusal,
    sending::{Held, Sending},
    sign_in::signed_out,
    template,
};
use askama::Template;
use authority::{Role, rules};
use axum::{
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use catalog::{Status, Unpacked};
use form::Sent;
use jiff::{ToSpan as _, tz::TimeZone};
use model::{Env, Problem, ProblemKind, Tier, manifest::EXPIRES_AHEAD_DAYS_MAX};
use serde::Deserialize;
use std::sync::Arc;
use tokio::runtime::Handle;

const MANIFEST: &str = "bailiwick.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    template: String,
}

#[derive(Template)]
#[template(path = "new.html")]
struct New {
    shell: Shell,
    templates: Vec<(String, String, &'static str, bool)>,
    teams: Vec<String>,
    retains: [(&'static str, &'static str); 4],
}

/// How one begins.
pub(super) async fn ask(State(server): State<Arc<Bailiwick>>, Read(which): Read<Which>, visit: Visit) -> Page {
    if !visit.viewer.may(&rules::APP_DEPLOY, None) {
        return Err(Trouble(not_a_builder()));
    }
    let today = server.clock.now().to_jiff().to_zoned(TimeZone::UTC).date();
    let chosen = if which.template.is_empty() { "tinypoll" } else { &which.template };
    let one = |name: String| {
        let tier = template::tier(&name, today).map_or("", Tier::as_str);
        (name.clone(), template::says(&name), tier, name == chosen)
    };
    let page = New {
        shell: visit.viewer.shell(Here::New),
        templates: template::names().into_iter().map(one).collect(),
        teams: teams(&visit.viewer),
        retains: RETAINS,
    };
    Ok(html(StatusCode::OK, &page))
}

/// The groups of a person that can own an app: those that carry no role.
fn teams(viewer: &Viewer) -> Vec<String> {
    let roles: Vec<&str> = Role::ALL.iter().map(|role| role.group()).collect();
    let own = viewer.facts.groups.iter().map(ToString::to_string);
    own.filter(|group| !roles.contains(&group.as_str())).collect()
}

fn not_a_builder() -> Problem {
    Problem::new(
        ProblemKind::Denied,
        "role.needed",
        "you may not deploy apps yet",
        "deploying is for people in the group `builders`",
        "ask an operator to put you into it",
    )
}

/// Somebody who may deploy sends the files of an app. Anyone else gets what they get on every page.
pub(super) struct Brought {
    visit: Visit,
    _held: Held,
}

impl FromRequest<Arc<Bailiwick>> for Brought {
    type Rejection = Response;

    async fn from_request(request: Request, server: &Arc<Bailiwick>) -> Result<Self, Response> {
        let sending = Sending::from_request(request, server).await;
        let sending = sending.map_err(|Refusal(problem)| match problem.code.as_str() {
            "sign_in.needed" => signed_out(None),
            _ => Trouble(problem).into_response(),
        })?;
        let Sending { asked, held } = sending;
        let viewer = server.viewer(&asked).await.ok_or_else(|| signed_out(None))?;
        Ok(Self { visit: Visit { viewer, asked }, _held: held })
    }
}

/// What a form says, read.
struct Wanted {
    draft: Draft,
    /// What the button does.
    does: String,
    /// Which finding is to be mended.
    fix: String,
}

/// What is sent: judged, and deployed when that is what the button says.
pub(super) async fn send(State(server): State<Arc<Bailiwick>>, headers: HeaderMap, brought: Brought) -> Page {
    let visit = &brought.visit;
    let turn = server.turns.at_the_gates(&visit.asked.caller).await.map_err(Trouble)?;
    let (of, viewer, body) = (Arc::clone(&server), visit.viewer.clone(), visit.asked.body.clone());
    let runtime = Handle::current();
    let read = move || {
        let sent = runtime.block_on(Sent::read(&headers, &body))?;
        let mut draft = Draft::of(of.files_of(&sent, &viewer)?, &sent)?;
        if sent.is_made_here() && draft.unpacked.manifest(of.clock.now()).is_none() {
            // A name that it may not have is changed where it stands.
            MANIFEST.clone_into(&mut draft.open);
        }
        Ok(Wanted { draft, does: sent.field("do"), fix: sent.field("fix") })
    };
    let Wanted { mut draft, does, fix } = turn.work(read).await.and_then(|read| read).map_err(Trouble)?;
    if does == "try" {
        return tries::begin(&server, visit, turn, draft).await;
    }
    if does == "deploy" {
        let deployed = server.released(&visit.asked.caller, &turn, draft.unpacked.released(), Env::Prod).await;
        match deployed {
            Ok(deployed) if deployed.status != Status::Refused => {
                let name = deployed.app.clone().unwrap_or_default();
                return Ok(came_out(&visit.viewer, &name, &deployed));
            }
            Ok(_) => {}
            // It is said beside the files.
            Err(error) if server.to_mend(visit, None, &error).is_some() => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !fix.is_empty() {
        server.mend(visit, &turn, &mut draft, &fix).await?;
    }
    server.judged(visit, &turn, draft).await
}

impl Bailiwick {
    /// The files that a form names: carried, made from a template, or dropped.
    fn files_of(&self, sent: &Sent, viewer: &Viewer) -> Result<Unpacked, Problem> {
        let carried = sent.field("bundle");
        if !carried.is_empty() {
            return catalog::Upload::new(self.brought(&viewer.id, carried.trim())?)?.unpack();
        }
        let today = self.clock.now().to_jiff().to_zoned(TimeZone::UTC).date();
        let expires = today.saturating_add(EXPIRES_AHEAD_DAYS_MAX.days());
        let filling = |team: &str| {
            let team =
                if team.is_empty() { teams(viewer).into_iter().next().unwrap_or_default() } else { team.to_owned() };
            (sent.field("name").trim().to_owned(), team)
        };
        match sent.field("way").as_str() {
            "template" | "paste" => {
                let (name, team) = filling(&sent.field("team"));
                let filling = template::Filling { name: &name, team: &team, expires };
                let from = if sent.field("way") == "paste" { "blank".to_owned() } else { sent.field("template") };
                let mut files = template::drafted(&from, &filling)?;
                keep_for(&mut files, &sent.field("retain"));
                let pasted = sent.field("code");
                if sent.field("way") == "paste" {
                    say_purpose(&mut files, &sent.field("purpose"))?;
                }
                if !pasted.trim().is_empty() {
                    for file in files.iter_mut().filter(|file| file.path == "app.js") {
                        file.bytes = pasted.replace("\r\n", "\n").into_bytes();
                    }
                }
                Unpacked::of(files.into_iter().map(|file| (file.path, file.bytes.into())))
            }
            _ if sent.files().is_empty() => Err(nothing_sent()),
            _ => Unpacked::of(sent.folder()),
        }
    }
}

/// For how long records are kept: what the form offers, and nothing else. The shortest is the most private.
const RETAINS: [(&str, &str); 4] = [("30d", "30 days"), ("7d", "7 days"), ("1d", "1 day"), ("90d", "90 days")];

/// Writes the choice into every collection of the manifest.
fn keep_for(files: &mut [template::NewFile], retain: &str) {
    if !RETAINS.iter().any(|(known, _)| *known == retain) {
        return;
    }
    for file in files.iter_mut().filter(|file| file.path == MANIFEST) {
        let text = String::from_utf8_lossy(&file.bytes).replace("retain = \"30d\"", &format!("retain = \"{retain}\""));
        file.bytes = text.into_bytes();
    }
}

/// What code that was pasted is for, only whoever pastes it knows: the template's words are of the template.
fn say_purpose(files: &mut [template::NewFile], purpose: &str) -> Result<(), Problem> {
    let purpose = purpose.trim();
    if purpose.is_empty() {
        return Err(no_purpose());
    }
    // A string of JSON is one of TOML.
    let line = format!("purpose = {}", serde_json::json!(purpose));
    for file in files.iter_mut().filter(|file| file.path == MANIFEST) {
        let text = String::from_utf8_lossy(&file.bytes);
        let said = text.lines().map(|old| if old.starts_with("purpose = ") { line.as_str() } else { old });
        file.bytes = said.map(|line| format!("{line}\n")).collect::<String>().into_bytes();
    }
    Ok(())
}

fn no_purpose() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "new.purpose",
        "nobody said what the app is for",
        "its purpose is the first thing that its users, and whoever says yes to it, read of it",
        "go back, and say in a sentence what it does for whom: “Shows who is on call today”",
    )
}

fn nothing_sent() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "new.nothing",
        "no file was sent",
        "an app is a folder with `bailiwick.toml` in it",
        format!("choose the folder that holds `{MANIFEST}`"),
    )
}
