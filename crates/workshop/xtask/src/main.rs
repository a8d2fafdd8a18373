//! `cargo xtask`: what a developer and CI run. Every command says in short lines what it does and ends with a status.

mod before;
mod bench;
#[cfg(test)]
mod deployed;
mod engine;
mod libraries;
mod licence;
mod long;
mod machine;
mod postgres;
mod screen;
mod setup;
mod step;
mod tally;
mod test;
mod tidy;

use anyhow::{Context, Result};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Sets up, tests and measures Bailiwick.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Install what the tests need (Debian packages by name)
    Setup,
    /// Check and test everything, on SQLite and PostgreSQL; with packages named, only run their tests
    Test {
        /// Only this package's tests; may be given more than once
        #[arg(short, long = "package", value_name = "NAME")]
        packages: Vec<String>,
        /// Handed to the test binaries: part of a test's name, or their options
        #[arg(last = true, value_name = "FILTER")]
        filter: Vec<String>,
    },
    /// Run what takes long: advisories, the version before, cut cables, many rounds of kills, a soak, fuzzing
    Long {
        #[command(flatten)]
        options: long::Options,
    },
    /// Check the rules of the house that no compiler knows
    Tidy,
    /// Write the catalogue of messages anew
    Messages,
    /// Build for release and measure
    Bench {
        /// Handed to the benchmarks
        #[arg(last = true, value_name = "OPTION")]
        arguments: Vec<String>,
    },
    /// Build the JavaScript engine that stands checked in
    Engine,
}

fn main() -> ExitCode {
    let task = Task::parse();
    match root().and_then(|root| run(&root, task)) {
        Ok(code) => code,
        Err(error) => {
            screen::say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(root: &Path, task: Task) -> Result<ExitCode> {
    match task {
        Task::Setup => setup::run().map(|()| ExitCode::SUCCESS),
        Task::Test { packages, filter } => test::run(root, &packages, &filter),
        Task::Long { options } => long::run(root, &options),
        Task::Tidy => tidy::run(root),
        Task::Messages => tidy::write_messages(root).map(|()| ExitCode::SUCCESS),
        Task::Bench { arguments } => bench::run(root, &arguments),
        Task::Engine => engine::run(root).map(|()| ExitCode::SUCCESS),
    }
}

/// The work tree in which this was called; the binary may have been built in another one.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir()?;
    let root = here.ancestors().find(|folder| folder.join("crates/workshop/xtask").is_dir());
    root.map(Path::to_owned).with_context(|| format!("`{}` is not inside a work tree of Bailiwick", here.display()))
}
