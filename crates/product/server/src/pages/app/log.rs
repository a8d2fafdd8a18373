//! What an app printed, and why it was stopped: the newest lines, those before them, and those that come for whoever
//! follows it. A small script puts them there as they come; without it the browser asks again every few seconds.

use super::{Head, Side};
use crate::{
    Bailiwick,
    app_log::{LogLine, Page as Part, ReadLog},
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
/// As many as one reads at once, and as much of a page: with what stands around them it stays below 100 kB.
const LINES: u32 = 200;
const LINES_BYTES: usize = 60_000;
/// What the page says around a line's own words.
const AROUND_BYTES: usize = 250;
const ENVS: [(&str, &str); 2] = [("prod", "prod"), ("staging", "staging")];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct Of {
    env: String,
    /// `on` while one follows it.
    follow: String,
    /// The line before which these stand; none for the newest.
    before: String,
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
    /// They are not the newest.
    back: bool,
    /// Where those before them stand.
    earlier: Option<String>,
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
    let follows = of.follow == "on";
    // Whoever follows it sees the newest.
    let before = of.before.parse::<i64>().ok().filter(|_| !follows);
    let read = server.recorded(&visit.asked, act, |permit| server.app_log.page(permit, before, LINES));
    let Part { lines, more } = light(read.await?);
    let after = lines.first().map_or(0, |line| line.seq);
    let earlier = lines.last().filter(|_| more);
    let earlier = earlier.map(|line| format!("/apps/{name}/log?env={env}&before={}", line.seq));
    let line = |line: LogLine| Line {
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
        lines: lines.into_iter().map(line).collect(),
        back: before.is_some(),
        earlier,
        command: format!("bailiwick logs {name} -f"),
    };
    Ok(if follows { live(StatusCode::OK, &page) } else { html(StatusCode::OK, &page) })
}

/// As many of the first as a page takes, and one at least.
fn light(Part { mut lines, more }: Part) -> Part {
    let mut bytes = 0;
    let fit = lines.iter().take_while(|line| {
        bytes += weight(line);
        bytes <= LINES_BYTES
    });
    let fit = fit.count().max(1);
    let more = more || fit < lines.len();
    lines.truncate(fit);
    Part { lines, more }
}

/// What a line takes of the page, where each of HTML's own marks is five bytes.
fn weight(line: &LogLine) -> usize {
    let escaped = |text: &str| text.len() + 4 * text.matches(['<', '>', '&', '"', '\'']).count();
    AROUND_BYTES + escaped(&line.text) + line.at_code.as_deref().map_or(0, escaped)
}

pub(in crate::pages) async fn script() -> Response {
    crate::page::script(SCRIPT)
}
