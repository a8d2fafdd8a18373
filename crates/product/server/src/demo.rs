//! `up --demo`: the samples, deployed through the ordinary path, and a chat on loopback that stands in for Slack.
//!
//! The chat speaks TLS under a certificate made for this process; `private`, `resolve` and `ca` are widened for this
//! process alone, and said so.

mod chat;

pub(crate) use chat::{Chat, TOKEN};

use crate::{Bailiwick, api::NewValue, up::Said};
use bytes::Bytes;
use catalog::{Status, Unpacked};
use model::{Env, Group, Problem, SecretId};
use rust_embed::Embed;

const TEAM: &str = "people-ops";
/// As far ahead as a manifest may say.
const DAYS_AHEAD: i64 = 90;

#[derive(Embed)]
#[folder = "../../../templates"]
struct Templates;

/// Deploys what is not there yet, and says what to try.
pub(crate) async fn show(server: &Bailiwick, chat: &Chat, say: &(dyn Fn(Said) + Send + Sync)) {
    let line = |text: String| say(Said::Line(text));
    if let Err(problem) = try_show(server, chat, &line).await {
        line(format!("{problem}"));
    }
}

async fn try_show(server: &Bailiwick, chat: &Chat, line: &(dyn Fn(String) + Send + Sync)) -> Result<(), Problem> {
    for text in chat.said() {
        line(text);
    }
    if server.catalog.find("tinypoll").is_err() {
        deploy(server, "tinypoll", line).await?;
    }
    if server.catalog.find("poll-notify").is_err() {
        put_token(server).await?;
        deploy(server, "poll-notify", line).await?;
    }
    let link = server
        .invite("ana@example.test", [Group::new("staff"), Group::new(TEAM), Group::new("builders")].into())
        .await?;
    let url = |name: &str| server.catalog.url(name, Env::Prod);
    for text in [
        String::new(),
        "try it".to_owned(),
        format!("  sign in as ana@example.test   {link}"),
        format!("  vote                          {}", url("tinypoll")),
        "  what waits for a yes          bailiwick requests".to_owned(),
        "  say yes                       bailiwick approve ID --why \"looked at it\" --break-glass".to_owned(),
        format!("  what the chat received        {}", chat.address()),
        "  switch it off, with a receipt bailiwick revoke tinypoll --why \"just trying\"".to_owned(),
        "  prove the record              bailiwick audit verify".to_owned(),
    ] {
        line(text);
    }
    Ok(())
}

async fn deploy(server: &Bailiwick, name: &str, line: &(dyn Fn(String) + Send + Sync)) -> Result<(), Problem> {
    let archive = archive(server, name)?;
    let caller = server.as_machine();
    let deployed = server.deploy(&caller, archive, Env::Prod).await.map_err(|error| Problem::from(&error))?;
    let url = deployed.url.unwrap_or_default();
    match (deployed.status, deployed.problem) {
        (Status::Live, _) => line(format!("live      {url}")),
        (Status::Waiting, _) => {
            let request = deployed.request.map(|id| id.to_string()).unwrap_or_default();
            line(format!("waiting   {url}   bailiwick approve {request} --why … --break-glass"));
        }
        (Status::Refused, problem) => {
            for finding in deployed.findings {
                line(format!("refused   {name}: {}", finding.what));
            }
            return Err(problem.unwrap_or_else(Problem::internal));
        }
    }
    Ok(())
}

/// A template, filled in as `new` does.
fn archive(server: &Bailiwick, name: &str) -> Result<Bytes, Problem> {
    let expires = server.clock.now().to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    let expires = expires.saturating_add(jiff::Span::new().days(DAYS_AHEAD)).to_string();
    let folder = format!("{name}/");
    let files = Templates::iter().filter_map(|path| {
        let inside = path.strip_prefix(&folder)?.to_owned();
        let bytes = Templates::get(&path)?.data.into_owned();
        let bytes = if inside == "bailiwick.toml" || inside == "README.md" {
            let text = String::from_utf8_lossy(&bytes);
            text.replace("{{name}}", name).replace("{{team}}", TEAM).replace("{{expires}}", &expires).into_bytes()
        } else {
            bytes
        };
        Some((inside, Bytes::from(bytes)))
    });
    Unpacked::of(files)?.pack()
}

/// A made-up token that the chat takes, put as `machine` like any other.
async fn put_token(server: &Bailiwick) -> Result<(), Problem> {
    let new = NewValue::for_demo(&server.clock.now());
    let id = SecretId::new(format!("{TEAM}/slack-bot"));
    server.put_secret(&server.as_machine(), id, new).await.map(drop).map_err(|refusal| refusal.0)
}
