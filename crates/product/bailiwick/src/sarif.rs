//! Findings as SARIF 2.1.0 (OASIS), for code hosts that show them beside the code.

use model::{Edit, Finding, Severity};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What a path may not hold in a URI reference (RFC 3986, section 3.3); `:` too, since a first segment may not.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b':');

/// The log of one run.
pub(crate) fn document(findings: &[Finding]) -> Value {
    let mut rules: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &rules)).collect();
    let rules: Vec<Value> = rules.iter().map(|code| json!({ "id": code })).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "bailiwick", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Finding, rules: &[&str]) -> Value {
    let level = match finding.severity {
        Severity::Block => "error",
        Severity::Warn => "warning",
        Severity::Note => "note",
    };
    let text = format!("{}\nwhy: {}\nfix: {}", finding.what, finding.why, finding.fix);
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": rules.iter().position(|code| *code == finding.code),
        "level": level,
        "message": { "text": text },
    });
    if let (Some(file), Some(fields)) = (&finding.file, result.as_object_mut()) {
        fields.insert("locations".to_owned(), json!([{ "physicalLocation": location(file, finding) }]));
    }
    if let (false, Some(fields)) = (finding.edits.is_empty(), result.as_object_mut()) {
        let changes: Vec<Value> = finding.edits.iter().map(change).collect();
        fields.insert(
            "fixes".to_owned(),
            json!([{ "description": { "text": finding.fix }, "artifactChanges": changes }]),
        );
    }
    result
}

/// One edit, in bytes of the file (SARIF 2.1.0, section 3.55).
fn change(edit: &Edit) -> Value {
    let uri = utf8_percent_encode(&edit.file, PATH).to_string();
    json!({
        "artifactLocation": { "uri": uri, "uriBaseId": "%SRCROOT%" },
        "replacements": [{
            "deletedRegion": { "byteOffset": edit.start, "byteLength": edit.end.saturating_sub(edit.start) },
            "insertedContent": { "text": edit.text },
        }],
    })
}

fn location(file: &str, finding: &Finding) -> Value {
    let uri = utf8_percent_encode(file, PATH).to_string();
    let mut location = json!({ "artifactLocation": { "uri": uri, "uriBaseId": "%SRCROOT%" } });
    if let (Some(line), Some(fields)) = (finding.line, location.as_object_mut()) {
        let mut region = json!({ "startLine": line });
        if let (Some(column), Some(region)) = (finding.column, region.as_object_mut()) {
            region.insert("startColumn".to_owned(), json!(column));
        }
        fields.insert("region".to_owned(), region);
    }
    location
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &str, file: Option<&str>, line: Option<u32>) -> Finding {
        Finding {
            code: code.into(),
            severity: Severity::Block,
            file: file.map(Into::into),
            line,
            column: line.map(|_| 5),
            what: "what".into(),
            why: "why".into(),
            fix: "fix".into(),
            edits: Vec::new(),
            waiver: None,
        }
    }

    #[test]
    fn places_rules_and_levels() {
        let findings = [
            finding("secret.found", Some("my app/ü:1%.js"), Some(3)),
            finding("manifest.missing", None, None),
            finding("secret.found", Some("b.js"), None),
        ];
        let log = document(&findings);
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"], json!([{ "id": "manifest.missing" }, { "id": "secret.found" }]));
        let first = &run["results"][0];
        assert_eq!((first["ruleIndex"].as_u64(), first["level"].as_str()), (Some(1), Some("error")));
        let place = &first["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "my%20app/%C3%BC%3A1%25.js");
        assert_eq!(place["region"], json!({ "startLine": 3, "startColumn": 5 }));
        assert!(run["results"][1].get("locations").is_none());
        assert!(run["results"][2]["locations"][0]["physicalLocation"].get("region").is_none());
    }

    #[test]
    fn nothing_found_is_a_run_without_results() {
        assert_eq!(document(&[])["runs"][0]["results"], json!([]));
    }
}
