//! An app's files, to be changed in the page: those of the release that serves, or of the newest that waits.
//!
//! Nothing of it is kept until it is deployed, and that takes the ordinary path.

use super::{MANIFEST, judged::Draft};
use crate::{
    Bailiwick,
    page::{Page, Trouble},
    pages::shell::{Read, Visit},
};
use authority::AppRef;
use axum::extract::{Path, State};
use catalog::ReadSource;
use model::{Env, Problem, ProblemKind};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct Which {
    file: String,
}

pub(in crate::pages) async fn edit(
    State(server): State<Arc<Bailiwick>>,
    Path(name): Path<String>,
    Read(which): Read<Which>,
    visit: Visit,
) -> Page {
    let (app, team) = server.catalog.find(&name)?;
    let releases = server.catalog.releases(&app).await?;
    let live = releases.iter().find(|release| release.live && release.env == Env::Prod);
    let release = live.or_else(|| releases.first()).ok_or_else(|| Trouble(no_release(&name)))?;
    let app = AppRef { id: app, env: release.env };
    let act = ReadSource { tenant: server.tenant.clone(), app, team, release: release.release };
    // Nobody has a turn who may not.
    drop(server.allowed(&visit.asked, act.clone()).await?);
    let turn = server.turns.at_the_gates(&visit.asked.caller).await.map_err(Trouble)?;
    let unpacked = server.recorded(&visit.asked, act, |permit| server.catalog.source(permit)).await?;
    let open = if unpacked.get(&which.file).is_some() { which.file.as_str() } else { "app.js" };
    let open = if unpacked.get(open).is_some() { open } else { MANIFEST };
    server.judged(&visit, &turn, Draft::new(unpacked, open)).await
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
