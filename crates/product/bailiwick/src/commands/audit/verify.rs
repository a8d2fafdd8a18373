//! `audit verify`: whether the record is what it claims to be. Always prints its document.

use super::{Against, far::Far, live, verify_file};
use crate::{exit::Exit, invocation::Invocation, output::Form, views::verdict::VerdictView};
use ledger::{Verdict, VerifierKey};
use model::Problem;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An export; without, the server's record
    file: Option<PathBuf>,
    /// A file with a checkpoint that you kept: the record must continue it
    #[arg(long, value_name = "CHECKPOINT")]
    since: Option<PathBuf>,
    /// The key that the log must be signed with
    #[arg(long)]
    key: Option<VerifierKey>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let checked = if args.file.is_some() { "export" } else { "live" };
    let far = Far::default();
    let verified = invocation.watching(|| far.words("verifying"), verify(args, invocation, &far)).await;
    let output = &invocation.output;
    match (&verified, output.form()) {
        (Err(problem), Form::Text) => output.problem(problem),
        (verified, _) => output.show::<VerdictView>(&document(verified, checked))?,
    }
    Ok(if verified.is_ok_and(|verdict| verdict.ok) { Exit::Done } else { Exit::Refused })
}

async fn verify(args: Args, invocation: &Invocation, far: &Far) -> Result<Verdict, Problem> {
    let against = Against::new(args.key, args.since.as_deref(), invocation)?;
    match args.file {
        Some(file) => verify_file(file, against).await,
        None => live::verify(&invocation.client()?, against, far).await,
    }
}

fn document(verified: &Result<Verdict, Problem>, checked: &str) -> Value {
    match verified {
        Ok(verdict) => json!(verdict),
        Err(problem) => json!({
            "ok": false, "size": 0, "root": null, "first_bad": null, "checked": checked, "key": "unpinned",
            "what": problem.what, "problem": problem,
        }),
    }
}
