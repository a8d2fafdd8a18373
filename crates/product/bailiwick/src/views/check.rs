//! What every gate said: the document of `check`, and of `scan`.

use super::{View, findings};
use crate::{page::Page, when};
use model::{Finding, Problem, Tier};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct CheckView {
    verdict: String,
    tier: Option<Tier>,
    #[serde(default)]
    findings: Vec<Finding>,
    /// What `--fix` mended.
    #[serde(default)]
    fixed: Vec<Finding>,
    problem: Option<Problem>,
    /// What to name so that the next command means the same folder; nothing when it is this one.
    #[serde(default)]
    folder: Option<String>,
}

impl View for CheckView {
    fn show(&self, page: &mut Page) {
        for fixed in &self.fixed {
            let (state, place) = (page.state("fixed"), findings::place(fixed).unwrap_or_default());
            page.line(format!("{state}  {place}  {}", fixed.what));
            if fixed.code == "secret.found" {
                page.under("roll the key: whoever saw this file has it");
                page.under(format!("before the app works, an operator stores the new one: `{}`", stored(fixed)));
            }
        }
        if !self.fixed.is_empty() {
            page.blank();
        }
        findings::show(page, &self.findings);
        // With findings, it is the first that blocks, and was just told.
        if let Some(problem) = self.problem.as_ref().filter(|_| self.findings.is_empty()) {
            page.line(problem.to_string());
            page.blank();
        }
        let tier = self.tier.map(|tier| format!("{tier} tier"));
        let found =
            findings::counted(&self.findings).or_else(|| self.problem.is_none().then(|| "nothing found".to_owned()));
        let words: Vec<String> = tier.into_iter().chain(found).collect();
        let state = page.state(&self.verdict);
        page.line(format!("{state}  {}", words.join(", ")));
        let folder = self.folder.as_ref().map(|folder| format!(" {folder}")).unwrap_or_default();
        if self.verdict == "pass" {
            page.next(format!("bailiwick deploy{folder}"));
        }
        if self.findings.iter().any(|finding| !finding.edits.is_empty()) {
            page.next(format!("bailiwick check{folder} --fix"));
        }
    }
}

/// The command that stores a credential which stood in a file, under the id that its fix declares.
fn stored(fixed: &Finding) -> String {
    let id = fixed.edits.iter().find_map(|edit| Some(edit.text.split_once("id = \"")?.1.split_once('"')?.0));
    format!(
        "bailiwick secret put {} --env prod --owner WHO --purpose \"…\" --expires DATE --host HOST",
        id.unwrap_or("TEAM/NAME")
    )
}

/// What `scan` found.
#[derive(Debug, Deserialize)]
pub(crate) struct ScanView {
    verdict: String,
    files: i64,
    /// Contents that git remembers, when it was asked.
    #[serde(default)]
    versions: Option<i64>,
    #[serde(default)]
    findings: Vec<Finding>,
}

