//! `audit export`: the record in one file, verified before it is given its name.

use super::{
    Against,
    far::Far,
    flaw,
    live::{download, unwritable},
    memory_of, verify_file,
};
use crate::{exit::Exit, invocation::Invocation, views::verdict::VerdictView};
use ledger::VerifierKey;
use model::Problem;
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The key that the log must be signed with
    #[arg(long)]
    key: Option<VerifierKey>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    if args.out.exists() {
        invocation.confirm(&format!("write over `{}`", args.out.display()))?;
    }
    let client = invocation.client()?;
    let folder = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(|_| unwritable(&args.out))?;
    let far = Far::default();
    let bytes = invocation.watching(|| far.words("exporting"), download(&client, file.as_file_mut(), &far)).await?;
    file.as_file().sync_all().map_err(|_| unwritable(&args.out))?;
    let against = Against::new(args.key, None, memory_of(&client, invocation))?;
    let verdict = invocation.during("verifying", verify_file(file.path().to_owned(), against)).await?;
    // Kept even when it does not verify: it is evidence.
    file.persist(&args.out).map_err(|_| unwritable(&args.out))?;
    let mut document = json!({ "file": args.out.display().to_string(), "bytes": bytes });
    if let (Some(fields), Some(more)) = (document.as_object_mut(), json!(verdict).as_object()) {
        fields.extend(more.clone());
        if !verdict.ok {
            fields.insert("problem".to_owned(), json!(flaw(&verdict)));
        }
    }
    invocation.output.show::<VerdictView>(&document)?;
    Ok(if verdict.ok { Exit::Done } else { Exit::Refused })
}
