//! `backup restore`: fills an empty data folder, or an empty PostgreSQL, from a backup and the recovery key. The root key
//! comes from its own copy.

use super::recovery_key;
use crate::{exit::Exit, invocation::Invocation, prompt, views::backup::RestoredView};
use model::Problem;
use serde_json::json;
use server::{Overrides, Restore, Settings};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The backup
    file: PathBuf,
    /// The recovery key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The folder to fill [env: BAILIWICK_DATA] [default: ~/.local/share/bailiwick]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration [default: config.toml in the data folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// `postgres://…` instead of SQLite in the data folder
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let key = recovery_key(&args.key)?;
    let data = args.data.or_else(|| invocation.environment.data()).ok_or_else(Problem::internal)?;
    let overrides = Overrides { database: args.database, passphrase: Some(prompt::passphrase), ..Overrides::default() };
    let settings = match Settings::for_restore(data.clone(), args.config.as_deref(), &overrides) {
        Ok(settings) => settings,
        Err(problems) => {
            invocation.output.problems(&problems);
            return Ok(Exit::Refused);
        }
    };
    let system_user = invocation.environment.system_user();
    let restore = Restore { file: args.file, key, settings, system_user };
    let restored = invocation.during("restoring", restore.run()).await?;
    let mut document = json!(restored);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("data".to_owned(), json!(data.display().to_string()));
    }
    invocation.output.show::<RestoredView>(&document)?;
    Ok(Exit::Done)
}
