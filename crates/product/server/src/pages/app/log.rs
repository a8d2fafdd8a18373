//! What an app printed, and why it was stopped: the newest lines, and those that come for whoever follows it. A small
//! script puts them there as they come; without it the browser asks again every few seconds.

use super::{Head, Side};
use crate::{
    Bailiwick,
    app_log::ReadLog,
    page::{Page, html, live},
    pages::{
        parts::{Choice, Moment, choices},
        shell::{Here, Read, Shell, Visit},
    },
};
use askama::Template;
use authority::AppRef;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use model::Env;
use serde::Deserialize;
use std::sync::Arc;

const SCRIPT: &str = include_str!("follow.js");
/// As many as one reads at once.
const LINES: u32 = 200;
const ENVS: [(&str, &str); 2] = [("prod", "prod"), ("staging", "staging")];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct Of {
    env: String,
    /// `on` while one follows it.
    follow: String,
}

#[derive(Template)]
#[template(path = "app_log.html")]
struct Log {
    shell: Shell,
    head: Head,
    envs: Vec<Choice>,
    env: &'static str,
    follows: bool,
    /// Where the lines come from that are not here yet.
    stream: String,
    lines: Vec<Line>,
    command: String,
}

struct Line {
    at: Moment,
    clock: String,
    level: String,
    text: String,
    place: Option<String>,
}

pub(in crate::pages) async fn log(
    State(server): State<Arc<Bailiwick>>,
    Path(name): Path<String>,
    Read(of): Read<Of>,
    visit: Visit,
) -> Page {
    let seen = server.look_at(&visit, &name).await?;
    let (app, now) = (&seen.app, server.clock.now());
    let env: Env = of.env.parse().unwrap_or(Env::Prod);
    let act =
        ReadLog { tenant: server.tenant.clone(), app: AppRef { id: app.app_id.clone(), env }, team: app.team.clone() };
    let lines = server.recorded(&visit.asked, act, |permit| server.app_log.read(permit, None, LINES)).await?;
    let follows = of.follow == "on";
    let after = lines.last().map_or(0, |line| line.seq);
    let line = |line: crate::app_log::LogLine| Line {
        clock: line.at.to_string().chars().skip(5).take(14).collect::<String>().replace('T', " "),
        at: Moment::new(line.at, now),
        level: line.level,
        text: line.text,
        place: line.at_code,
    };
    let page = Log {
        shell: visit.viewer.shell_about(Here::Apps, Some(&app.app)),
        head: Head::new(&visit.viewer, app, Side::Log),
        envs: choices(&ENVS, env.as_str()),
        env: env.as_str(),
        follows,
        stream: format!("/api/v1/apps/{name}/logs/follow?env={env}&after={after}"),
        lines: lines.into_iter().rev().map(line).collect(),
        command: format!("bailiwick logs {name} -f"),
    };
    Ok(if follows { live(StatusCode::OK, &page) } else { html(StatusCode::OK, &page) })
}

pub(in crate::pages) async fn script() -> Response {
    crate::page::script(SCRIPT)
}