impl View for ScanView {
    fn show(&self, page: &mut Page) {
        findings::show(page, &self.findings);
        let found = findings::counted(&self.findings).unwrap_or_else(|| "nothing found".to_owned());
        let state = page.state(&self.verdict);
        let versions = self.versions.map(|count| format!(" and {} in the history", when::counted(count, "version")));
        let searched = format!("{}{}", when::counted(self.files, "file"), versions.unwrap_or_default());
        page.line(format!("{state}  {searched} searched, {found}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn a_pass_says_what_comes_next() {
        let mut document = json!({ "verdict": "pass", "tier": "low", "findings": [] });
        insta::assert_snapshot!(shown::<CheckView>(&document), @"
        ✓ pass  low tier, nothing found
        next: bailiwick deploy
        ");
        document["folder"] = json!("'my lunch'");
        assert!(shown::<CheckView>(&document).ends_with("next: bailiwick deploy 'my lunch'"));
    }

    #[test]
    fn a_block_says_what_to_mend() {
        let document = json!({ "verdict": "block", "tier": null, "findings": [
            { "code": "secret.found", "severity": "block", "file": "app.js", "line": 3, "column": 7,
              "what": "this looks like a credential: `xoxb…`", "why": "code is seen by many", "fix": "take it out" },
            { "code": "code.warning", "severity": "warn", "file": "app.js", "line": null,
              "what": "`fetch` at module level", "why": "it runs once", "fix": "move it" },
        ]});
        insta::assert_snapshot!(shown::<CheckView>(&document), @"
        error[secret.found]: this looks like a credential: `xoxb…`
           at: app.js:3:7
          why: code is seen by many
          fix: take it out

        warning[code.warning]: `fetch` at module level
           at: app.js
          why: it runs once
          fix: move it

        ✕ block  1 error, 1 warning
        ");
    }

    #[test]
    fn what_a_machine_can_mend_is_offered_and_told() {
        let edit = json!({ "file": "bailiwick.toml", "start": 6, "end": 10, "text": "name" });
        let finding = json!({ "code": "manifest.unknown_key", "severity": "block", "file": "bailiwick.toml", "line": 2,
            "what": "`[app]` has no key `nam`", "why": "nobody reads it", "fix": "did you mean `name`?", "edits": [edit] });
        let offered = json!({ "verdict": "block", "tier": null, "findings": [finding] });
        insta::assert_snapshot!(shown::<CheckView>(&offered), @r"
        error[manifest.unknown_key]: `[app]` has no key `nam`
           at: bailiwick.toml:2
          why: nobody reads it
          fix: did you mean `name`?

        ✕ block  1 error
        next: bailiwick check --fix
        ");
        let mended = json!({ "verdict": "pass", "tier": "low", "findings": [], "fixed": [finding] });
        insta::assert_snapshot!(shown::<CheckView>(&mended), @r"
        ✓ fixed  bailiwick.toml:2  `[app]` has no key `nam`

        ✓ pass  low tier, nothing found
        next: bailiwick deploy
        ");
    }

    #[test]
    fn a_credential_that_was_taken_out_is_still_a_persons_to_replace() {
        let declared = json!({ "file": "bailiwick.toml", "start": 90, "end": 90,
            "text": "\n[secrets.GITHUB_TOKEN]\nid = \"it/github-token\"\n" });
        let mut finding = json!({ "code": "secret.found", "severity": "block", "file": "app.js", "line": 1, "column": 16,
            "what": "this looks like a credential", "why": "code is seen by many", "fix": "take it out",
            "edits": [{ "file": "app.js", "start": 0, "end": 20, "text": "env.GITHUB_TOKEN" }, declared] });
        let mended = |finding: &serde_json::Value| {
            shown::<CheckView>(&json!({ "verdict": "pass", "tier": "low", "findings": [], "fixed": [finding] }))
        };
        insta::assert_snapshot!(mended(&finding), @r#"
        ✓ fixed  app.js:1:16  this looks like a credential
          roll the key: whoever saw this file has it
          before the app works, an operator stores the new one: `bailiwick secret put it/github-token --env prod --owner WHO --purpose "…" --expires DATE --host HOST`

        ✓ pass  low tier, nothing found
        next: bailiwick deploy
        "#);
        finding["edits"] = json!([]);
        assert!(mended(&finding).contains("`bailiwick secret put TEAM/NAME --env prod"));
    }

    #[test]
    fn a_folder_that_cannot_be_read() {
        let document = json!({ "verdict": "block", "tier": null, "findings": [], "problem": {
            "code": "bundle.unreadable", "what": "`/nowhere` cannot be read", "why": "it is missing", "fix": "check the path" } });
        insta::assert_snapshot!(shown::<CheckView>(&document), @"
        error[bundle.unreadable]: `/nowhere` cannot be read
          why: it is missing
          fix: check the path

        ✕ block
        ");
    }

    #[test]
    fn a_scan_counts_files() {
        insta::assert_snapshot!(shown::<ScanView>(&json!({ "verdict": "pass", "files": 1, "findings": [] })), @"✓ pass  1 file searched, nothing found");
    }
}
