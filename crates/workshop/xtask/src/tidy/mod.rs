//! `cargo xtask tidy`: the rules of the house that no compiler knows, each with its reason and its way out.
//! Reads text and decides; refuses to change a file.

mod files;
mod floors;
mod kept;
mod left;
mod lexed;
mod links;
mod manifests;
mod messages;
mod queries;
mod steps;

pub(crate) use messages::write as write_messages;

use crate::screen;
use crate::step::Verdict;
use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &["target", ".git", "node_modules"];

/// What is wrong, where, why that matters and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Relative to the work tree, with `/`.
    file: String,
    /// 1-based.
    line: usize,
    what: String,
    why: &'static str,
    fix: String,
    weight: Weight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Said, and let through.
    Warning,
    /// Stops the run.
    Error,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, what, why, fix, weight } = self;
        let warning = if *weight == Weight::Warning { "warning: " } else { "" };
        write!(f, "{file}:{line}: {warning}{what}\n    why: {why}\n    fix: {fix}")
    }
}

/// One text file of the work tree.
struct File {
    /// Relative to the work tree, with `/`.
    path: String,
    text: String,
}

impl File {
    /// Rust of the house: under `crates/`.
    fn is_house_rust(&self) -> bool {
        self.path.starts_with("crates/") && self.has_extension("rs")
    }

    /// Code that only tests see; test modules inside other files are `lexed`'s to find.
    fn is_test(&self) -> bool {
        let mut parts = self.path.rsplit('/');
        let name = parts.next().unwrap_or_default();
        name == "tests.rs" || name.ends_with("_tests.rs") || parts.any(|part| part == "tests" || part == "benches")
    }

    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Lines with their 1-based numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

type Rule = fn(&Path, &[File], &mut Vec<Complaint>) -> Result<()>;

const RULES: &[Rule] = &[
    files::check,
    queries::check,
    steps::check,
    floors::check,
    kept::check,
    links::check,
    left::check,
    messages::check,
];

/// The command.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let complaints = complaints(root)?;
    let errors = complaints.iter().filter(|complaint| complaint.weight == Weight::Error).count();
    complaints.iter().for_each(screen::say);
    screen::say(format_args!("tidy: {errors} to mend, {} to think about", complaints.len() - errors));
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The step of a longer run: warnings alone say nothing there.
pub(crate) fn check(root: &Path) -> Result<Verdict> {
    let errors: Vec<String> = complaints(root)?
        .into_iter()
        .filter(|complaint| complaint.weight == Weight::Error)
        .map(|complaint| complaint.to_string())
        .collect();
    Ok(if errors.is_empty() { Verdict::Passed } else { Verdict::Failed(errors) })
}

/// Every file that is read, by its path.
fn gathered(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    gather(root, root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn complaints(root: &Path) -> Result<Vec<Complaint>> {
    let files = gathered(root)?;
    let mut complaints = Vec::new();
    for rule in RULES {
        rule(root, &files, &mut complaints)?;
    }
    complaints.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(complaints)
}

fn gather(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                gather(root, &path, files)?;
            }
        } else if kind.is_file() && is_read(&path) {
            let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            let text = String::from_utf8_lossy(&text).into_owned();
            files.push(File { path: relative(root, &path), text });
        }
    }
    Ok(())
}

fn is_read(path: &Path) -> bool {
    const READ: &[&str] = &["rs", "js", "ts", "rego", "md", "toml", "html", "css", "sql"];
    path.extension().is_some_and(|extension| READ.iter().any(|read| extension == *read))
}

fn relative(root: &Path, path: &Path) -> String {
    let inside: PathBuf = path.strip_prefix(root).unwrap_or(path).to_owned();
    inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// A tree of files for the rules' own tests, and what all rules say of it: `file:line: what`.
#[cfg(test)]
fn said_of(tree: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in tree {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    complaints(folder.path())
        .unwrap()
        .iter()
        .map(|found| format!("{}:{}: {}", found.file, found.line, found.what))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_says_where_what_why_and_how_to_mend_it() {
        let complaint = Complaint {
            file: "crates/a.rs".to_owned(),
            line: 3,
            what: "it is long".to_owned(),
            why: "nobody reads it",
            fix: "split it".to_owned(),
            weight: Weight::Warning,
        };
        assert_eq!(
            complaint.to_string(),
            "crates/a.rs:3: warning: it is long\n    why: nobody reads it\n    fix: split it"
        );
    }

    #[test]
    fn what_is_built_or_not_ours_is_not_read() {
        let bad = "fn main() {}";
        assert!(
            said_of(&[
                ("target/crates/a.rs", bad),
                (".git/a.rs", bad),
                ("crates/x/target/a.rs", bad),
                ("fuzz/a.rs", bad)
            ])
            .is_empty()
        );
    }
}
