//! A throw-away PostgreSQL for one run of the tests: a folder of its own, a free port on loopback, gone afterwards.
//! Refuses to touch a server that the system runs.
//!
//! PostgreSQL will not run as root, so root's clusters run as `postgres`, or else as `nobody`. A guard process holds
//! the server and waits on a pipe from xtask: when the pipe closes, because xtask ended in whatever way, `kill -9`
//! included, the guard stops the server and removes the folder.

use crate::machine::{self, Account};
use anyhow::{Context, Result, bail};
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where Debian keeps it, then wherever else the machine does.
pub(crate) const INITDB: &[&str] = &["/usr/lib/postgresql/*/bin/initdb", "initdb"];

/// Tests find the cluster by this name, and make databases of their own in it.
pub(crate) const VARIABLE: &str = "BAILIWICK_TEST_POSTGRES";

/// Many test binaries' worth of pools: tests of one binary run at once, each with nodes that hold several connections.
const CONNECTIONS_MAX: u32 = 300;

/// A start takes a second; ten times that on a loaded machine is still a start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// What a log says when waiting longer is no use.
const FATAL: &[&str] = &["FATAL:  could not", "initdb: error"];

/// Another process may take the free port before the server does.
const ATTEMPTS: u32 = 3;

/// Both signals: before the server listens to any, only TERM ends it; after that, QUIT does not wait for clients.
const GUARD: &str = r#"
trap '' INT HUP
folder=$1; programs=$2; shift 2; server=
cd /
if "$programs/initdb" --username=bailiwick --pwfile="$folder/password" --auth-local=trust --auth-host=password \
    --encoding=UTF8 --no-locale --no-sync --pgdata="$folder/data" </dev/null >"$folder/log" 2>&1
then
  "$programs/postgres" -D "$folder/data" "$@" </dev/null >>"$folder/log" 2>&1 &
  server=$!
fi
cat >/dev/null
if [ -n "$server" ]; then
  kill -TERM "$server" 2>/dev/null
  kill -QUIT "$server" 2>/dev/null
  wait "$server"
fi
rm -rf "$folder"
"#;

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// As in production: what a benchmark must measure.
    Synced,
    /// Never: the folder does not outlive the run.
    Unsynced,
}

/// A running cluster; dropping it stops the server and removes its folder.
pub(crate) struct Cluster {
    guard: Child,
    folder: PathBuf,
    url: String,
}

impl Cluster {
    pub(crate) fn start(durability: Durability) -> Result<Self> {
        let initdb = machine::find(INITDB).context("PostgreSQL is not installed: run `cargo xtask setup`")?;
        let programs = initdb.parent().context("`initdb` stands in no folder")?;
        let owner = owner()?;
        let mut attempt = 1;
        loop {
            match Self::attempt(programs, owner, durability) {
                Err(_) if attempt < ATTEMPTS => attempt += 1,
                started => return started,
            }
        }
    }

    /// A URL of its superuser and of the database `postgres`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn attempt(programs: &Path, owner: Option<Account>, durability: Durability) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("bailiwick-postgres-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .context("making a folder for PostgreSQL")?;
        let password = password()?;
        let password_file = folder.path().join("password");
        fs::write(&password_file, &password)?;
        if let Some(Account { uid, gid }) = owner {
            chown(&password_file, Some(uid), Some(gid))?;
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let folder = folder.keep();
        let guard = guard(programs, owner, &folder, port, durability)?;
        let url = format!("postgres://bailiwick:{password}@127.0.0.1:{port}/postgres");
        let cluster = Self { guard, folder, url };
        cluster.wait_until_ready(programs, port)?;
        Ok(cluster)
    }

    fn wait_until_ready(&self, programs: &Path, port: u16) -> Result<()> {
        let port = port.to_string();
        let begun = Instant::now();
        loop {
            let ready = Command::new(programs.join("pg_isready"))
                .args(["--quiet", "--host=127.0.0.1", "--timeout=1", "--port", &port])
                .status()
                .context("running pg_isready")?;
            if ready.success() {
                return Ok(());
            }
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if begun.elapsed() > START_LIMIT || FATAL.iter().any(|fatal| log.contains(fatal)) {
                bail!("PostgreSQL did not start on port {port}:\n{log}");
            }
            thread::sleep(Duration::from_millis(30));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Who runs the server: nobody else than the caller, unless the caller is root.
fn owner() -> Result<Option<Account>> {
    if !machine::is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(account) = machine::account(name)? {
            return Ok(Some(account));
        }
    }
    bail!("PostgreSQL refuses to run as root, and there is no account `postgres` or `nobody` to run it as");
}

/// Other people on the machine can reach loopback too.
fn password() -> Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes).context("reading random bytes")?;
    Ok(hex::encode(bytes))
}

fn guard(programs: &Path, owner: Option<Account>, folder: &Path, port: u16, durability: Durability) -> Result<Child> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("unix_socket_directories={}", folder.display()),
        format!("max_connections={CONNECTIONS_MAX}"),
        "jit=off".to_owned(),
    ];
    if durability == Durability::Unsynced {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
    let mut command = Command::new("sh");
    command.args(["-c", GUARD, "bailiwick-postgres-guard"]).arg(folder).arg(programs).env("LC_ALL", "C");
    if let Some(Account { uid, gid }) = owner {
        command.uid(uid).gid(gid);
    }
    for setting in settings {
        command.arg("-c").arg(setting);
    }
    // A group of its own: Ctrl-C is for xtask, and the guard acts on its end.
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting PostgreSQL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_answers_and_leaves_nothing_behind() {
        let cluster = Cluster::start(Durability::Unsynced).unwrap();
        let psql = machine::find(INITDB).unwrap().with_file_name("psql");
        let ask = |url: &str| Command::new(&psql).args([url, "-Atc", "SHOW max_connections"]).output().unwrap();

        let answer = ask(cluster.url());
        assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), CONNECTIONS_MAX.to_string(), "{answer:?}");
        let stranger = cluster.url().replace("bailiwick:", "bailiwick:not");
        assert!(!ask(&stranger).status.success(), "a wrong password was let in");

        let (folder, url) = (cluster.folder.clone(), cluster.url().to_owned());
        drop(cluster);
        assert!(!folder.exists());
        assert!(!ask(&url).status.success(), "the server still answers");
    }
}
