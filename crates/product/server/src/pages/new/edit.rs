//! An app's files, to be changed in the page: those of the newest release that was sent back or waits, when it is newer than
//! what serves; those of what serves otherwise; those of another release when the address names it.
//!
//! Nothing of it counts until it is deployed, and that takes the ordinary path.

use super::{
    MANIFEST,
    judged::{Draft, Opened},
};
use crate::{
    Bailiwick,
    page::{Page, Trouble},
    pages::{
        parts::{Said, Tab},
        shell::{Read, Visit},
    },
};
use authority::{AppRef, AppState, rules};
use axum::extract::{Path, State};
use catalog::{AppView, ListRequests, ReadSource, ReleaseView};
use model::{Env, Problem, ProblemKind, ReleaseNumber};
use serde::Deserialize;
use std::sync::Arc;

const CODE: &str = "app.js";
/// Code that is longer is opened by a press: the page that one comes to first stays below 100 kB.
const UNASKED_MAX_BYTES: usize = 32 << 10;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct Which {
    file: String,
    release: String,
}

/// A release that a person has to mend, or to decide.
struct Ahead {
    release: ReleaseNumber,
    /// `was sent back`, `waits for a yes`.
    says: &'static str,
}

pub(in crate::pages) async fn edit(
    State(server): State<Arc<Bailiwick>>,
    Path(name): Path<String>,
    Read(which): Read<Which>,
    visit: Visit,
) -> Page {
    let app = server.look_at(&visit, &name).await?.app;
    let releases = server.catalog.releases(&app.app_id).await?;
    let serves = releases.iter().find(|release| release.live && release.env == Env::Prod);
    let ahead = server.ahead(&visit, &app).await?;
    let named = which.release.parse().ok().map(ReleaseNumber);
    let newer = ahead.as_ref().map(|ahead| ahead.release);
    let newer = newer.filter(|newer| serves.is_none_or(|serves| *newer > serves.release));
    let numbered = |number: Option<ReleaseNumber>| releases.iter().find(|release| Some(release.release) == number);
    let release = numbered(named).or_else(|| numbered(newer)).or(serves).or_else(|| releases.first());
    let release = release.ok_or_else(|| Trouble(no_release(&name)))?;
    let opened = opened(&app, release, serves, ahead.as_ref());
    let source = AppRef { id: app.app_id.clone(), env: release.env };
    let (tenant, team) = (server.tenant.clone(), app.team.clone());
    let act = ReadSource { tenant, app: source, team, release: release.release };
    // Nobody has a turn who may not.
    drop(server.allowed(&visit.asked, act.clone()).await?);
    let turn = server.turns.at_the_gates(&visit.asked.caller).await.map_err(Trouble)?;
    let unpacked = server.recorded(&visit.asked, act, |permit| server.catalog.source(permit)).await?;
    let short = unpacked.get(CODE).is_some_and(|bytes| bytes.len() <= UNASKED_MAX_BYTES);
    let open = if unpacked.get(&which.file).is_some() {
        which.file.as_str()
    } else if short {
        CODE
    } else {
        MANIFEST
    };
    server.judged(&visit, &turn, Draft::new(unpacked, open).opened(opened)).await
}

impl Bailiwick {
    /// The newest release of `prod` that was sent back, or waits.
    async fn ahead(&self, visit: &Visit, app: &AppView) -> Result<Option<Ahead>, Trouble> {
        let back = self.catalog.sent_back(app).await?.filter(|back| back.env == Env::Prod);
        if let Some(back) = back {
            return Ok(Some(Ahead { release: back.release, says: "was sent back" }));
        }
        let env = app.environments.iter().find(|env| env.env == Env::Prod);
        let waits = env.and_then(|env| env.request.as_ref());
        let Some(request) = waits.filter(|_| visit.viewer.may(&rules::REQUEST_LIST, None)) else { return Ok(None) };
        let permit = self.allowed(&visit.asked, ListRequests { tenant: self.tenant.clone() }).await?;
        let (request, _) = self.catalog.look_at_request(permit, request).await?;
        Ok(Some(Ahead { release: request.release, says: "waits for a yes" }))
    }
}

/// Which files these are, where there is more than one answer, and the way to the others.
fn opened(app: &AppView, open: &ReleaseView, serves: Option<&ReleaseView>, ahead: Option<&Ahead>) -> Opened {
    let live = app.environments.iter().any(|env| env.env == Env::Prod && env.state == AppState::Live);
    let stands = serves.map(|serves| (serves.release, if live { "serves" } else { "served last" }));
    let ahead = ahead.map(|ahead| (ahead.release, ahead.says));
    let known: Vec<(ReleaseNumber, &str)> = ahead.into_iter().chain(stands).collect();
    let number = open.release;
    let own = known.iter().find(|(release, _)| *release == number);
    let other = known.iter().find(|(release, _)| *release != number);
    let these = match own {
        Some((_, says)) => format!("These are the files of release {number}, which {says}"),
        None => format!("These are the files of release {number}"),
    };
    let says = match other {
        Some((release, says)) => Some(format!("{these}; release {release} {says}.")),
        // What serves, and nothing besides, needs no word.
        None if own.is_some() && ahead.is_none() => None,
        None => Some(format!("{these}.")),
    };
    let link = other.map(|(release, _)| {
        let href = format!("/apps/{}/edit?release={release}", app.app);
        Tab::new(href, format!("The files of release {release}"), false)
    });
    Opened { says: says.map(Said::new), link }
}

fn no_release(name: &str) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "release.none",
        format!("`{name}` has no release yet"),
        "its files come with its first deploy",
        "deploy it once, under New app in the console or with `bailiwick deploy`",
    )
}
