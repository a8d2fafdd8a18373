//! `cargo xtask bench`: the release binary, then the benchmarks, on SQLite and on a PostgreSQL that waits for its disk.
//! What is measured, against which floor, is `testkit`'s `bench`; this only builds and runs it.

use crate::postgres::{self, Cluster, Durability};
use crate::setup;
use crate::step::{self, Steps, Talk};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::ExitCode;

/// What is built, in this order.
const BUILDS: &[(&str, &[&str])] = &[
    ("bailiwick", &["build", "--release", "--package", "bailiwick"]),
    ("bench", &["build", "--release", "--package", "testkit", "--bin", "bench"]),
];

const RUN: &[&str] = &["run", "--quiet", "--release", "--package", "testkit", "--bin", "bench", "--"];

pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    setup::run()?;
    let mut steps = Steps::default();
    for (name, build) in BUILDS {
        steps.run(&format!("build {name}"), Talk::AtTheEnd, || step::quiet(&mut step::cargo(root, build)));
    }
    if !steps.failed().is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let cluster = Cluster::start(Durability::Synced)?;
    let status = step::cargo(root, RUN)
        .args(arguments)
        .env(postgres::VARIABLE, cluster.url())
        .status()
        .context("starting the benchmarks")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
