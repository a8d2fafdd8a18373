//! Tests of policy, written in Rego beside it: every rule whose name begins with `test_` must be true.
//!
//! They run in a process of their own choosing, never in a decision. A file that does not parse is refused by name, and
//! a test that takes too long fails.

use crate::PolicyError;
use regorus::{Engine, Value, utils::limits::ExecutionTimerConfig};
use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

/// One test; a decision has far less.
const TIME_MAX: Duration = Duration::from_secs(2);
/// Work units between looks at the clock.
const CLOCK_EVERY: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
const TEST: &str = "test_";
/// As `opa test` has it: written down, not run.
const LATER: &str = "todo_test_";

/// One test and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    pub file: String,
    /// 1-based.
    pub line: u32,
    /// `data.bailiwick.test_retention`.
    pub name: String,
    pub outcome: RehearsalOutcome,
    /// What it printed.
    pub said: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RehearsalOutcome {
    Passed,
    /// It is false, or nothing.
    Failed,
    /// It could not be tried.
    Error(String),
    Skipped,
}

struct Found {
    file: String,
    line: u32,
    name: String,
    later: bool,
}

/// Runs every test of a bundle, `(file name, text)` each, in the order of files and lines. Files in version 0 syntax are
/// told by their not parsing as version 1, as they are in force.
///
/// # Errors
/// A file that parses as neither.
pub fn rehearse(files: &[(String, String)]) -> Result<Vec<Rehearsed>, PolicyError> {
    let (mut v1, mut v0) = (Engine::new(), Engine::new());
    v0.set_rego_v0(true);
    let mut packages = Vec::new();
    for (file, text) in files {
        let added = v1.add_policy(file.clone(), text.clone()).or_else(|as_v1| {
            let as_v0 = v0.add_policy(file.clone(), text.clone());
            as_v0.map_err(|_| PolicyError::Compile { file: file.clone(), reason: as_v1.to_string() })
        });
        packages.push((file.clone(), added?));
    }
    let mut rehearsed = Vec::new();
    for engine in [&mut v1, &mut v0] {
        engine.set_gather_prints(true);
        engine.set_execution_timer_config(ExecutionTimerConfig { limit: TIME_MAX, check_interval: CLOCK_EVERY });
        for found in tests(engine, &packages) {
            rehearsed.push(run(engine, found));
        }
    }
    rehearsed.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(rehearsed)
}

/// The tests that stand in the modules of an engine; several rules of one name are one test.
fn tests(engine: &mut Engine, packages: &[(String, String)]) -> Vec<Found> {
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    for module in engine.get_modules() {
        let file = module.package.span.source.get_path();
        let Some((_, package)) = packages.iter().find(|(name, _)| name == file) else { continue };
        for rule in &module.policy {
            let head: String =
                rule.span().text().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let name = format!("{package}.{head}");
            let test = head.starts_with(TEST) || head.starts_with(LATER);
            if test && names.insert(name.clone()) {
                let later = head.starts_with(LATER);
                found.push(Found { file: file.clone(), line: rule.span().line, name, later });
            }
        }
    }
    found
}

fn run(engine: &mut Engine, Found { file, line, name, later }: Found) -> Rehearsed {
    let outcome = if later {
        RehearsalOutcome::Skipped
    } else {
        match engine.eval_rule(name.clone()) {
            Ok(Value::Bool(true)) => RehearsalOutcome::Passed,
            Ok(_) => RehearsalOutcome::Failed,
            Err(error) => RehearsalOutcome::Error(error.to_string()),
        }
    };
    Rehearsed { file, line, name, outcome, said: engine.take_prints().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(files: &[(&str, &str)]) -> Vec<(String, u32, RehearsalOutcome)> {
        let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        rehearse(&files).unwrap().into_iter().map(|one| (one.name, one.line, one.outcome)).collect()
    }

    #[test]
    fn each_test_is_run_once_and_says_how_it_ended() {
        let policy = "package bailiwick\nimport rego.v1\ndeny contains r if {\n\tinput.act == \"x\"\n\tr := {\"code\": \"c\"}\n}\n";
        let tests = "package bailiwick_test\nimport rego.v1\nimport data.bailiwick\n\ntest_refused if count(bailiwick.deny) == 1 with input as {\"act\": \"x\"}\n\ntest_wrong if count(bailiwick.deny) == 1 with input as {\"act\": \"y\"}\n\ntest_two if false\n\ntest_two if true\n\ntest_broken if to_number(\"x\") == 1\n\ntodo_test_later if false\n\nnot_a_test if true\n";
        let found = outcomes(&[("limits.rego", policy), ("limits_test.rego", tests)]);
        let name = |name: &str| format!("data.bailiwick_test.{name}");
        assert_eq!(
            found[..3],
            [
                (name("test_refused"), 5, RehearsalOutcome::Passed),
                (name("test_wrong"), 7, RehearsalOutcome::Failed),
                (name("test_two"), 9, RehearsalOutcome::Passed),
            ]
        );
        assert!(
            matches!(&found[3], (test, 13, RehearsalOutcome::Error(why)) if *test == name("test_broken") && !why.is_empty()),
            "{found:?}"
        );
        assert_eq!(found[4..], [(name("todo_test_later"), 15, RehearsalOutcome::Skipped)]);
    }

    #[test]
    fn old_syntax_is_tried_too_and_what_does_not_parse_is_named() {
        let old = "package old\ntest_old { 1 == 1 }\n";
        assert_eq!(outcomes(&[("old.rego", old)]), [("data.old.test_old".to_owned(), 2, RehearsalOutcome::Passed)]);
        let error = rehearse(&[("bad.rego".to_owned(), "package x\ntest_y {".to_owned())]).unwrap_err();
        assert!(error.to_string().contains("bad.rego"), "{error}");
    }

    #[test]
    fn a_test_that_does_not_end_fails() {
        let endless = "package x\nimport rego.v1\ntest_endless if {\n\tsome a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta * b == -1\n}\n";
        assert!(matches!(&outcomes(&[("x.rego", endless)])[..], [(_, 3, RehearsalOutcome::Error(_))]));
    }
}
