//! `cargo xtask long`: what takes too long for every change. Advisories, many rounds of the tests that take rounds
//! (properties, kills, soak), and each fuzz target for a while. Fetches tools and the advisory database.

use crate::step::{self, Steps, Talk};
use crate::{machine, screen, setup, test};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Tests that take rounds run as many as this says; without it a few.
pub(crate) const ROUNDS: &str = "BAILIWICK_TEST_ROUNDS";

/// About an hour on two cores.
const LONG: &[(&str, &str)] = &[(ROUNDS, "50"), ("PROPTEST_CASES", "4096")];

/// Per fuzz target: a minute; an input that takes ten seconds, or a gigabyte, is a finding.
const FUZZ_LIMITS: [&str; 3] = ["-max_total_time=60", "-timeout=10", "-rss_limit_mb=1024"];

type Act = fn(&Path, &mut Steps) -> Result<()>;

const STEPS: &[(&str, Act)] = &[("cargo-deny", deny), ("rounds", rounds), ("fuzz", fuzz)];

pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    setup::run()?;
    let mut steps = Steps::default();
    for (name, act) in STEPS {
        if let Err(error) = act(root, &mut steps) {
            steps.run(name, Talk::AtTheEnd, || Err(error));
        }
    }
    match steps.failed() {
        [] => Ok(ExitCode::SUCCESS),
        failed => {
            screen::say(format_args!("failed steps: {}", failed.join(", ")));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn deny(root: &Path, steps: &mut Steps) -> Result<()> {
    install(root, steps, "cargo-deny");
    steps.run("cargo-deny", Talk::AtTheEnd, || step::quiet(&mut step::cargo(root, &["deny", "check"])));
    Ok(())
}

fn rounds(root: &Path, steps: &mut Steps) -> Result<()> {
    let tally = test::tests(root, steps, "rounds", &["test", "--workspace", "--no-fail-fast"], LONG);
    screen::say(format_args!("{} passed, {} failed", tally.passed, tally.failed));
    Ok(())
}

/// Without a sanitizer, which needs another toolchain: what runs is safe code, with its checks of arithmetic on.
fn fuzz(root: &Path, steps: &mut Steps) -> Result<()> {
    let targets = targets(&root.join("fuzz/fuzz_targets"))?;
    install(root, steps, "cargo-fuzz");
    for target in targets {
        // What is found goes into the first folder, and is thrown away with what was built; the second is checked in.
        let (found, kept) = (format!("fuzz/target/corpus/{target}"), format!("fuzz/corpus/{target}"));
        fs::create_dir_all(root.join(&found)).with_context(|| format!("making {found}"))?;
        let mut arguments = vec!["fuzz", "run", "--sanitizer", "none", &target, &found, &kept, "--"];
        arguments.extend(FUZZ_LIMITS);
        steps.run(&format!("fuzz {target}"), Talk::AtTheEnd, || step::quiet(&mut step::cargo(root, &arguments)));
    }
    Ok(())
}

/// One target a file.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn install(root: &Path, steps: &mut Steps, tool: &str) {
    if machine::find(&[tool]).is_none() {
        let name = format!("install {tool}");
        steps.run(&name, Talk::AtTheEnd, || {
            step::quiet(&mut step::cargo(root, &["install", "--quiet", "--locked", tool]))
        });
    }
}
