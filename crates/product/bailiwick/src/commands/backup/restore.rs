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
use seal::RecoveryKey;
use serde_json::json;
use server::{Config, Configuration, Contents, Overrides, Restore, Scratch, Settings, Unproven, place};
use std::{
    fs,
    path::{Path, PathBuf},
};

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
    /// Configuration: where it is, or where it is restored to [default: config.toml in the data folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// `postgres://…` instead of SQLite in the data folder
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The root key's recovery copy, wherever it lies [default: where a start looks for the key]
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
    let overrides = Overrides {
        database: args.database.clone(),
        root: args.root_key.as_ref().map(|path| path.display().to_string()),
        passphrase: Some(prompt::passphrase),
        ..Overrides::default()
    };
    let scratch = Scratch::within(&data).map_err(|error| file_problem(&data, error, "make room there"))?;
    let file = args.config.clone().unwrap_or_else(|| data.join(place::CONFIG));
    let unproven = unproven(args.accept_unproven, invocation);
    let way = Way { args, key, data, file, overrides, unproven };
    let judged = match way.given(scratch.path(), invocation).await {
        Ok(given) => way.judged(&given).map(|judged| (given, judged)),
        Err(problems) => Err(problems),
    };
    let (given, (configuration, settings)) = match judged {
        Ok(judged) => judged,
        Err(problems) => return Ok(refused(invocation, &problems)),
    };
    let Way { args, key, data, file, .. } = way;
    let mut document = json!({});
    if let Some(configuration) = configuration {
        document = json!({ "configuration": configuration.restore(&data, &file)? });
    }
    if let Some((file, settings)) = given.rows.zip(settings) {
        let restore = Restore { file, key, settings, unproven, system_user: invocation.environment.system_user() };
        let restored = invocation.during("restoring", restore.run()).await?;
        let with = document.as_object_mut().zip(json!(restored).as_object().cloned());
        if let Some((document, restored)) = with {
            document.extend(restored);
        }
    }
    if let Some(fields) = document.as_object_mut() {
        fields.insert("data".to_owned(), json!(data.display().to_string()));
        // The key was only lent: a start does not find it.
        let put = args.root_key.zip(server::root_to_put(&data, args.config.as_deref()));
        let put = put
            .map(|(copy, place)| json!({ "copy": copy.display().to_string(), "place": place.display().to_string() }));
        fields.insert("root_key".to_owned(), json!(put));
        fields.insert("config".to_owned(), json!(args.config.map(|file| file.display().to_string())));
    }
    if document.get("rows").is_some() {
        invocation.output.show::<RestoredView>(&document)?;
    } else {
        invocation.output.show::<ConfiguredView>(&document)?;
    }
    Ok(Exit::Done)
}

/// Where to, and by what.
struct Way {
    args: Args,
    key: RecoveryKey,
    data: PathBuf,
    /// Of the configuration.
    file: PathBuf,
    overrides: Overrides,
    unproven: Unproven,
}

/// The backups, as files.
#[derive(Default)]
struct Given {
    configuration: Option<PathBuf>,
    rows: Option<PathBuf>,
}

impl Way {
    async fn given(&self, scratch: &Path, invocation: &Invocation) -> Result<Given, Vec<Problem>> {
        let mut given = Given::default();
        for backup in &self.args.backups {
            let found = local(backup, &self.file, &self.overrides, scratch);
            let file = invocation.during("fetching", found).await?;
            let slot = match server::contents(&file, &self.key).map_err(|problem| vec![problem])? {
                Contents::Configuration => &mut given.configuration,
                Contents::Data => &mut given.rows,
            };
            if slot.replace(file).is_some() {
                return Err(vec![twice()]);
            }
        }
        Ok(given)
    }

    /// Everything that can be wrong before anything is written: the data is restored by the configuration that comes with it.
    fn judged(&self, given: &Given) -> Result<(Option<Configuration>, Option<Settings>), Vec<Problem>> {
        let by = |config| Settings::for_restore_by(self.data.clone(), self.file.clone(), config, &self.overrides);
        let Some(backup) = &given.configuration else {
            let settings = Settings::for_restore(self.data.clone(), self.args.config.as_deref(), &self.overrides)?;
            return Ok((None, Some(settings)));
        };
        // Whose it is shows by a root key that was known before any of it is read.
        let root = match &self.args.root_key {
            Some(path) => root_key(path).map_err(|problem| vec![problem])?,
            None => by(Config::read(&self.file, &self.overrides)?)?.root,
        };
        let opened = Configuration::open(backup, &self.key, &root, self.unproven);
        let configuration = opened.map_err(|problem| vec![problem])?;
        if given.rows.is_none() {
            return Ok((Some(configuration), None));
        }
        let config = configuration.config(&self.file, &self.overrides);
        let config = config.map_err(|problems| problems.into_iter().map(beside).collect::<Vec<_>>())?;
        let settings = by(config)?;
        Ok((Some(configuration), Some(settings)))
    }
}

/// Of a configuration that is in a backup.
fn beside(mut problem: Problem) -> Problem {
    problem.fix = format!(
        "{}. Backups hold no file that a configuration names: bring your own there first. Nothing was restored",
        problem.fix
    );
    problem
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
