//! `cargo xtask test`: everything that must hold before a change is shared, in one run, on both databases.
//! Ends with `N passed, N failed`: the tests of all binaries, and one more failure for each other step that failed.

use crate::postgres::{self, Cluster, Durability};
use crate::step::{self, Steps, Talk, Verdict};
use crate::tally::Tally;
use crate::{libraries, screen, setup, tidy};
use anyhow::Result;
use std::path::Path;
use std::process::{Command, ExitCode};

const TESTS: &str = "tests";

/// So many tests at most may fail on a machine that had too much to do at that moment, and not because of a change. They
/// are run once more, by themselves, and what passes then is named at the end.
const ACCIDENTS: usize = 3;

/// A change is judged by the same cases each time; `cargo xtask long` looks for new ones.
const SAME_CASES: &[(&str, &str)] = &[("PROPTEST_RNG_SEED", "20260101")];

/// All of it, or with packages named only their tests.
pub(crate) fn run(root: &Path, packages: &[String], filter: &[String]) -> Result<ExitCode> {
    setup::run()?;
    let mut steps = Steps::default();
    if packages.is_empty() {
        steps.run("tidy", Talk::AtTheEnd, || tidy::check(root));
        steps.run("format", Talk::AtTheEnd, || step::quiet(&mut step::cargo(root, &["fmt", "--all", "--check"])));
        steps.run("libraries", Talk::AtTheEnd, || libraries::check(root));
        steps.run("clippy", Talk::AtTheEnd, || {
            step::quiet(&mut step::cargo(
                root,
                &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"],
            ))
        });
    }
    let which = which(packages);
    let arguments: Vec<&str> =
        which.iter().map(String::as_str).chain(["--"]).chain(filter.iter().map(String::as_str)).collect();
    let again = Again::Once { named: packages };
    let tally = tests(root, &mut steps, TESTS, &arguments, SAME_CASES, &again);
    Ok(sum(&tally, &steps))
}

/// Whether a few tests that failed may show that they pass.
pub(crate) enum Again<'a> {
    Never,
    /// In the packages named; in all, with none.
    Once {
        named: &'a [String],
    },
}

/// One step that runs tests against a throw-away PostgreSQL, and counts them.
pub(crate) fn tests(
    root: &Path,
    steps: &mut Steps,
    name: &str,
    arguments: &[&str],
    settings: &[(&str, &str)],
    again: &Again<'_>,
) -> Tally {
    let mut tally = Tally::default();
    let mut unsteady = Vec::new();
    steps.run(name, Talk::AsItGoes, || {
        let cluster = Cluster::start(Durability::Unsynced)?;
        let run = |arguments: &[&str]| {
            let mut command = step::cargo(root, arguments);
            command.env(postgres::VARIABLE, cluster.url()).envs(settings.iter().copied());
            counted(&mut command)
        };
        tally = run(arguments)?;
        if let (Again::Once { named }, Some(fell)) = (again, tally.again(ACCIDENTS)) {
            screen::say("once more, by themselves:");
            let which = which(named);
            let words: Vec<&str> = which.iter().chain(&fell).map(String::as_str).collect();
            unsteady = tally.settle(&run(&words)?);
        }
        Ok(if tally.failed == 0 { Verdict::Passed } else { Verdict::Failed(Vec::new()) })
    });
    for test in unsteady {
        screen::say(format_args!("passed only at the second try: {test}; why it failed at first stands above"));
    }
    tally
}

/// The beginning of the command line.
fn which(packages: &[String]) -> Vec<String> {
    let whole = packages.is_empty().then(|| "--workspace".to_owned());
    let named = packages.iter().flat_map(|package| ["--package".to_owned(), package.clone()]);
    ["test", "--no-fail-fast"].map(str::to_owned).into_iter().chain(whole).chain(named).collect()
}

fn counted(command: &mut Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = step::follow(command, |line| {
        if let Some(shown) = tally.take(line) {
            screen::say(shown);
        }
    })?;
    if let Some(lost) = tally.end() {
        screen::say(lost);
    }
    if tally.failed == 0 && !status.success() {
        // It did not build, or a runner died between two binaries.
        tally.failed = 1;
    }
    Ok(tally)
}

fn sum(tally: &Tally, steps: &Steps) -> ExitCode {
    let other = steps.failed().iter().filter(|name| *name != TESTS).count();
    // The tests could not even begin: no count of theirs says so.
    let unsaid = u64::from(tally.failed == 0 && steps.failed().len() > other);
    let failed = tally.failed + u64::try_from(other).unwrap_or(u64::MAX) + unsaid;
    if !steps.failed().is_empty() {
        screen::say(format_args!("failed steps: {}", steps.failed().join(", ")));
    }
    screen::say(format_args!("{} passed, {failed} failed", tally.passed));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
