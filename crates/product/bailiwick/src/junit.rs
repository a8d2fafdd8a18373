//! Findings as a JUnit XML report, for pipelines that show tests: one test case a finding, or one for all gates.

use crate::{clean, views::findings::place};
use model::{Finding, Severity};

/// The report of one run.
pub(crate) fn document(findings: &[Finding]) -> String {
    let failures = findings.iter().filter(|finding| finding.severity == Severity::Block).count();
    let tests = findings.len().max(1);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"bailiwick\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">\n  \
         <testsuite name=\"bailiwick check\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">\n"
    );
    if findings.is_empty() {
        xml.push_str("    <testcase classname=\"bailiwick.check\" name=\"every gate\"/>\n");
    }
    for finding in findings {
        xml.push_str(&case(finding));
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn case(finding: &Finding) -> String {
    let at = place(finding).unwrap_or_else(|| "the app".to_owned());
    let file = finding.file.as_deref().map(|file| format!(" file=\"{}\"", escaped(file))).unwrap_or_default();
    let line = finding.line.map(|line| format!(" line=\"{line}\"")).unwrap_or_default();
    let (code, what) = (escaped(&finding.code), escaped(&finding.what));
    let text = escaped(&format!("{}\nat: {at}\nwhy: {}\nfix: {}", finding.what, finding.why, finding.fix));
    let inner = match finding.severity {
        Severity::Block => format!("<failure type=\"{code}\" message=\"{what}\">{text}</failure>"),
        Severity::Warn | Severity::Note => format!("<system-out>{text}</system-out>"),
    };
    let at = escaped(&at);
    format!(
        "    <testcase classname=\"bailiwick.check.{code}\" name=\"{code} at {at}\"{file}{line}>{inner}</testcase>\n"
    )
}

/// Text for XML 1.0: markup escaped; characters that it cannot hold (section 2.2), or that a terminal would act on,
/// replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter_map(clean::harmless) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, what: &str) -> Finding {
        Finding {
            code: "secret.found".into(),
            severity,
            file: Some("a<b>.js".into()),
            line: Some(3),
            column: None,
            what: what.into(),
            why: "why".into(),
            fix: "fix".into(),
            edits: Vec::new(),
            waiver: None,
        }
    }

    #[test]
    fn failures_and_notes() {
        let hostile = "a \"quoted\" & <b>\u{1b}[31m\u{7f}\u{9b}2J\u{202e}txt.exe\u{ffff}";
        let report = document(&[finding(Severity::Block, hostile), finding(Severity::Note, "n")]);
        insta::assert_snapshot!(report, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="bailiwick" tests="2" failures="1" errors="0">
          <testsuite name="bailiwick check" tests="2" failures="1" errors="0" skipped="0">
            <testcase classname="bailiwick.check.secret.found" name="secret.found at a&lt;b&gt;.js:3" file="a&lt;b&gt;.js" line="3"><failure type="secret.found" message="a &quot;quoted&quot; &amp; &lt;b&gt;␛[31m␡·2J·txt.exe�">a &quot;quoted&quot; &amp; &lt;b&gt;␛[31m␡·2J·txt.exe�&#10;at: a&lt;b&gt;.js:3&#10;why: why&#10;fix: fix</failure></testcase>
            <testcase classname="bailiwick.check.secret.found" name="secret.found at a&lt;b&gt;.js:3" file="a&lt;b&gt;.js" line="3"><system-out>n&#10;at: a&lt;b&gt;.js:3&#10;why: why&#10;fix: fix</system-out></testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn a_pass_is_one_case() {
        insta::assert_snapshot!(document(&[]), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="bailiwick" tests="1" failures="0" errors="0">
          <testsuite name="bailiwick check" tests="1" failures="0" errors="0" skipped="0">
            <testcase classname="bailiwick.check" name="every gate"/>
          </testsuite>
        </testsuites>
        "#);
    }
}
