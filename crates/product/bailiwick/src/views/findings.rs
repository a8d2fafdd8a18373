//! Findings, each as a problem reads: what, where, why, what to do.

use crate::{ink::Tone, page::Page, when};
use model::{Finding, Severity, Waived, WaiverState};
use std::time::Duration;

/// `app.js:3:5`.
pub(crate) fn place(finding: &Finding) -> Option<String> {
    let mut place = finding.file.clone()?;
    for part in [finding.line, finding.column] {
        let Some(number) = part else { break };
        place.push_str(&format!(":{number}"));
    }
    Some(place)
}

pub(crate) fn show(page: &mut Page, findings: &[Finding]) {
    for finding in findings {
        let (word, tone) = match finding.severity {
            Severity::Block if finding.is_waived() => ("EXCEPTION", Tone::Bad),
            Severity::Block => ("error", Tone::Bad),
            Severity::Warn => ("warning", Tone::Doubtful),
            Severity::Note => ("note", Tone::Quiet),
        };
        let head = page.paint(tone, &format!("{word}[{}]:", finding.code));
        page.line(format!("{head} {}", finding.what));
        let waiver = finding.waiver.as_ref().map(waived);
        let labels = [
            ("   at:", place(finding)),
            ("  why:", Some(finding.why.clone())),
            ("  fix:", Some(finding.fix.clone())),
            if finding.is_waived() { ("   by:", waiver) } else { ("  was:", waiver) },
        ];
        for (label, words) in labels {
            if let Some(words) = words.filter(|words| !words.is_empty()) {
                let label = page.paint(Tone::Quiet, label);
                page.line(format!("{label} {words}"));
            }
        }
        page.blank();
    }
}

/// Who agreed to the exception, until when and why; or that it holds no more.
fn waived(waiver: &Waived) -> String {
    let by = waiver.user.as_deref().unwrap_or(&waiver.by);
    let last = when::day(waiver.until.minus(Duration::from_millis(1)));
    // Somebody's own words, on one line: more of them could look like lines of ours.
    let words = |why: &String| format!(": “{}”", why.split_whitespace().collect::<Vec<_>>().join(" "));
    let why = waiver.why.as_ref().map(words).unwrap_or_default();
    match waiver.state {
        WaiverState::Active => format!("{by}, until {last}{why}"),
        WaiverState::Lapsed => format!("waived by {by} until {last}{why}"),
        WaiverState::Ended => format!("waived by {by}, and ended before its day{why}"),
    }
}

/// `2 errors, 1 warning`; nothing when nothing was found.
pub(crate) fn counted(findings: &[Finding]) -> Option<String> {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let blocking = findings.iter().filter(|finding| finding.blocks()).count();
    let counts = [
        (blocking, "error"),
        (count(Severity::Block).saturating_sub(blocking), "exception"),
        (count(Severity::Warn), "warning"),
        (count(Severity::Note), "note"),
    ];
    let words: Vec<String> = counts
        .into_iter()
        .map(|(count, word)| (i64::try_from(count).unwrap_or(i64::MAX), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| when::counted(count, word))
        .collect();
    if words.is_empty() { None } else { Some(words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::{deployed::DeployedView, shown};
    use serde_json::{Value, json};

    fn finding(state: &str) -> Value {
        json!({ "code": "policy.retention", "severity": "block", "file": "bailiwick.toml", "line": null,
            "what": "`[data.votes]` would keep personal data for more than a year",
            "why": "a rule of your organisation's policy refuses it", "fix": "set `retain` of `[data.votes]` to `365d` or less",
            "waiver": { "id": "w1", "state": state, "by": "person:p1", "user": "rita@example.test",
                "why": "the court\nasks", "until": "2026-11-08T00:00:00.000Z" } })
    }

    #[test]
    fn what_a_server_says_of_a_warning_is_no_exception() {
        let mut warning = finding("active");
        warning["severity"] = json!("warn");
        assert_eq!(counted(&[serde_json::from_value(warning).unwrap()]).as_deref(), Some("1 warning"));
    }

    #[test]
    fn what_is_waived_is_shown_and_what_was_blocks() {
        let all = [finding("active"), finding("lapsed")].map(|value| serde_json::from_value(value).unwrap());
        assert_eq!(counted(&all).as_deref(), Some("1 error, 1 exception"));
        let document =
            |findings: &[Value]| json!({ "app": "poll", "env": "prod", "status": "refused", "findings": findings });
        insta::assert_snapshot!(shown::<DeployedView>(&document(&[finding("active"), finding("lapsed")])), @"
        EXCEPTION[policy.retention]: `[data.votes]` would keep personal data for more than a year
           at: bailiwick.toml
          why: a rule of your organisation's policy refuses it
          fix: set `retain` of `[data.votes]` to `365d` or less
           by: rita@example.test, until 2026-11-07: “the court asks”

        error[policy.retention]: `[data.votes]` would keep personal data for more than a year
           at: bailiwick.toml
          why: a rule of your organisation's policy refuses it
          fix: set `retain` of `[data.votes]` to `365d` or less
          was: waived by rita@example.test until 2026-11-07: “the court asks”

        ✕ refused  poll  prod
          nothing was changed
        ");
    }
}
