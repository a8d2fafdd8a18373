//! The version before: the program of the last commit before the newest migration, for tests of an upgrade.
//!
//! Built in a work tree of its own under `target/`, with the same build folder, so that libraries are shared. Changes
//! nothing in the work tree that it was called from.

use crate::step::{self, Steps, Talk, Verdict};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIGRATIONS: [&str; 2] = ["crates/*/*/migrations/*.sql", "crates/*/*/src/migrations/*.sql"];
const PROGRAM: &str = "bailiwick";

/// Where the program is, once the step has built it.
pub(crate) fn build(root: &Path, steps: &mut Steps) -> Result<PathBuf> {
    let commit = commit(root)?;
    let tree = root.join("target/before");
    check_out(root, &tree, &commit)?;
    let mut built = Err(anyhow::anyhow!("it was not built"));
    steps.run("version before", Talk::AtTheEnd, || {
        let verdict = step::quiet(
            step::cargo(&tree, &["build", "--workspace", "--bins"]).env("CARGO_TARGET_DIR", folder(root)?),
        )?;
        if let Verdict::Passed = verdict {
            built = kept(root, &commit);
        }
        Ok(verdict)
    });
    built
}

/// The first parent of the commit that added the newest migration.
fn commit(root: &Path) -> Result<String> {
    let mut arguments = vec!["log", "-1", "--format=%H", "--diff-filter=A", "--"];
    arguments.extend(MIGRATIONS);
    let newest = git(root, &arguments)?;
    ensure!(!newest.is_empty(), "the history knows of no migration: fetch all of it (`git fetch --unshallow`)");
    git(root, &["rev-parse", "--verify", "--quiet", &format!("{newest}^1")]).with_context(|| {
        format!("the commit before {newest} is not there: fetch the whole history (`git fetch --unshallow`)")
    })
}

fn check_out(root: &Path, tree: &Path, commit: &str) -> Result<()> {
    if tree.join(".git").exists() {
        return git(tree, &["checkout", "--quiet", "--force", "--detach", commit]).map(drop);
    }
    // One that was deleted with its folder is still in git's list.
    git(root, &["worktree", "prune"])?;
    let tree = tree.to_str().context("the work tree has a name that is no text")?;
    git(root, &["worktree", "add", "--quiet", "--force", "--detach", tree, commit]).map(drop)
}

/// The next build puts this version's program in the same place: it is kept beside.
fn kept(root: &Path, commit: &str) -> Result<PathBuf> {
    let short: String = commit.chars().take(12).collect();
    let (made, kept) = (folder(root)?.join("debug").join(PROGRAM), root.join(format!("target/{PROGRAM}-{short}")));
    fs::copy(&made, &kept).with_context(|| format!("keeping {}", made.display()))?;
    Ok(kept)
}

/// Where cargo builds.
fn folder(root: &Path) -> Result<PathBuf> {
    let output = step::cargo(root, &["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).context("reading `cargo metadata`")?;
    Ok(said
        .get("target_directory")
        .and_then(|folder| folder.as_str())
        .context("`cargo metadata` names no folder")?
        .into())
}

fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").current_dir(root).args(arguments).output().context("starting `git`")?;
    if !output.status.success() {
        bail!("`git {}`: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_before_the_newest_migration() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let commit_of = |file: &str| {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file).unwrap();
            git(root, &["add", "."]).unwrap();
            git(root, &["-c", "user.name=a", "-c", "user.email=a@example.test", "commit", "-q", "-m", file]).unwrap();
            git(root, &["rev-parse", "HEAD"]).unwrap()
        };
        git(root, &["init", "-q"]).unwrap();
        commit_of("README.md");
        assert!(commit(root).unwrap_err().to_string().contains("no migration"));
        commit_of("crates/platform/store/migrations/0001_store.sql");
        let before = commit_of("crates/platform/store/src/lib.rs");
        commit_of("crates/operations/catalog/src/migrations/0002_more.sql");
        commit_of("crates/platform/store/src/tx.rs");
        assert_eq!(commit(root).unwrap(), before);
        // In a work tree of its own, again and again.
        let tree = root.join("target/before");
        for at in [&before, &git(root, &["rev-parse", "HEAD"]).unwrap()] {
            check_out(root, &tree, at).unwrap();
            assert_eq!(git(&tree, &["rev-parse", "HEAD"]).unwrap(), *at);
        }
    }
}
