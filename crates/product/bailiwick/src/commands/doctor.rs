//! `doctor`: what is wrong on this machine, as far as it can be seen from here, and how to mend it.

mod here;

use super::audit;
use crate::{
    client::Client,
    exit::Exit,
    invocation::Invocation,
    place::{Place, is_loopback},
    views::doctor::DoctorView,
    when,
};
use model::{Clock as _, Problem, SystemClock, Timestamp};
use serde::Deserialize;
use serde_json::json;
use server::{Examined, Health, Overrides, Readiness, ReadyPart};
use std::{path::PathBuf, time::Duration};

const ANSWER: Duration = Duration::from_secs(5);
/// Of an address that other things stand before.
const BETWEEN: &str = "where `port` above says that a Bailiwick holds it, look at what stands before it (name, proxy, certificate); else start it";
/// The same, where the server was just found to run.
const BEFORE: &str =
    "the server runs: look at what stands before it for others, its name, a proxy, and the certificate there";
/// More than an answer takes on its way: one of the two clocks is wrong.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration [default: config.toml in the data folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As `up` would be told
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let Args { config, database } = args;
    let (config, overrides) = (config.as_deref(), Overrides { database, ..Overrides::default() });
    let place = invocation.place_here(|data| server::configured_url(data, config, &overrides))?;
    let mut lines = Vec::new();
    let data = place.data.clone();
    match &data {
        Some(data) => here::look(data, &mut lines),
        None => {
            lines.push(Examined::wrong("data folder", Health::Ill, "there is none", "set `HOME`, or `BAILIWICK_DATA`"))
        }
    }
    let mut of_server = Vec::new();
    invocation.during("looking", server(invocation, place, &mut of_server)).await;
    if let Some(data) = &data {
        lines.extend(server::examine(data, config, &overrides).await);
    }
    lines.extend(of_server);
    let ok = lines.iter().all(|line| !matches!(line.health, Health::Ill));
    invocation.output.show::<DoctorView>(&json!({ "ok": ok, "checks": lines }))?;
    Ok(if ok { Exit::Done } else { Exit::Refused })
}

/// Asks the server how it is. What answers otherwise than one is told nothing.
async fn server(invocation: &Invocation, place: Place, lines: &mut Vec<Examined>) {
    let origin = place.origin();
    if place.near.is_some() {
        lines.extend(address(invocation, place.afar()).await);
    }
    let client = match Client::new(place, &invocation.environment) {
        Ok(client) => client,
        Err(problem) => return lines.push(Examined::wrong("server", Health::Ill, problem.what, problem.fix)),
    };
    let asked = async { client.open(client.route(&["readyz"])?, ANSWER).await };
    let response = match asked.await {
        Ok(response) => response,
        Err(problem) => return lines.push(silent(&client, problem)),
    };
    let status = response.status().as_u16();
    let body = client.whole(response).await.unwrap_or_default();
    match told(&origin, status, &body) {
        Ok(told) => lines.extend(told),
        Err(other) => return lines.push(other),
    }
    lines.extend(clock(&body, SystemClock.now()));
    if client.has_credential() {
        let asked = async { client.get(client.api(&["whoami"])?).await };
        lines.push(match asked.await {
            Ok(_) if client.login().is_some() => Examined::well("sign-in", "the login is accepted"),
            Ok(_) => Examined::well("sign-in", "the local credential is accepted"),
            Err(problem) => Examined::wrong("sign-in", Health::Ill, problem.what, problem.fix),
        });
        lines.push(record(audit::verify_live(&client, invocation).await));
    }
}

/// Whether others get to it by its address: from this machine there is a shorter way.
async fn address(invocation: &Invocation, place: Place) -> Option<Examined> {
    let origin = place.origin();
    let client = Client::new(place, &invocation.environment).ok()?;
    let asked = async {
        let response = client.open(client.route(&["readyz"])?, ANSWER).await?;
        let status = response.status().as_u16();
        Ok::<_, Problem>((status, client.whole(response).await.unwrap_or_default()))
    };
    let what = match asked.await {
        Ok((status, body)) => told(&origin, status, &body).err()?.what,
        Err(problem) => format!("{}: {}", problem.what, problem.why),
    };
    Some(Examined::wrong("address", Health::Ill, what, BEFORE))
}

fn silent(client: &Client, problem: Problem) -> Examined {
    let plain = problem.code == "server.unreachable" && !is_loopback(&client.place().url);
    let fix = if plain { BETWEEN.to_owned() } else { problem.fix };
    Examined::wrong("server", Health::Ill, format!("{}: {}", problem.what, problem.why), fix)
}

