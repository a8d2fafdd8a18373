//! `check`: every gate, offline, by the same code as on the server. Always prints its document. With `--fix` it first
//! writes the fixes that a machine can make into the files.

use crate::{exit::Exit, gate::Gate, invocation::Invocation, junit, output::Form, sarif, views::check::CheckView};
use catalog::{CheckDocument, Unpacked, Verdict};
use model::{Finding, Problem, ProblemKind, Severity};
use serde_json::{Value, json};
use std::{
    fs,
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
        Format::Text => output.show::<CheckView>(&document(&checked))?,
        Format::Json => output.document(&document(&checked)),
        Format::Sarif => output.document(&sarif::document(&findings(&checked))),
        Format::Junit => {
            if output.form() == Form::Json {
                output.document(&document(&checked));
            } else {
                output.result(&junit::document(&findings(&checked)));
            }
        }
    }
    Ok(if passed { Exit::Done } else { Exit::Refused })
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

/// Writes the files that changed; a link is none of them, since no app holds one.
fn write(folder: &Path, before: &Unpacked, after: &Unpacked) -> Result<(), Problem> {
    let changed = after.files().filter(|(path, bytes)| before.get(path) != Some(*bytes));
    for (path, bytes) in changed {
        fs::write(folder.join(path), bytes).map_err(|error| unwritable(path, &error))?;
    }
    Ok(())
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
            let mut document = json!(document);
            if let (Some(fixed), Some(fields)) = (fixed, document.as_object_mut()) {
                fields.insert("fixed".to_owned(), json!(fixed));
            }
            document
        }
        Err(problem) => json!({ "verdict": "block", "tier": null, "findings": [], "problem": problem }),
    }
}

/// Formats that know findings alone get the problem as one.
fn findings(checked: &Checked) -> Vec<Finding> {
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
        }],
    }
}
