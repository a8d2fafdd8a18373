//! The policy in force, file by file; how its tests ended; why somebody may do something, or may not.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
    when,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct PolicyView {
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
struct File {
    name: String,
    text: String,
}

impl View for PolicyView {
    fn show(&self, page: &mut Page) {
        if self.files.is_empty() {
            page.line("no policy of its own: the built-in rules alone decide");
        }
        let row = |file: &File| {
            let says = file.text.lines().find_map(|line| line.strip_prefix('#')).unwrap_or_default().trim();
            let lines = i64::try_from(file.text.lines().count()).unwrap_or(i64::MAX);
            vec![Cell::new(Tone::Strong, file.name.as_str()), when::counted(lines, "line").into(), says.into()]
        };
        page.rows(self.files.iter().map(row).collect());
    }
}

/// How the tests of a bundle ended.
#[derive(Debug, Deserialize)]
pub(crate) struct RehearsalView {
    ok: bool,
    tests: Vec<Tried>,
}

#[derive(Debug, Deserialize)]
struct Tried {
    name: String,
    file: String,
    line: u32,
    outcome: String,
    why: Option<String>,
    said: Vec<String>,
}

impl View for RehearsalView {
    fn show(&self, page: &mut Page) {
        if self.tests.is_empty() {
            page.line("no tests: a rule whose name begins with `test_` is one");
            return;
        }
        let row = |tried: &Tried| {
            let short = tried.name.strip_prefix("data.").unwrap_or(&tried.name).to_owned();
            let place = Cell::new(Tone::Quiet, format!("{}:{}", tried.file, tried.line));
            let why = tried.why.iter().chain(&tried.said).cloned().collect::<Vec<_>>().join("; ");
            vec![Cell::state(&tried.outcome), Cell::new(Tone::Strong, short), place, why.into()]
        };
        page.rows(self.tests.iter().map(row).collect());
        let count = |outcome: &str| self.tests.iter().filter(|tried| tried.outcome == outcome).count();
        let words: Vec<String> = ["passed", "failed", "error", "skipped"]
            .into_iter()
            .map(|outcome| (count(outcome), outcome))
            .filter(|(count, outcome)| *count > 0 || *outcome == "passed")
            .map(|(count, outcome)| format!("{count} {outcome}"))
            .collect();
        page.blank();
        let line = format!("{}  {}", page.state(if self.ok { "pass" } else { "fail" }), words.join(", "));
        page.line(line);
    }
}

/// What authority would answer.
#[derive(Debug, Deserialize)]
pub(crate) struct ExplanationView {
    act: String,
    says: String,
    #[serde(rename = "as")]
    who_asks: String,
    app: Option<String>,
    allowed: bool,
    code: Option<String>,
    why: Option<String>,
    fix: Option<String>,
    who: String,
    second_factor: bool,
    break_glass: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    looked_at: String,
    passed: bool,
    why: Option<String>,
}

impl View for ExplanationView {
    fn show(&self, page: &mut Page) {
        let on = self.app.as_ref().map(|app| format!(" on `{app}`")).unwrap_or_default();
        let may = if self.allowed { "may" } else { "may not" };
        let line = format!("`{}` {may} {}{on}", self.who_asks, self.says);
        let line = page.paint(Tone::Strong, &line);
        page.line(line);
        let mut facts = vec![("act", Cell::from(self.act.as_str()))];
        if let Some(code) = &self.code {
            facts.push(("rule", Cell::new(Tone::Bad, code.as_str())));
        }
        facts.extend(self.why.as_ref().map(|why| ("why", why.as_str().into())));
        facts.extend(self.fix.as_ref().filter(|fix| **fix != self.who).map(|fix| ("fix", fix.as_str().into())));
        facts.push(("who may", self.who.strip_prefix("these may: ").unwrap_or(&self.who).into()));
        if self.second_factor {
            facts.push(("with", "a second factor, at most ten minutes old".into()));
        }
        if self.break_glass {
            facts.push(("machine", "by `--break-glass` alone, shown as EXCEPTION for ever".into()));
        }
        page.facts(facts);
        page.heading("looked at");
        let row = |step: &Step| {
            let state = if step.passed { Cell::state("pass") } else { Cell::state("denied") };
            vec![state, step.looked_at.as_str().into(), step.why.as_deref().unwrap_or_default().into()]
        };
        page.rows(self.steps.iter().map(row).collect());
        if self.act == "app.deploy" {
            page.blank();
            page.line("what a manifest asks is judged when it is deployed; it is not known here");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn files() {
        let document =
            json!({ "files": [{ "name": "base.rego", "text": "# What holds everywhere.\npackage bailiwick\n" }] });
        insta::assert_snapshot!(shown::<PolicyView>(&document), @"  base.rego   2 lines   What holds everywhere.");
        insta::assert_snapshot!(shown::<PolicyView>(&json!({ "files": [] })), @"no policy of its own: the built-in rules alone decide");
    }
}
