//! `Problem` as JSON and in a terminal; timestamps as they are written.

#![allow(clippy::unwrap_used, reason = "tests")]

use model::{Problem, ProblemKind, Timestamp};
use std::time::Duration;

fn problem() -> Problem {
    let what = "`tinypoll` may not use `people-ops/stripe`";
    Problem::new(
        ProblemKind::Denied,
        "secret.not_granted",
        what,
        "the manifest does not ask for it",
        "add it under `[secrets]`, then deploy again",
    )
}

#[test]
fn a_problem_is_five_words_of_json_and_its_kind_is_only_a_status() {
    let problem = problem();
    assert_eq!(problem.status(), 403);
    let without = serde_json::to_string(&problem).unwrap();
    assert_eq!(
        without,
        r#"{"code":"secret.not_granted","what":"`tinypoll` may not use `people-ops/stripe`","at":null,"why":"the manifest does not ask for it","fix":"add it under `[secrets]`, then deploy again"}"#
    );
    let at = problem.at("bailiwick.toml:21");
    let json = serde_json::to_value(&at).unwrap();
    assert_eq!(json["at"], "bailiwick.toml:21");
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["code", "what", "at", "why", "fix"]);
    let back: Problem = serde_json::from_value(json).unwrap();
    assert_eq!((back.code, back.at), (at.code, at.at));
}

#[test]
fn a_problem_reads_the_same_in_a_terminal() {
    insta::assert_snapshot!(problem().at("bailiwick.toml:21"), @r#"
error[secret.not_granted]: `tinypoll` may not use `people-ops/stripe`
   at: bailiwick.toml:21
  why: the manifest does not ask for it
  fix: add it under `[secrets]`, then deploy again
"#);
}

#[test]
fn timestamps_have_three_decimals_and_come_back() {
    for (ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_795_392_000_000, "2026-11-23T00:00:00.000Z"),
        (i64::MIN, "0000-01-01T00:00:00.000Z"),
    ] {
        let at = Timestamp::from_ms(ms);
        assert_eq!(at.to_string(), text);
        assert_eq!(text.parse::<Timestamp>().unwrap(), at);
        assert_eq!(serde_json::from_str::<Timestamp>(&serde_json::to_string(&at).unwrap()).unwrap(), at);
    }
    let latest = Timestamp::from_ms(i64::MAX);
    assert_eq!(latest.to_string().parse::<Timestamp>().unwrap(), latest);
    assert!(latest.to_string().starts_with("9999-12-3"));
    assert_eq!(latest.plus(Duration::MAX), latest);
    assert_eq!("2026-11-23T01:00:00+01:00".parse::<Timestamp>().unwrap().as_ms(), 1_795_392_000_000);
}

#[test]
fn what_was_noted_far_ahead_is_as_good_as_long_ago() {
    let (now, span) = (Timestamp::from_ms(1_795_392_000_000), Duration::from_secs(10));
    for (moment, within) in [
        (now, true),
        (now.minus(Duration::from_millis(9_999)), true),
        (now.minus(span), false),
        (now.plus(Duration::from_millis(9_999)), true),
        (now.plus(span), false),
        (now.plus(Duration::from_secs(86_400)), false),
        (Timestamp::from_ms(i64::MIN), false),
    ] {
        assert_eq!(now.is_within(span, moment), within, "{moment}");
    }
}
