//! `scan`: searches files for credentials, offline, by the rules that every deploy is judged by.
//!
//! Hidden files are searched too, since that is where credentials lie; `.git` is not: `--history` searches
//! what it remembers.

mod history;

use crate::{exit::Exit, invocation::Invocation, views::check::ScanView};
use ignore::WalkBuilder;
use model::{Finding, Problem, ProblemKind, Severity};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Larger files are named, not read: they would fill memory, and are no source.
const FILE_MAX_BYTES: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file or a folder
    path: PathBuf,
    /// Search what git remembers, too
    #[arg(long)]
    history: bool,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let history = args.history;
    let scanning = tokio::task::spawn_blocking(move || {
        let (files, mut findings) = scan(&args.path)?;
        let mut versions = 0;
        if history {
            let (searched, found) = history::search(&args.path)?;
            versions = searched;
            findings.extend(found);
        }
        Ok::<_, Problem>((files, versions, findings))
    });
    let (files, versions, findings) =
        invocation.during("searching", scanning).await.map_err(|_| Problem::internal())??;
    let blocked = findings.iter().any(|finding| finding.severity == Severity::Block);
    let verdict = if blocked { "block" } else { "pass" };
    let versions = history.then_some(versions);
    let document = json!({ "verdict": verdict, "files": files, "versions": versions, "findings": findings });
    invocation.output.show::<ScanView>(&document)?;
    Ok(if blocked { Exit::Refused } else { Exit::Done })
}

fn scan(path: &Path) -> Result<(u64, Vec<Finding>), Problem> {
    let mut files = 0;
    let mut findings = Vec::new();
    let walk = WalkBuilder::new(path)
        .standard_filters(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_name(Ord::cmp)
        .build();
    for entry in walk {
        let entry = entry.map_err(|_| unreadable(path))?;
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let name = entry.path().display().to_string();
        let size = entry.metadata().map_err(|_| unreadable(entry.path()))?.len();
        if size > FILE_MAX_BYTES {
            findings.push(too_large(name));
            continue;
        }
        let bytes = std::fs::read(entry.path()).map_err(|_| unreadable(entry.path()))?;
        findings.extend(scan::scan_bytes(&name, &bytes));
        files += 1;
    }
    Ok((files, findings))
}

fn too_large(name: String) -> Finding {
    Finding {
        code: "scan.too_large".to_owned(),
        severity: Severity::Note,
        file: Some(name),
        line: None,
        column: None,
        what: "this file was not searched".to_owned(),
        why: "it is larger than 64 MiB".to_owned(),
        fix: "split it, or look through it by other means".to_owned(),
        edits: Vec::new(),
        waiver: None,
    }
}

fn unreadable(path: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "scan.unreadable",
        format!("`{}` cannot be read", path.display()),
        "it is missing, or not yours to read",
        "check the path and its permissions",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_searched_and_git_is_not() {
        let folder = tempfile::tempdir().unwrap();
        // Put together here, so that the source of this test holds no such thing.
        let key = format!(
            "-----BEGIN {}-----\n{}\n-----END {0}-----\n",
            "RSA PRIVATE KEY",
            "MIIEowIBAAKCAQEAx1Yq3v8d5t2KpLw9".repeat(8)
        );
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join(".git/config"), &key).unwrap();
        std::fs::write(folder.path().join("app.js"), "export default {}").unwrap();
        assert_eq!(scan(folder.path()).unwrap(), (1, vec![]));
        std::fs::write(folder.path().join(".env"), &key).unwrap();
        let (files, findings) = scan(folder.path()).unwrap();
        assert_eq!(files, 2);
        assert!(findings.iter().any(|finding| finding.code == "secret.found"), "{findings:?}");
        assert_eq!(scan(&folder.path().join("nowhere")).unwrap_err().code, "scan.unreadable");
    }
}
