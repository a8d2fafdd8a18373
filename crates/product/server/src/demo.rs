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
/// Who tries the samples.
const ANA: &str = "ana@example.test";
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
    line(format!("the demo: nothing outside this machine is reached; a chat here stands in for {}", Chat::HOST));
    if server.catalog.find("tinypoll").is_err() {
        deploy(server, "tinypoll", line).await?;
    }
    let mut request = None;
    if server.catalog.find("poll-notify").is_err() {
        put_token(server).await?;
        request = deploy(server, "poll-notify", line).await?;
    }
    let url = |name: &str| server.catalog.url(name, Env::Prod);
    let id = request.as_deref().unwrap_or("ID");
    let approve = match &request {
        Some(_) => "say yes to poll-notify: it would post to the chat, so it waits".to_owned(),
        None => "say yes to what waits (`bailiwick requests` shows the ID)".to_owned(),
    };
    let (sign_in, how) = ana(server).await?;
    let steps = [
        (sign_in.as_str(), how),
        ("vote, and see the results", url("tinypoll")),
        (approve.as_str(), format!("bailiwick approve {id} --why \"looked at it\" --break-glass")),
        ("vote there too", url("poll-notify")),
        ("see what the chat received", chat.address()),
        ("switch an app off, with a receipt", "bailiwick revoke tinypoll --why \"just trying\"".to_owned()),
        ("prove the record", "bailiwick audit verify".to_owned()),
    ];
    line(String::new());
    line("try it".to_owned());
    for (what, how) in steps {
        line(format!("  {what}:"));
        line(format!("    {how}"));
    }
    line(String::new());
    line("for this process alone, so that apps reach the chat:".to_owned());
    chat.said().into_iter().for_each(|text| line(format!("  {text}")));
    Ok(())
}

/// How to become the sample person. Whoever is there already is left as they are: their groups, and their last link.
async fn ana(server: &Bailiwick) -> Result<(String, String), Problem> {
    if server.identity.person_by_email(ANA).is_some() {
        let what = format!("sign in as {ANA} (you may be still); this prints a new link");
        return Ok((what, format!("bailiwick people add {ANA}")));
    }
    let groups = [Group::new("staff"), Group::new(TEAM), Group::new("builders")];
    Ok((format!("sign in as {ANA}, once"), server.invite(ANA, groups.into()).await?))
}

/// Says what became of it; the request, when one waits.
async fn deploy(
    server: &Bailiwick,
    name: &str,
    line: &(dyn Fn(String) + Send + Sync),
) -> Result<Option<String>, Problem> {
    let archive = archive(server, name)?;
    let caller = server.as_machine();
    let deployed = server.deploy(&caller, archive, Env::Prod).await.map_err(|error| Problem::from(&error))?;
    let url = deployed.url.unwrap_or_default();
    match (deployed.status, deployed.problem) {
        (Status::Live, _) => line(format!("  ● live      {url}")),
        (Status::Waiting, _) => {
            line(format!("  ◌ waiting   {url}"));
            return Ok(deployed.request.map(|id| id.to_string()));
        }
        (Status::Refused | Status::Expired, problem) => {
            for finding in deployed.findings {
                line(format!("  ✕ refused   {name}: {}", finding.what));
            }
            return Err(problem.unwrap_or_else(Problem::internal));
        }
    }
    Ok(None)
}

/// A template, filled in as `new` does.
fn archive(server: &Bailiwick, name: &str) -> Result<Bytes, Problem> {
    let expires = server.clock.now().to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    let expires = expires.saturating_add(jiff::Span::new().days(DAYS_AHEAD)).to_string();
    let folder = format!("{name}/");
    let files = Templates::iter().filter_map(|path| {
        let inside = path.strip_prefix(&folder)?.to_owned();
        // As `deploy` leaves it out.
        if inside.split('/').next() == Some(catalog::MOCK_FOLDER) {
            return None;
        }
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
    let id = SecretId::new(format!("{TEAM}/poll-notify-slack"));
    server.put_secret(&server.as_machine(), id, new).await.map(drop).map_err(|refusal| refusal.0)
}
