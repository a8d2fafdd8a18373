//! The real program in a process of its own: started as people start it, killed without a word, started again.

use crate::{Engine, Machine, Postgres, town::kept};
use std::{
    ops::Deref,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{Duration, timeout},
};

/// Far beyond what a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// `bailiwick up` on a data folder and a database of its own; killed when dropped.
pub struct Process {
    pub folder: TempDir,
    pub database: Option<Postgres>,
    binary: PathBuf,
    log: String,
    environment: Vec<(&'static str, PathBuf)>,
    machine: Machine,
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Deref for Process {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl Process {
    /// Starts `binary`, with more lines of configuration and `RUST_LOG`.
    pub async fn start(binary: &str, engine: Engine, more: &str, log: &str) -> Self {
        Self::start_after_kills(binary, engine, more, log, &[]).await
    }

    /// The same, with more in its environment.
    pub async fn start_within(
        binary: &str,
        engine: Engine,
        more: &str,
        log: &str,
        environment: &[(&'static str, PathBuf)],
    ) -> Self {
        Self::start_as(binary, engine, more, log, (&[], environment)).await
    }

    /// The same, after first starts that were killed unless they were ready within these times.
    pub async fn start_after_kills(binary: &str, engine: Engine, more: &str, log: &str, kills: &[Duration]) -> Self {
        Self::start_as(binary, engine, more, log, (kills, &[])).await
    }

    async fn start_as(
        binary: &str,
        engine: Engine,
        more: &str,
        log: &str,
        (kills, environment): (&[Duration], &[(&'static str, PathBuf)]),
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Postgres::create().await),
        };
        let line = database.as_ref().map(|database| format!("database = \"{}\"\n", database.url)).unwrap_or_default();
        let root = kept().join("root.key");
        let text = format!("[server]\n{line}[seal]\nroot = \"file:{}\"\n{more}", root.display());
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(kept().join("cache"), data.join("cache")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let said = Arc::<Mutex<String>>::default();
        let (binary, log) = (PathBuf::from(binary), log.to_owned());
        for within in kills {
            let mut child = spawn(&binary, folder.path(), port, (&log, environment));
            drop(timeout(*within, ready(&mut child, &said)).await);
            child.kill().await.unwrap();
        }
        let mut child = spawn(&binary, folder.path(), port, (&log, environment));
        assert!(ready(&mut child, &said).await, "{}", errors(folder.path()));
        Self {
            machine: Machine::of(&data, port, format!("http://localhost:{port}")),
            folder,
            database,
            binary,
            log,
            environment: environment.to_vec(),
            child,
            said,
        }
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Kills it at once (`SIGKILL`), whatever it does.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop (`SIGTERM`), and waits until it has.
    pub async fn stop(&mut self) {
        let asked = Command::new("kill").arg(self.id().to_string()).status().await.unwrap();
        assert!(asked.success());
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("it stops").unwrap();
        assert!(ended.success(), "{ended}\n{}", self.errors());
    }

    /// Starts it again on what it left.
    pub async fn again(&mut self) {
        self.child = spawn(&self.binary, self.folder.path(), self.machine.port, (&self.log, &self.environment));
        assert!(ready(&mut self.child, &self.said).await, "{}", self.errors());
    }

    /// Starts it again, and kills it before it is ready when that takes longer than `within`.
    pub async fn again_unless(&mut self, within: Duration) -> bool {
        self.child = spawn(&self.binary, self.folder.path(), self.machine.port, (&self.log, &self.environment));
        match timeout(within, ready(&mut self.child, &self.said)).await {
            Ok(ready) => {
                assert!(ready, "{}", self.errors());
                true
            }
            Err(_) => {
                self.kill().await;
                false
            }
        }
    }

    /// Runs a command of the program against it, as its own user would.
    pub async fn run(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(&self.binary)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("BAILIWICK_DATA", self.data())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap()
    }

    /// What it wrote on standard output in all its runs.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it wrote on standard error in all its runs.
    #[must_use]
    pub fn errors(&self) -> String {
        errors(self.folder.path())
    }
}

fn errors(folder: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(folder.join("stderr")).unwrap()).into_owned()
}

fn spawn(binary: &Path, folder: &Path, port: u16, (log, environment): (&str, &[(&'static str, PathBuf)])) -> Child {
    let stderr = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("stderr")).unwrap();
    Command::new(binary)
        .args(["up", "--listen", &format!("127.0.0.1:{port}")])
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--config")
        .arg(folder.join("config.toml"))
        .env_clear()
        .env("HOME", folder)
        .env("RUST_LOG", log)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Whether it says that it serves before it ends; what it says is kept on.
async fn ready(child: &mut Child, said: &Arc<Mutex<String>>) -> bool {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = Arc::clone(said);
    let keep = move |line: &str| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push_str(line);
        said.push('\n');
    };
    let waited = timeout(PATIENCE, async {
        while let Ok(Some(line)) = lines.next_line().await {
            keep(&line);
            if line.starts_with("ready ") {
                return true;
            }
        }
        false
    });
    let ready = waited.await.unwrap_or(false);
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            keep(&line);
        }
    });
    ready
}
