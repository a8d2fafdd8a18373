//! The releases of an app: what each changed, and the way back to an earlier one.

use super::{Head, Side};
use crate::{
    Bailiwick,
    page::{Page, html},
    pages::{
        parts::{DiffLine, Moment, Pager, query},
        shell::{Here, Read, Shell, Visit},
    },
};
use askama::Template;
use authority::rules;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use std::sync::Arc;

const PAGE: usize = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct Which {
    page: String,
}

#[derive(Template)]
#[template(path = "app_releases.html")]
struct Releases {
    shell: Shell,
    head: Head,
    releases: Vec<Line>,
    pager: Pager,
    command: String,
}

struct Line {
    number: u32,
    env: String,
    live: bool,
    tier: &'static str,
    at: Moment,
    by: String,
    digest: String,
    compared_with: Option<u32>,
    changes: Vec<DiffLine>,
    /// Nobody but the local credential said yes to it.
    exception: bool,
    /// What the approver has from whoever asked.
    dependence: String,
    /// Who said yes, when it took one.
    approved_by: Option<String>,
    /// Whether it may serve again by a button.
    back: bool,
}

pub(in crate::pages) async fn releases(
    State(server): State<Arc<Bailiwick>>,
    Path(name): Path<String>,
    Read(which): Read<Which>,
    visit: Visit,
) -> Page {
    let seen = server.look_at(&visit, &name).await?;
    let (app, now) = (&seen.app, server.clock.now());
    let serves =
        |env| app.environments.iter().any(|known| known.env == env && known.state == authority::AppState::Live);
    let may = visit.viewer.may(&rules::RELEASE_ROLLBACK, Some(&app.team));
    let releases = server.catalog.releases(&app.app_id).await?;
    let page = which.page.parse().unwrap_or(1).clamp(1, 1 + releases.len().saturating_sub(1) / PAGE);
    let pager = Pager::of(releases.len(), page, PAGE, |page| {
        format!("/apps/{name}/releases?{}", query(&[("page", &page.to_string())]))
    });
    let line = |release: &catalog::ReleaseView| Line {
        number: release.release.0,
        env: release.env.to_string(),
        live: release.live && serves(release.env),
        tier: release.tier.as_str(),
        at: Moment::new(release.created_at, now),
        by: server.name_of(release.by.as_ref()),
        digest: release.digest.clone(),
        compared_with: release.compared_with.map(|number| number.0),
        exception: release.approval.as_ref().is_some_and(|yes| yes.exception.is_some()),
        dependence: release.approval.as_ref().map(|yes| yes.dependence.join(", ")).unwrap_or_default(),
        approved_by: release.approval.as_ref().map(|yes| server.actor(&yes.by)),
        changes: release.changes.iter().map(DiffLine::from).collect(),
        back: may && !release.live && serves(release.env),
    };
    let page = Releases {
        shell: visit.viewer.shell_about(Here::Apps, Some(&app.app)),
        head: Head::new(&visit.viewer, app, Side::Releases),
        releases: releases.iter().skip((page - 1) * PAGE).take(PAGE).map(line).collect(),
        // One page says nothing by being counted.
        pager: if releases.len() > PAGE { pager } else { Pager::default() },
        command: format!("bailiwick rollback {name} --to RELEASE"),
    };
    Ok(html(StatusCode::OK, &page))
}
