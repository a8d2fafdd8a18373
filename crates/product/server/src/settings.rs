//! The data folder, and the keys in it.

use crate::{
    Config, Overrides, Root,
    config::{AskPassphrase, Asked},
};
use model::{Problem, ProblemKind};
use sandbox::Compiler;
use seal::{RootKey, Zeroizing};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use store::Database;

const ROOT_KEY: &str = "root.key";
const LOCKED_KEY: &str = "root.locked";
const DATABASE: &str = "bailiwick.db";

/// Everything that is decided before anything is opened.
#[derive(Debug)]
pub struct Settings {
    pub data: PathBuf,
    pub config: Config,
    /// Where the configuration was read from; it need not be there.
    pub config_file: PathBuf,
    pub database: Database,
    pub root: RootKey,
    /// Free space below which nothing is written.
    pub reserve_bytes: u64,
    /// Who compiles the engine after an update.
    pub compiler: Compiler,
    /// What the listener puts up with; proxies and TLS are the configuration's.
    pub listening: gateway::Listening,
    /// Nothing, unless this server is within another one.
    pub(crate) within: Within,
}

/// What a server within another one has from it: its sandbox, and the most that an app gets.
#[derive(Default)]
pub(crate) struct Within {
    pub(crate) sandbox: Option<Arc<sandbox::Sandbox>>,
    pub(crate) ceiling: Option<catalog::Ceiling>,
}

impl std::fmt::Debug for Within {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Within").field("sandbox", &self.sandbox.is_some()).field("ceiling", &self.ceiling).finish()
    }
}

/// Whether a root key may be made: only together with the database in the same folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstStart {
    Yes,
    No,
}

/// The files of a data folder.
pub mod place {
    /// Where a running server says its address, for clients on the same machine.
    pub const SERVER: &str = "server.json";
    pub const CONFIG: &str = "config.toml";
}

impl Settings {
    /// Makes the folder, reads the configuration, and finds the root key, which is made only together with the database.
    ///
    /// # Errors
    /// Every mistake of the configuration; a folder or key that cannot be used; a database whose key is gone.
    pub fn read(data: PathBuf, config: Option<&Path>, overrides: &Overrides) -> Result<Self, Vec<Problem>> {
        private_folder(&data).map_err(|problem| vec![problem])?;
        let (file, config) = Self::configuration(&data, config, overrides)?;
        let settings = Self::with(data, config, overrides.passphrase).map_err(|problem| vec![problem])?;
        Ok(Self { config_file: file, ..settings })
    }

    /// What the configuration says, and where it would lie; nothing is made.
    ///
    /// # Errors
    /// Every mistake in it.
    pub(crate) fn configuration(
        data: &Path,
        config: Option<&Path>,
        overrides: &Overrides,
    ) -> Result<(PathBuf, Config), Vec<Problem>> {
        let file = config.map_or_else(|| data.join(place::CONFIG), Path::to_path_buf);
        if config.is_some() && !file.exists() {
            return Err(vec![missing(&file)]);
        }
        let config = Config::read(&file, overrides)?;
        Ok((file, config))
    }

    /// The same, with a configuration that was made otherwise.
    ///
    /// # Errors
    /// As `read`.
    pub fn with(data: PathBuf, config: Config, passphrase: Option<AskPassphrase>) -> Result<Self, Problem> {
        private_folder(&data)?;
        let database = database(&data, &config);
        let first_start = match &database {
            Database::Sqlite { path } if !path.exists() => FirstStart::Yes,
            Database::Sqlite { .. } | Database::Postgres { .. } => FirstStart::No,
        };
        let root = root_key(&data, &config, first_start, passphrase.unwrap_or(no_passphrase))?;
        Ok(Self {
            config_file: data.join(place::CONFIG),
            data,
            config,
            database,
            root,
            reserve_bytes: store::RESERVE_BYTES,
            compiler: Compiler::Here,
            listening: gateway::Listening::default(),
            within: Within::default(),
        })
    }
}

/// Where the configuration says that everything is kept.
pub(crate) fn database(data: &Path, config: &Config) -> Database {
    match &config.database {
        Some(url) => Database::Postgres { url: url.clone() },
        None => Database::Sqlite { path: data.join(DATABASE) },
    }
}

/// Refuses a folder from which a server has kept what it saw of the record, where its database is no more: a new one would
/// only be in the way of what is put back.
pub(crate) fn not_lost(data: &Path, config: &Config) -> Result<(), Problem> {
    match database(data, config) {
        Database::Sqlite { path } if !path.exists() && store::has_seen(data) => Err(Problem::new(
            ProblemKind::Unavailable,
            "database.missing",
            format!("there is no database at `{}`", path.display()),
            "a server has run from this data folder, or a restore into it was begun: this is no first start",
            "name the configuration or the database that it had (`--config`, `--database`); if it was lost, put the file back or restore a backup (`bailiwick backup restore`); to begin anew, name another folder with `--data`",
        )),
        Database::Sqlite { .. } | Database::Postgres { .. } => Ok(()),
    }
}

/// The file of the root key, and whether a passphrase locks it.
pub(crate) fn root_path(data: &Path, config: &Config) -> (PathBuf, bool) {
    match &config.root {
        Root::DataFolder => (data.join(ROOT_KEY), false),
        Root::File(path) | Root::Systemd(path) => (path.clone(), false),
        Root::Passphrase(path) => (path.clone().unwrap_or_else(|| data.join(LOCKED_KEY)), true),
    }
}

