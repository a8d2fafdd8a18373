//! `audit verify`: whether the record is what it claims to be. Always prints its document.

use super::{Against, far::Far, flaw, live, memory, memory_of, verify_file};
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
    if let (Ok(verdict), Form::Text) = (&verified, output.form())
        && !verdict.ok
    {
        output.problem(&flaw(verdict));
    }
    Ok(if verified.is_ok_and(|verdict| verdict.ok) { Exit::Done } else { Exit::Refused })
}

async fn verify(args: Args, invocation: &Invocation, far: &Far) -> Result<Verdict, Problem> {
    let against = |memory| Against::new(args.key.clone(), args.since.as_deref(), memory);
    match args.file {
        Some(file) => verify_file(file, against(memory(invocation))?).await,
        None => {
            let client = invocation.client()?;
            live::verify(&client, against(memory_of(&client, invocation))?, far).await
        }
    }
}

fn document(verified: &Result<Verdict, Problem>, checked: &str) -> Value {
    match verified {
        Ok(verdict) if verdict.ok => json!(verdict),
        Ok(verdict) => {
            let mut document = json!(verdict);
            if let Some(fields) = document.as_object_mut() {
                fields.insert("problem".to_owned(), json!(flaw(verdict)));
            }
            document
        }
        Err(problem) => json!({
            "ok": false, "size": 0, "root": null, "first_bad": null, "checked": checked, "key": "unpinned",
            "what": problem.what, "problem": problem,
        }),
    }
}
