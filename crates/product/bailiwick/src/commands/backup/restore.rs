//! `backup restore`: fills an empty data folder, or an empty PostgreSQL, from backups and the recovery key: data,
//! configuration, or both. The root key comes from its own copy.

use super::{file_problem, local, recovery_key, root_key, unproven};
use crate::{
    commands::up::no_folder,
    exit::Exit,
    invocation::Invocation,
    prompt,
    views::backup::{ConfiguredView, RestoredView},
};
use model::{Problem, ProblemKind};
use serde_json::json;
use server::{Contents, Overrides, Restore, Settings, place};
use std::{fs, path::PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The backup: of the data, of the configuration, or one of each. A file, or a name of `backup list`, or `latest`
    #[arg(required = true, num_args = 1..=2)]
    backups: Vec<String>,
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
    /// The root key's recovery copy, to see by whom the backups were made [default: as for a start]
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Take backups that do not prove that a server of this root key made them: of an older version, say
    #[arg(long)]
    accept_unproven: bool,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let key = recovery_key(&args.key)?;
    let data = args.data.clone().or_else(|| invocation.environment.data()).ok_or_else(no_folder)?;
    fs::create_dir_all(&data).map_err(|error| file_problem(&data, error, "name a folder that you can write to"))?;
    let overrides =
        Overrides { database: args.database.clone(), passphrase: Some(prompt::passphrase), ..Overrides::default() };
    let fetched = tempfile::tempdir_in(&data).map_err(|error| file_problem(&data, error, "make room there"))?;
    let (mut configuration, mut rows) = (None, None);
    let file = args.config.clone().unwrap_or_else(|| data.join(place::CONFIG));
    for backup in &args.backups {
        let found = local(backup, &file, &overrides, fetched.path());
        let file = match invocation.during("fetching", found).await {
            Ok(file) => file,
            Err(problems) => return Ok(refused(invocation, &problems)),
        };
        let slot = match server::contents(&file, &key)? {
            Contents::Configuration => &mut configuration,
            Contents::Data => &mut rows,
        };
        if slot.replace(file).is_some() {
            return Err(twice());
        }
    }
    let unproven = unproven(args.accept_unproven, invocation);
    let mut document = json!({});
    if let Some(file) = configuration {
        let root = match &args.root_key {
            Some(path) => root_key(path)?,
            None => match Settings::for_restore(data.clone(), args.config.as_deref(), &overrides) {
                Ok(settings) => settings.root,
                Err(problems) => return Ok(refused(invocation, &problems)),
            },
        };
        document = json!({ "configuration": server::config_restore(&file, &key, &root, unproven, &data)? });
    }
    if let Some(file) = rows {
        let settings = match Settings::for_restore(data.clone(), args.config.as_deref(), &overrides) {
            Ok(settings) => settings,
            Err(problems) => return Ok(refused(invocation, &problems)),
        };
        let restore = Restore { file, key, settings, unproven, system_user: invocation.environment.system_user() };
        let restored = invocation.during("restoring", restore.run()).await?;
        let with = document.as_object_mut().zip(json!(restored).as_object().cloned());
        if let Some((document, restored)) = with {
            document.extend(restored);
        }
    }
    if let Some(fields) = document.as_object_mut() {
        fields.insert("data".to_owned(), json!(data.display().to_string()));
    }
    if document.get("rows").is_some() {
        invocation.output.show::<RestoredView>(&document)?;
    } else {
        invocation.output.show::<ConfiguredView>(&document)?;
    }
    Ok(Exit::Done)
}

fn refused(invocation: &Invocation, problems: &[Problem]) -> Exit {
    invocation.output.problems(problems);
    Exit::Refused
}

fn twice() -> Problem {
    let what = "two backups of the same kind were given";
    let why = "one holds the data and one the configuration, and each is restored once";
    Problem::new(ProblemKind::Invalid, "backup.twice", what, why, "give one of each, or one alone")
}
