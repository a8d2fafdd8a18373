//! `doctor`: what is wrong on this machine, as far as it can be seen from here, and how to mend it.

mod here;

use crate::{client::Client, exit::Exit, invocation::Invocation, place::Place, views::doctor::DoctorView, when};
use model::{Clock as _, Problem, SystemClock, Timestamp};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

const ANSWER: Duration = Duration::from_secs(5);
/// Signatures live a minute; a clock that is off by more than this makes them fail now and then.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Line {
    check: &'static str,
    state: State,
    what: String,
    fix: Option<String>,
}

impl Line {
    fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, state: State::Ok, what: what.into(), fix: None }
    }

    fn bad(check: &'static str, state: State, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state, what: what.into(), fix: Some(fix.into()) }
    }
}

pub(crate) async fn run(invocation: &Invocation) -> Result<Exit, Problem> {
    let place = invocation.place()?;
    let mut lines = Vec::new();
    match &place.data {
        Some(data) => here::look(data, &mut lines),
        None => lines.push(Line::bad("data folder", State::Fail, "there is none", "set `HOME`, or `BAILIWICK_DATA`")),
    }
    invocation.during("looking", server(invocation, place, &mut lines)).await;
    let ok = lines.iter().all(|line| !matches!(line.state, State::Fail));
    invocation.output.show::<DoctorView>(&json!({ "ok": ok, "checks": lines }))?;
    Ok(if ok { Exit::Done } else { Exit::Refused })
}

async fn server(invocation: &Invocation, place: Place, lines: &mut Vec<Line>) {
    let origin = place.origin();
    let client = match Client::new(place, &invocation.environment) {
        Ok(client) => client,
        Err(problem) => return lines.push(Line::bad("server", State::Fail, problem.what, problem.fix)),
    };
    let asked = async { client.open(client.route(&["healthz"])?, ANSWER).await };
    let response = match asked.await {
        Ok(response) => response,
        Err(problem) => return lines.push(Line::bad("server", State::Fail, problem.what, problem.fix)),
    };
    if response.status().is_success() {
        lines.push(Line::ok("server", format!("`{origin}` answers")));
        let asked = async { client.open(client.route(&["readyz"])?, ANSWER).await };
        lines.push(match asked.await {
            Ok(ready) if ready.status().is_success() => Line::ok("database", "the server's database answers"),
            Ok(_) | Err(_) => Line::bad(
                "database",
                State::Fail,
                "the server says that its database does not answer",
                "look at the end of the server's log; with PostgreSQL, see that it runs and is reached",
            ),
        });
    } else {
        let what = format!("`{origin}` answers with {}, and is no Bailiwick that is well", response.status().as_u16());
        let fix = "something else may hold the port; if not, look at the end of the server's log";
        lines.push(Line::bad("server", State::Fail, what, fix));
    }
    let asked = async { client.get(client.route(&["readyz"])?).await };
    lines.push(match asked.await {
        Ok(_) => Line::ok("record", "it can be written, and nothing waits for it"),
        Err(problem) => Line::bad("record", State::Fail, format!("{}: {}", problem.what, problem.why), problem.fix),
    });
    let date = response.headers().get("date").and_then(|date| date.to_str().ok());
    lines.extend(date.and_then(|date| clock(date, SystemClock.now())));
    if client.has_credential() {
        let asked = async { client.get(client.api(&["whoami"])?).await };
        lines.push(match asked.await {
            Ok(_) if client.login().is_some() => Line::ok("sign-in", "the login is accepted"),
            Ok(_) => Line::ok("sign-in", "the local credential is accepted"),
            Err(problem) => Line::bad("sign-in", State::Fail, problem.what, problem.fix),
        });
    }
}

/// Compares with the server's clock, which its `Date` shows to the second (RFC 9110, section 6.6.1).
fn clock(date: &str, now: Timestamp) -> Option<Line> {
    let theirs: Timestamp = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().into();
    let off = now.since(theirs).max(theirs.since(now));
    Some(if off <= CLOCK_OFF_MAX {
        Line::ok("clock", "agrees with the server's")
    } else {
        let off = when::counted(i64::try_from(off.as_secs()).unwrap_or(i64::MAX), "second");
        Line::bad(
            "clock",
            State::Fail,
            format!("differs from the server's by {off}"),
            "set both by NTP: signatures live 60 seconds",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        let now = "2026-11-03T12:00:03Z".parse().unwrap();
        assert!(matches!(clock("Tue, 03 Nov 2026 12:00:00 GMT", now).unwrap().state, State::Ok));
        let off = clock("Tue, 03 Nov 2026 12:01:00 GMT", now).unwrap();
        assert_eq!(off.what, "differs from the server's by 57 seconds");
        assert!(clock("yesterday", now).is_none());
    }
}
