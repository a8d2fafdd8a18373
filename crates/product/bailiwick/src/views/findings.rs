//! Findings, each as a problem reads: what, where, why, what to do.

use crate::{ink::Tone, page::Page};
use model::{Finding, Severity};

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
            Severity::Block => ("error", Tone::Bad),
            Severity::Warn => ("warning", Tone::Doubtful),
            Severity::Note => ("note", Tone::Quiet),
        };
        let head = page.paint(tone, &format!("{word}[{}]:", finding.code));
        page.line(format!("{head} {}", finding.what));
        let labels =
            [("   at:", place(finding)), ("  why:", Some(finding.why.clone())), ("  fix:", Some(finding.fix.clone()))];
        for (label, words) in labels {
            if let Some(words) = words.filter(|words| !words.is_empty()) {
                let label = page.paint(Tone::Quiet, label);
                page.line(format!("{label} {words}"));
            }
        }
        page.blank();
    }
}

/// `2 errors, 1 warning`; nothing when nothing was found.
pub(crate) fn counted(findings: &[Finding]) -> Option<String> {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let words: Vec<String> = [(Severity::Block, "error"), (Severity::Warn, "warning"), (Severity::Note, "note")]
        .into_iter()
        .map(|(severity, word)| (i64::try_from(count(severity)).unwrap_or(i64::MAX), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| crate::when::counted(count, word))
        .collect();
    if words.is_empty() { None } else { Some(words.join(", ")) }
}
