//! Each rule's own examples, its words, and the sheet itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod fill;

use fill::filled;
use model::Severity;
use scan::{rules, scan_bytes};
use std::collections::BTreeSet;

#[test]
fn every_rule_knows_its_own_examples() {
    for rule in rules() {
        assert!(rule.examples.matching.len() >= 2, "{}: two examples that match", rule.id);
        assert!(rule.examples.clean.len() >= 2, "{}: two examples that are clean", rule.id);
        for example in &rule.examples.matching {
            let text = filled(example);
            let findings = scan_bytes("app.js", text.as_bytes());
            assert_eq!(findings.len(), 1, "{}: `{example}` gave {findings:#?}", rule.id);
            let finding = &findings[0];
            assert!(finding.what.contains(&rule.name), "{}: `{example}` was called {}", rule.id, finding.what);
            assert_eq!((finding.code.as_str(), finding.severity), ("secret.found", Severity::Block));
            assert!(finding.line.is_some() && finding.column.is_some());
        }
        for example in &rule.examples.clean {
            let findings = scan_bytes("app.js", filled(example).as_bytes());
            assert!(findings.is_empty(), "{}: `{example}` gave {findings:#?}", rule.id);
        }
    }
}

#[test]
fn there_are_the_formats_that_people_paste() {
    assert!(rules().len() >= 40, "{}", rules().len());
    let ids: BTreeSet<_> = rules().iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids.len(), rules().len(), "an id appears twice");
    for id in [
        "aws-access-key-id",
        "github-token",
        "slack-token",
        "stripe-key",
        "google-api-key",
        "private-key",
        "url-password",
    ] {
        assert!(ids.contains(id), "{id}");
    }
}

#[test]
fn no_finding_holds_more_of_a_value_than_it_may() {
    for rule in rules() {
        for example in &rule.examples.matching {
            let text = filled(example);
            for finding in scan_bytes("app.js", text.as_bytes()) {
                let words = format!("{} {} {}", finding.what, finding.why, finding.fix);
                let shown = finding.what.split_once(": `").unwrap().1.split_once('…').unwrap().0;
                let length: usize =
                    finding.what.rsplit_once('(').unwrap().1.split_once(' ').unwrap().0.parse().unwrap();
                assert!(shown.len() <= 4 && shown.len() * 5 <= length, "{words}");
                let start = text.lines().nth(finding.line.unwrap() as usize - 1).unwrap();
                let value: String = start.chars().skip(finding.column.unwrap() as usize - 1).take(length).collect();
                assert!(value.starts_with(shown), "{shown} is not at the place named");
                for part in value.as_bytes().windows(6) {
                    let part = std::str::from_utf8(part).unwrap();
                    // A kind of token may be named by its public prefix; the rest of it may not appear.
                    assert!(rule.name.contains(part) || !finding.what.contains(part), "{part} in {words}");
                }
            }
        }
    }
}

#[test]
fn the_words_are_the_products() {
    for rule in rules() {
        assert!(rule.variable.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{}", rule.variable);
        for words in [&rule.why, &rule.mend] {
            assert!(!words.ends_with('.') && words.starts_with(|c: char| c.is_lowercase()), "{words}");
        }
    }
    let finding =
        scan_bytes("app.js", filled("\n  const t = \"xoxb-{digit:12}-{digit:13}-{alnum:24}\"").as_bytes()).remove(0);
    assert_eq!((finding.file.as_deref(), finding.line, finding.column), (Some("app.js"), Some(2), Some(14)));
    assert_eq!(finding.what, "this looks like a credential, Slack bot or user token: `xoxb…` (56 characters)");
    assert_eq!(
        finding.fix,
        "take it out; revoke it in Slack, under the app's OAuth & Permissions, since it has been in a file; ask an \
         operator to store the new one: `bailiwick secret put TEAM/slack-token --env prod --owner WHO --purpose \"…\" \
         --expires DATE --host HOST`; name it in `bailiwick.toml` under `[secrets.SLACK_TOKEN]`, \
         and write `env.SLACK_TOKEN` where it is needed"
    );
}

#[test]
fn the_sheet_holds_no_credentials_shape() {
    let sheet = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../rules/secrets.toml")).unwrap();
    let findings = scan_bytes("rules/secrets.toml", &sheet);
    assert!(findings.is_empty(), "{findings:#?}");
}