/// What `/readyz` says.
///
/// # Errors
/// That something else answers there.
fn told(origin: &str, status: u16, body: &[u8]) -> Result<Vec<Examined>, Examined> {
    let Some(Readiness { ready, checks }) = Readiness::read(body) else {
        let what = format!("`{origin}` answers with {status}, and not as Bailiwick does");
        let fix = "find who holds the port with `ss -ltnp`, or say where the server is with `--server`";
        return Err(Examined::wrong("server", Health::Ill, what, fix));
    };
    if ready {
        return Ok(vec![Examined::well("server", format!("`{origin}` answers, and is ready"))]);
    }
    let missing = checks.into_iter().filter(|part| !part.ok).map(|ReadyPart { check, problem, .. }| {
        let (what, fix) = problem
            .map_or_else(Default::default, |problem| (format!("{}: {}", problem.what, problem.why), problem.fix));
        Examined::wrong("server", Health::Ill, format!("not ready (`{check}`): {what}"), fix)
    });
    Ok(missing.collect())
}

/// The whole record, fetched and judged here.
fn record(verified: Result<ledger::Verdict, Problem>) -> Examined {
    match verified {
        Ok(verdict) if verdict.ok => Examined::well("record", format!("{} entries, whole and in order", verdict.size)),
        // Not that anything was changed: it is another log.
        Ok(verdict) if verdict.remembered.is_some() => {
            let problem = audit::flaw(&verdict);
            Examined::wrong("record", Health::Ill, format!("{}: {}", problem.what, problem.why), problem.fix)
        }
        Ok(verdict) => Examined::wrong(
            "record",
            Health::Ill,
            verdict.first_bad.map_or_else(|| verdict.what.clone(), |index| format!("entry {index}: {}", verdict.what)),
            "somebody changed it: keep the database as evidence, and restore a backup from before",
        ),
        Err(problem) => Examined::wrong("record", Health::Doubtful, problem.what, problem.fix),
    }
}

/// When `/readyz` was answered, by the clock that the server judges by.
#[derive(Debug, Deserialize)]
struct Told {
    now: Timestamp,
}

/// Compares with the server's clock. Not with its `Date`: that is the clock of its machine, which may be this one.
fn clock(body: &[u8], now: Timestamp) -> Option<Examined> {
    let Told { now: theirs } = serde_json::from_slice(body).ok()?;
    let off = now.since(theirs).max(theirs.since(now));
    Some(if off <= CLOCK_OFF_MAX {
        Examined::well("clock", "agrees with the server's")
    } else {
        let off = when::counted(i64::try_from(off.as_secs()).unwrap_or(i64::MAX), "second");
        Examined::wrong(
            "clock",
            Health::Ill,
            format!("differs from the server's by {off}"),
            "set the clocks of both machines by NTP, and on PostgreSQL the database's; a server on SQLite keeps the time of its start: start it again",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let body = br#"{"ready":false,"checks":[{"check":"feed","ok":true,"problem":null},{"check":"continuity","ok":false,
            "problem":{"code":"platform.recovering","what":"it is recovering","why":"an older copy","fix":"`bailiwick recover`"}}]}"#;
        let lines = told("http://localhost:7070", 503, body).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].what, "not ready (`continuity`): it is recovering: an older copy");
        assert_eq!(lines[0].fix, "`bailiwick recover`");
        for (status, body) in [(404, "nginx"), (200, "<h1>It works!</h1>"), (200, r#"{"ready":true,"checks":[]}"#)] {
            let other = told("http://localhost:7070", status, body.as_bytes()).unwrap_err();
            assert!(other.what.contains("not as Bailiwick does"), "{other:?}");
        }
        let ready = br#"{"ready":true,"checks":[{"check":"feed","ok":true,"problem":null}]}"#;
        assert!(matches!(
            told("http://localhost:7070", 200, ready).unwrap()[..],
            [Examined { health: Health::Well, .. }]
        ));
    }

    #[test]
    fn clocks() {
        let now = "2026-11-03T12:00:03Z".parse().unwrap();
        let told = |now: &str| format!(r#"{{"ready":true,"now":"{now}","checks":[]}}"#);
        assert!(matches!(clock(told("2026-11-03T12:00:00.000Z").as_bytes(), now).unwrap().health, Health::Well));
        let off = clock(told("2026-11-03T12:01:00.000Z").as_bytes(), now).unwrap();
        assert_eq!(off.what, "differs from the server's by 57 seconds");
        assert!(clock(b"nginx", now).is_none());
    }
}
