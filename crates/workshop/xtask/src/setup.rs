//! `cargo xtask setup`: the Debian packages that the tests need, by name, each with its reason.
//! Idempotent: what is there is left alone. Refuses to touch system services: tests start servers of their own.

use crate::{machine, screen};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// A Debian package that the tests need.
struct Package {
    name: &'static str,
    /// Any of these shows that nothing need be installed: a path in which one folder may be `*`, or a command.
    proves: &'static [&'static str],
    why: &'static str,
}

const PACKAGES: &[Package] = &[
    Package {
        name: "postgresql",
        proves: crate::postgres::INITDB,
        why: "every test of stored behaviour runs on PostgreSQL too",
    },
    Package {
        name: "chromium",
        proves: &["chromium"],
        why: "pages and signing in are tested in a real browser, with an authenticator of its own",
    },
    Package { name: "chromium-driver", proves: &["chromedriver"], why: "the tests drive the browser through it" },
    Package { name: "nodejs", proves: &["node"], why: "single sign-on is tested against a real provider" },
    Package {
        name: "npm",
        proves: &["npm"],
        why: "the tests install that provider with it, and what judges accessibility",
    },
];

pub(crate) fn run() -> Result<()> {
    let missing: Vec<&Package> = PACKAGES.iter().filter(|package| machine::find(package.proves).is_none()).collect();
    if missing.is_empty() {
        let names: Vec<&str> = PACKAGES.iter().map(|package| package.name).collect();
        screen::say(format_args!("setup: nothing to install ({} is here)", names.join(", ")));
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let names_line = names.join(" ");
    if machine::find(&["apt-get"]).is_none() {
        bail!(
            "`{names_line}` is missing, and there is no `apt-get` here: install it in this system's own way, then run this again"
        );
    }
    if !machine::is_root() {
        bail!(
            "`{names_line}` is missing, and installing needs root: run\n  sudo apt-get update && sudo apt-get install -y {names_line}"
        );
    }
    for package in &missing {
        screen::say(format_args!("setup: installing `{}`: {}", package.name, package.why));
    }
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], names.as_slice()].concat())?;
    for package in missing {
        if machine::find(package.proves).is_none() {
            bail!("`{}` was installed, but none of {} is there", package.name, package.proves.join(", "));
        }
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let out = Command::new("apt-get")
        .arg("-qq")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .context("running apt-get")?;
    if !out.status.success() {
        bail!(
            "`apt-get {}` failed:\n{}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(())
}
