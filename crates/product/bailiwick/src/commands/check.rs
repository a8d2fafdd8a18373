//! `check`: every gate, offline, by the same code as on the server. Always prints its document. With `--fix` it first
//! writes the fixes that a machine can make into the files.

use crate::{
    exit::Exit,
    gate::Gate,
    invocation::Invocation,
    junit,
    output::Form,
    sarif,
    typed::word,
    views::{check::CheckView, findings},
};
use catalog::{CheckDocument, Unpacked, Verdict};
use model::{Finding, Problem, ProblemKind, Severity};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Mend what a machine can, in the files themselves
    #[arg(long)]
    fix: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
    Junit,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let checked = invocation.during("running every gate", check(&args, invocation)).await;
    let passed = matches!(&checked, Ok((document, _)) if document.verdict == Verdict::Pass);
    let output = &invocation.output;
    match args.format {
        Format::Text => {
            let mut document = document(&checked);
            // For the next command alone: the document says nothing of where a folder lies.
            if let Some(fields) = document.as_object_mut().filter(|_| output.form() == Form::Text) {
                fields.insert("folder".to_owned(), json!(typed(&args.folder)));
            }
            output.show::<CheckView>(&document)?;
        }
        Format::Json => output.document(&document(&checked)),
        Format::Sarif => output.document(&sarif::document(&found(&checked))),
        Format::Junit => {
            if output.form() == Form::Json {
                output.document(&document(&checked));
            } else {
                output.result(&junit::document(&found(&checked)));
            }
        }
    }
    Ok(if passed { Exit::Done } else { Exit::Refused })
}

/// The folder as it is typed into a shell; nothing for the one that is meant without a word.
fn typed(folder: &Path) -> Option<String> {
    folder.to_str().filter(|text| *text != ".").map(word)
}

/// What the gates say now, and what was mended before.
type Checked = Result<(CheckDocument, Option<Vec<Finding>>), Problem>;

async fn check(args: &Args, invocation: &Invocation) -> Checked {
    let mut unpacked = Unpacked::from_folder(&args.folder)?;
    let gate = Gate::open(invocation.environment.cache())?;
    let mut fixed = None;
    if args.fix {
        let mended = gate.mend(unpacked.clone(), invocation.now()).await?;
        write(&args.folder, &unpacked, &mended.unpacked)?;
        unpacked = mended.unpacked;
        fixed = Some(mended.applied);
    }
    Ok((gate.check(unpacked, invocation.now()).await, fixed))
}

/// Writes the files that changed, and those that are new. What was read is no link, since no app holds one; what was not
/// read is never written over, nor gone through.
fn write(folder: &Path, before: &Unpacked, after: &Unpacked) -> Result<(), Problem> {
    let changed = after.files().filter(|(path, bytes)| before.get(path) != Some(*bytes));
    for (path, bytes) in changed {
        let to = folder.join(path);
        let written = match before.get(path) {
            Some(_) => fs::write(&to, bytes),
            None => create(folder, path, bytes),
        };
        written.map_err(|error| unwritable(path, &error))?;
    }
    Ok(())
}

fn create(folder: &Path, path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut to = folder.to_path_buf();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        to.push(part);
        if parts.peek().is_none() {
            break;
        }
        match fs::symlink_metadata(&to) {
            Ok(there) if there.is_dir() => {}
            Ok(_) => return Err(std::io::ErrorKind::NotADirectory.into()),
            Err(_) => fs::create_dir(&to)?,
        }
    }
    // Refused where anything stands, a link that leads nowhere too (open(2), O_EXCL).
    fs::OpenOptions::new().write(true).create_new(true).open(&to)?.write_all(bytes)
}

fn unwritable(path: &str, error: &std::io::Error) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "check.unwritable",
        format!("`{path}` could not be mended"),
        error.kind().to_string(),
        "make the file yours to write to, or mend it by hand as `bailiwick check` says",
    )
}

fn document(checked: &Checked) -> Value {
    match checked {
        Ok((document, fixed)) => {
            let blocking = document.findings.iter().find(|finding| finding.severity == Severity::Block);
            let mut document = json!(document);
            if let Some(fields) = document.as_object_mut() {
                fields.extend(fixed.as_ref().map(|fixed| ("fixed".to_owned(), json!(fixed))));
                fields.extend(blocking.map(|finding| ("problem".to_owned(), json!(problem(finding)))));
            }
            document
        }
        Err(problem) => json!({ "verdict": "block", "tier": null, "findings": [], "problem": problem }),
    }
}

/// The first finding that blocks, as any refusal is told.
fn problem(finding: &Finding) -> Problem {
    let Finding { code, what, why, fix, .. } = finding.clone();
    Problem { kind: ProblemKind::Unprocessable, code, what, at: findings::place(finding), why, fix, retry_after: None }
}

/// Formats that know findings alone get the problem as one.
fn found(checked: &Checked) -> Vec<Finding> {
    match checked {
        Ok((document, _)) => document.findings.clone(),
        Err(problem) => vec![Finding {
            code: problem.code.clone(),
            severity: Severity::Block,
            file: None,
            line: None,
            column: None,
            what: problem.what.clone(),
            why: problem.why.clone(),
            fix: problem.fix.clone(),
            edits: Vec::new(),
            waiver: None,
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_as_a_shell_reads_it() {
        for (folder, text) in [
            (".", None),
            ("lunch", Some("lunch")),
            ("../a/lunch-2", Some("../a/lunch-2")),
            ("my lunch", Some("'my lunch'")),
            ("bo's", Some(r"'bo'\''s'")),
        ] {
            assert_eq!(typed(Path::new(folder)).as_deref(), text);
        }
    }

    #[test]
    fn a_new_file_goes_through_no_link_and_over_nothing() {
        let (app, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let theirs = outside.path().join("theirs");
        fs::write(&theirs, "theirs").unwrap();
        std::os::unix::fs::symlink(outside.path(), app.path().join("public")).unwrap();
        assert!(create(app.path(), "public/theirs", b"ours").is_err());
        assert!(create(app.path(), "public/new", b"ours").is_err());
        std::os::unix::fs::symlink(outside.path().join("nothing"), app.path().join("page.html")).unwrap();
        assert!(create(app.path(), "page.html", b"ours").is_err());
        create(app.path(), "a/b/page.html", b"ours").unwrap();
        assert!(create(app.path(), "a/b/page.html", b"again").is_err());
        assert_eq!(fs::read(app.path().join("a/b/page.html")).unwrap(), b"ours");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read(theirs).unwrap(), b"theirs");
    }
}
