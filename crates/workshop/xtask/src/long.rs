//! `cargo xtask long`: what takes too long for every change, step by step. Advisories, the version before beside this
//! one, cut cables, many rounds of the tests that take rounds (properties, kills, crowds), a long soak, and each fuzz
//! target for a while. Fetches tools and the advisory database.

use crate::step::{self, Steps, Talk};
use crate::test::Again;
use crate::{before, machine, screen, setup, test};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Tests that take rounds run as many as this says; without it a few.
pub(crate) const ROUNDS: &str = "BAILIWICK_TEST_ROUNDS";
/// The program of the version before; without it, tests of an upgrade are those of a restart.
const BEFORE: &str = "BAILIWICK_TEST_BEFORE";
/// How many minutes a server works in the soak; without it, a few rounds.
const SOAK: &str = "BAILIWICK_TEST_SOAK_MINUTES";

/// Three hundred kills at work over both databases, three for each round of each, and every fsync of the disk fails once; some hours on two cores.
const LONG: &[(&str, &str)] = &[(ROUNDS, "50"), ("PROPTEST_CASES", "4096")];

/// Per fuzz target: a minute; an input that takes ten seconds, or a gigabyte, is a finding.
const FUZZ_LIMITS: [&str; 3] = ["-max_total_time=60", "-timeout=10", "-rss_limit_mb=1024"];

/// What the command line said.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this step; may be given more than once
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// How long each database is soaked; both at the same time
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    soak: u32,
}

type Act = fn(&Path, &Options, &mut Steps) -> Result<()>;

struct Part {
    name: &'static str,
    needs: &'static str,
    act: Act,
}

const PARTS: &[Part] = &[
    Part { name: "advisories", needs: "the internet: the advisory database", act: deny },
    Part {
        name: "upgrade",
        needs: "the history of the repository; some 4 GB to build the version before",
        act: upgrade,
    },
    Part {
        name: "network",
        needs: "root and `ip`, for network namespaces; skipped, and said so, without",
        act: network,
    },
    Part { name: "rounds", needs: "some hours; 10,000 open files", act: rounds },
    Part { name: "soak", needs: "as long as `--soak` says", act: soak },
    Part { name: "fuzz", needs: "a minute for each target; some 3 GB under `fuzz/target`", act: fuzz },
];

pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    if let Some(unknown) = options.only.iter().find(|only| PARTS.iter().all(|part| part.name != *only)) {
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        bail!("there is no step `{unknown}`: {}", names.join(", "));
    }
    let wanted = |part: &&Part| options.only.is_empty() || options.only.iter().any(|only| only == part.name);
    let parts: Vec<&Part> = PARTS.iter().filter(wanted).collect();
    for part in &parts {
        screen::say(format_args!("{:<12} needs {}", part.name, part.needs));
    }
    setup::run()?;
    let mut steps = Steps::default();
    for (at, part) in (1..).zip(&parts) {
        screen::say(format_args!("[{at}/{}] {}", parts.len(), part.name));
        if let Err(error) = (part.act)(root, options, &mut steps) {
            steps.run(part.name, Talk::AtTheEnd, || Err(error));
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

fn deny(root: &Path, _: &Options, steps: &mut Steps) -> Result<()> {
    install(root, steps, "cargo-deny");
    steps.run("cargo-deny", Talk::AtTheEnd, || step::quiet(&mut step::cargo(root, &["deny", "check"])));
    Ok(())
}

fn upgrade(root: &Path, _: &Options, steps: &mut Steps) -> Result<()> {
    let before = before::build(root, steps)?;
    let before = before.to_str().context("the build folder has a name that is no text")?;
    tested(root, steps, "upgrade", &["--test", "upgrade"], &[(BEFORE, before)]);
    Ok(())
}

fn network(root: &Path, _: &Options, steps: &mut Steps) -> Result<()> {
    tested(root, steps, "network", &["--test", "network"], &[]);
    Ok(())
}

fn rounds(root: &Path, _: &Options, steps: &mut Steps) -> Result<()> {
    let tally = test::tests(root, steps, "rounds", &["test", "--workspace", "--no-fail-fast"], LONG, &Again::Never);
    screen::say(format_args!("{} passed, {} failed", tally.passed, tally.failed));
    Ok(())
}

fn soak(root: &Path, options: &Options, steps: &mut Steps) -> Result<()> {
    let minutes = options.soak.to_string();
    tested(root, steps, "soak", &["--test", "soak"], &[(SOAK, minutes.as_str())]);
    Ok(())
}

/// The tests of one name, with what they say while they run: what was skipped, and what was measured.
fn tested(root: &Path, steps: &mut Steps, name: &str, which: &[&str], settings: &[(&str, &str)]) {
    let arguments = [&["test", "--workspace"], which, &["--", "--nocapture"]].concat();
    let tally = test::tests(root, steps, name, &arguments, settings, &Again::Never);
    screen::say(format_args!("{} passed, {} failed", tally.passed, tally.failed));
}

/// Without a sanitizer, which needs another toolchain: what runs is safe code, with its checks of arithmetic on.
fn fuzz(root: &Path, _: &Options, steps: &mut Steps) -> Result<()> {
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
