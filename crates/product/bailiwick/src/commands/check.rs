//! `check`: every gate, offline, by the same code as on the server. Always prints its document.

use crate::{exit::Exit, gate::Gate, invocation::Invocation, junit, output::Form, sarif, views::check::CheckView};
use catalog::{CheckDocument, Unpacked, Verdict};
use model::{Finding, Problem, Severity};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
    Junit,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let checked = invocation.during("running every gate", check(&args.folder, invocation)).await;
    let passed = matches!(&checked, Ok(document) if document.verdict == Verdict::Pass);
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

type Checked = Result<CheckDocument, Problem>;

async fn check(folder: &Path, invocation: &Invocation) -> Checked {
    let unpacked = Unpacked::from_folder(folder)?;
    let gate = Gate::open(invocation.environment.cache())?;
    Ok(gate.check(unpacked, invocation.now()).await)
}

fn document(checked: &Checked) -> Value {
    match checked {
        Ok(document) => json!(document),
        Err(problem) => json!({ "verdict": "block", "tier": null, "findings": [], "problem": problem }),
    }
}

/// Formats that know findings alone get the problem as one.
fn findings(checked: &Checked) -> Vec<Finding> {
    match checked {
        Ok(document) => document.findings.clone(),
        Err(problem) => vec![Finding {
            code: problem.code.clone(),
            severity: Severity::Block,
            file: None,
            line: None,
            column: None,
            what: problem.what.clone(),
            why: problem.why.clone(),
            fix: problem.fix.clone(),
        }],
    }
}