/// What a disk has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) free_bytes: u64,
    pub(crate) bytes: u64,
    /// How many more files it can hold (inodes).
    pub(crate) free_files: u64,
    /// None where the file system sets no bound.
    pub(crate) files: u64,
}

/// The disk under a folder, or under the nearest one above it that exists.
pub(crate) fn space(folder: &Path) -> Option<Space> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let seen = rustix::fs::statvfs(there).ok()?;
    Some(Space {
        free_bytes: seen.f_bavail.saturating_mul(seen.f_frsize),
        bytes: seen.f_blocks.saturating_mul(seen.f_frsize),
        free_files: seen.f_favail,
        files: seen.f_files,
    })
}

/// The root key, wherever the configuration says that it is.
fn root_key(data: &Path, config: &Config, first: FirstStart, ask: AskPassphrase) -> Result<RootKey, Problem> {
    match &config.root {
        Root::DataFolder => own_file(&data.join(ROOT_KEY), first),
        Root::File(path) => {
            there(path)?;
            RootKey::load_file(path).map_err(|error| key_problem(path, &error))
        }
        Root::Systemd(path) => {
            given(path)?;
            RootKey::load_credential(path).map_err(|error| key_problem(path, &error))
        }
        Root::Passphrase(path) => {
            let path = path.clone().unwrap_or_else(|| data.join(LOCKED_KEY));
            if !path.exists() && first == FirstStart::Yes {
                let root = RootKey::generate();
                let made = root.create_locked_file(&path, &ask(Asked::New)?);
                return made.map(|()| root).map_err(|error| key_problem(&path, &error));
            }
            there(&path)?;
            let passphrase = ask(Asked::Known)?;
            RootKey::load_locked_file(&path, &passphrase).map_err(|error| key_problem(&path, &error))
        }
    }
}

fn own_file(path: &Path, first: FirstStart) -> Result<RootKey, Problem> {
    if !path.exists() {
        if first == FirstStart::No {
            return Err(Problem::new(
                ProblemKind::Unavailable,
                "root_key.missing",
                format!("the root key `{}` is missing", path.display()),
                "what is in the database was sealed with it, and no other key opens it",
                "put the recovery copy of the key back in its place",
            ));
        }
        RootKey::generate().create_file(path).map_err(|error| key_problem(path, &error))?;
    }
    RootKey::load_file(path).map_err(|error| key_problem(path, &error))
}

/// A source that has a name is never made by a server: many nodes share it. A database may be there already.
fn there(path: &Path) -> Result<(), Problem> {
    if path.exists() {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Unavailable,
        "root_key.missing",
        format!("there is no root key at `{}`", path.display()),
        "`[seal] root` names it, and a server never makes a key in a place that many nodes share",
        "put the key that the database was made with, or its recovery copy, there; only for a new database the one that `bailiwick up` makes in an empty folder",
    ))
}

/// Systemd hands a credential to the unit alone.
fn given(path: &Path) -> Result<(), Problem> {
    if path.exists() {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Err(Problem::new(
        ProblemKind::Unavailable,
        "root_key.missing",
        format!("systemd gave this process no credential `{name}`"),
        "`[seal] root` names it, and no other key opens what is in the database",
        format!("write `LoadCredentialEncrypted={name}:PATH` into the unit, and start it by systemd"),
    ))
}

fn key_problem(path: &Path, error: &seal::Error) -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "root_key.unusable",
        format!("the root key `{}` cannot be used", path.display()),
        error.to_string(),
        key_fix(path, error),
    )
}

/// What mends a key file that cannot be used.
pub(crate) fn key_fix(path: &Path, error: &seal::Error) -> String {
    let path = path.display();
    if matches!(error, seal::Error::WrongPassphrase) {
        "start again, and type it as it was chosen".to_owned()
    } else if matches!(error, seal::Error::ShortPassphrase) {
        "choose some words that nobody would guess together".to_owned()
    } else if matches!(error, seal::Error::KeyFileMalformed { .. }) {
        format!("put another copy of the key at `{path}`: it is one line, and this one lost or changed a letter of it")
    } else if matches!(error, seal::Error::KeyFileOpen { .. }) {
        format!("only the server's own user may read it: `chmod 600 {path}`")
    } else {
        format!("`{path}` and its folders are for the server's own user to read and write: run this as that user")
    }
}

/// Nobody else may look into the data folder.
fn private_folder(data: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    let open = made.and_then(|()| std::fs::metadata(data)).map(|about| about.permissions().mode() & 0o077);
    match open {
        Ok(0) => Ok(()),
        Ok(_) => std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700)).map_err(|_| folder(data)),
        Err(_) => Err(folder(data)),
    }
}

fn folder(data: &Path) -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "data.folder",
        format!("the data folder `{}` cannot be used", data.display()),
        "it cannot be made, or is not this user's own",
        "choose another with `--data`, or change its owner",
    )
}

fn no_passphrase(_asked: Asked) -> Result<Zeroizing<String>, Problem> {
    Err(Problem::new(
        ProblemKind::Unavailable,
        "root_key.no_passphrase",
        "there is nobody to ask for the passphrase of the root key",
        "`[seal] root` is `passphrase`",
        "start `bailiwick up` in a terminal, or send the passphrase to its standard input",
    ))
}

fn missing(file: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "config.missing",
        format!("there is no configuration at `{}`", file.display()),
        "`--config` names a file that must be there",
        "check the path; without `--config`, `config.toml` of the data folder is read if it exists",
    )
}
