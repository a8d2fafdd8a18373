//! Logins that this person keeps: one file for each server, readable by them alone, with the session that the console
//! confirmed. The newest says which server is meant when nothing else does.

use crate::place::Environment;
use model::{Clock as _, Problem, ProblemKind, SystemClock, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// One login.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Login {
    /// Scheme, host and port of the server.
    pub(crate) server: String,
    pub(crate) person: String,
    pub(crate) session: String,
    pub(crate) expires_at: Timestamp,
    /// The session itself: whoever reads it is this person.
    pub(crate) token: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("server", &self.server).field("person", &self.person).finish_non_exhaustive()
    }
}

impl Login {
    /// The login to a server, if there is one that lasts.
    ///
    /// # Errors
    /// A file that others may read.
    pub(crate) fn load(environment: &Environment, server: &str) -> Result<Option<Self>, Problem> {
        let Some(file) = environment.logins().map(|folder| file(&folder, server)) else { return Ok(None) };
        let Ok(text) = fs::read_to_string(&file) else { return Ok(None) };
        if fs::metadata(&file).is_ok_and(|about| about.permissions().mode() & 0o077 != 0) {
            return Err(readable(&file));
        }
        let login: Option<Self> = serde_json::from_str(&text).ok();
        Ok(login.filter(|login| login.server == server && SystemClock.now() < login.expires_at))
    }

    /// The server of the newest login that lasts.
    pub(crate) fn newest(environment: &Environment) -> Option<String> {
        let folder = environment.logins()?;
        let mut files: Vec<_> = fs::read_dir(folder).ok()?.filter_map(Result::ok).collect();
        files.sort_by_key(|file| file.metadata().and_then(|about| about.modified()).ok());
        let read = |file: fs::DirEntry| serde_json::from_str::<Self>(&fs::read_to_string(file.path()).ok()?).ok();
        let mut logins = files.into_iter().rev().filter_map(read);
        logins.find(|login| SystemClock.now() < login.expires_at).map(|login| login.server)
    }

    /// Keeps it, under this person's eyes alone.
    ///
    /// # Errors
    /// No home; a folder that cannot be written.
    pub(crate) fn keep(&self, environment: &Environment) -> Result<(), Problem> {
        let folder = environment.logins().ok_or_else(homeless)?;
        let written = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).and_then(|()| {
            let path = file(&folder, &self.server);
            let fresh = path.with_extension("new");
            drop(fs::remove_file(&fresh));
            let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            open.write_all(serde_json::to_string(self)?.as_bytes())?;
            open.sync_all()?;
            fs::rename(&fresh, &path)
        });
        written.map_err(|error| unkept(&folder, &error))
    }

    /// Forgets it.
    pub(crate) fn forget(&self, environment: &Environment) {
        if let Some(folder) = environment.logins() {
            drop(fs::remove_file(file(&folder, &self.server)));
        }
    }
}

fn file(folder: &Path, server: &str) -> PathBuf {
    let name: String = server.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect();
    folder.join(format!("{name}.json"))
}

fn readable(file: &Path) -> Problem {
    Problem::new(
        ProblemKind::Unauthenticated,
        "login.readable",
        "the login cannot be used",
        "its file can be read by other users of this machine, so it may be theirs already",
        format!("end it in the console, under `Where I am signed in`, and delete `{}`", file.display()),
    )
    .at(file.display().to_string())
}

fn homeless() -> Problem {
    Problem::new(
        ProblemKind::Internal,
        "login.unkept",
        "the login cannot be kept",
        "there is no home folder",
        "set `HOME`",
    )
}

fn unkept(folder: &Path, error: &io::Error) -> Problem {
    Problem::new(
        ProblemKind::Internal,
        "login.unkept",
        format!("the login cannot be kept in `{}`", folder.display()),
        error.kind().to_string(),
        "make that folder writable for yourself",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn login(server: &str, token: &str) -> Login {
        Login {
            server: server.to_owned(),
            person: "ana@example.test".to_owned(),
            session: "s1".to_owned(),
            expires_at: SystemClock.now().plus(Duration::from_secs(60)),
            token: token.to_owned(),
        }
    }

    #[test]
    fn a_login_is_kept_for_its_person_alone_and_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::at(home.path());
        assert_eq!(Login::newest(&environment), None);
        login("https://b.example", "t1").keep(&environment).unwrap();
        login("https://b.example", "t2").keep(&environment).unwrap();
        let kept = Login::load(&environment, "https://b.example").unwrap().unwrap();
        assert_eq!((kept.token.as_str(), Login::newest(&environment).as_deref()), ("t2", Some("https://b.example")));
        assert!(!format!("{kept:?}").contains("t2"));
        assert!(Login::load(&environment, "https://c.example").unwrap().is_none());
        let file = file(&environment.logins().unwrap(), "https://b.example");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(Login::load(&environment, "https://b.example").unwrap_err().code, "login.readable");
        let taken = tempfile::NamedTempFile::new().unwrap();
        let unkept = login("https://b.example", "t1").keep(&Environment::at(taken.path())).unwrap_err();
        assert!(unkept.what.contains(&taken.path().display().to_string()), "{unkept}");
        kept.forget(&environment);
        assert!(Login::load(&environment, "https://b.example").unwrap().is_none());
    }
}
