//! The data folder, and the keys in it.

use crate::{Config, Overrides};
use model::{Problem, ProblemKind};
use seal::RootKey;
use std::path::{Path, PathBuf};
use store::Database;

const ROOT_KEY: &str = "root.key";
const DATABASE: &str = "bailiwick.db";

/// Everything that is decided before anything is opened.
#[derive(Debug)]
pub struct Settings {
    pub data: PathBuf,
    pub config: Config,
    pub database: Database,
    pub root: RootKey,
    /// Free space below which nothing is written.
    pub reserve_bytes: u64,
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
        let file = config.map_or_else(|| data.join(place::CONFIG), Path::to_path_buf);
        if config.is_some() && !file.exists() {
            return Err(vec![missing(&file)]);
        }
        Self::with(data, Config::read(&file, overrides)?).map_err(|problem| vec![problem])
    }

    /// The same, with a configuration that was made otherwise.
    ///
    /// # Errors
    /// As `read`.
    pub fn with(data: PathBuf, config: Config) -> Result<Self, Problem> {
        private_folder(&data)?;
        let path = data.join(DATABASE);
        let (database, first_start) = match &config.database {
            Some(url) => (Database::Postgres { url: url.clone() }, FirstStart::No),
            None => {
                (Database::Sqlite { path: path.clone() }, if path.exists() { FirstStart::No } else { FirstStart::Yes })
            }
        };
        let root = root_key(&data, &config, first_start)?;
        Ok(Self { data, config, database, root, reserve_bytes: store::RESERVE_BYTES })
    }
}

fn root_key(data: &Path, config: &Config, first: FirstStart) -> Result<RootKey, Problem> {
    let path = config.root.clone().unwrap_or_else(|| data.join(ROOT_KEY));
    let named = config.root.is_some();
    if !path.exists() {
        if first == FirstStart::No && !named {
            return Err(Problem::new(
                ProblemKind::Unavailable,
                "root_key.missing",
                format!("the root key `{}` is missing", path.display()),
                "what is in the database was sealed with it, and no other key opens it",
                "put the recovery copy of the key back in its place",
            ));
        }
        if named {
            return Err(Problem::new(
                ProblemKind::Unavailable,
                "root_key.missing",
                format!("there is no root key at `{}`", path.display()),
                "`[seal] root` names a file, and a server never makes a key in a place that many nodes share",
                format!(
                    "take the `root.key` that `bailiwick up` makes in an empty folder, and put it at `{}`",
                    path.display()
                ),
            ));
        }
        RootKey::generate().create_file(&path).map_err(|error| key_problem(&path, &error))?;
    }
    RootKey::load_file(&path).map_err(|error| key_problem(&path, &error))
}

fn key_problem(path: &Path, error: &seal::Error) -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "root_key.unusable",
        format!("the root key `{}` cannot be used", path.display()),
        error.to_string(),
        format!("only the server's own user may read it: `chmod 600 {}`", path.display()),
    )
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

fn missing(file: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "config.missing",
        format!("there is no configuration at `{}`", file.display()),
        "`--config` names a file that must be there",
        "check the path; without `--config`, `config.toml` of the data folder is read if it exists",
    )
}
