//! Findings, each as a problem reads: what, where, why, what to do.

use crate::{ink::Tone, page::Page};
use model::{Finding, Severity, Waived, WaiverState};

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
        let labels = [
            ("   at:", place(finding)),
            ("  why:", Some(finding.why.clone())),
            ("  fix:", Some(finding.fix.clone())),
            (" waiver:", finding.waiver.as_ref().map(waived)),
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
    let day = day(waiver);
    // Somebody's own words, on one line: more of them could look like lines of ours.
    let words = |why: &String| format!(": “{}”", why.split_whitespace().collect::<Vec<_>>().join(" "));
    let why = waiver.why.as_ref().map(words).unwrap_or_default();
    match waiver.state {
        WaiverState::Active => format!("{by} agreed to it, {day} is its last day{why}"),
        WaiverState::Lapsed => format!("the one that {by} agreed to lapsed, {day} was its last day{why}"),
        WaiverState::Ended => format!("the one that {by} agreed to was ended on {day}{why}"),
    }
}

/// The last day, by UTC.
fn day(waiver: &Waived) -> String {
    let last = waiver.until.minus(std::time::Duration::from_millis(1)).to_string();
    last.split('T').next().unwrap_or_default().to_owned()
}

/// `2 errors, 1 warning`; nothing when nothing was found.
pub(crate) fn counted(findings: &[Finding]) -> Option<String> {
    let waived = findings.iter().filter(|finding| finding.is_waived()).count();
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts = [
        (count(Severity::Block) - waived, "error"),
        (waived, "exception"),
        (count(Severity::Warn), "warning"),
        (count(Severity::Note), "note"),
    ];
    let words: Vec<String> = counts
        .into_iter()
        .map(|(count, word)| (i64::try_from(count).unwrap_or(i64::MAX), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| crate::when::counted(count, word))
        .collect();
    if words.is_empty() { None } else { Some(words.join(", ")) }
}
