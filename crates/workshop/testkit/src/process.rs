//! The real program in a process of its own: started as people start it, killed without a word, started again.

use crate::{Cable, Engine, Machine, Postgres, Wires, town::kept};
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
    /// Between it and its PostgreSQL, if it was put there.
    pub cable: Option<Cable>,
    start: Start,
    machine: Machine,
    child: Child,
    said: Arc<Mutex<String>>,
}

/// Where one is started.
struct Place {
    folder: TempDir,
    database: Option<Postgres>,
    /// Of the database as the configuration names it.
    url: Option<String>,
    cable: Option<Cable>,
}

impl Place {
    async fn on(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self { folder: TempDir::new().unwrap(), database: None, url: None, cable: None },
            Engine::Postgres => Self::at(Postgres::create().await),
        }
    }

    fn at(database: Postgres) -> Self {
        let url = Some(database.url.clone());
        Self { folder: TempDir::new().unwrap(), database: Some(database), url, cable: None }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// How it is started, each time.
struct Start {
    binary: PathBuf,
    /// Address and port.
    listen: String,
    log: String,
    environment: Vec<(&'static str, PathBuf)>,
    /// The network namespace that it runs in, if not this one.
    namespace: Option<String>,
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
        let start = Start::here(Path::new(binary), log, environment);
        Self::start_on(start, Place::on(engine).await, ("", more), &[]).await
    }

    /// On PostgreSQL, over a cable that the test can cut.
    pub async fn over_a_cable(binary: &str, more: &str, log: &str) -> Self {
        let mut place = Place::on(Engine::Postgres).await;
        if let Some(database) = &place.database {
            let (url, cable) = Cable::to_postgres(&database.url).await;
            (place.url, place.cable) = (Some(url), Some(cable));
        }
        Self::start_on(Start::here(Path::new(binary), log, &[]), place, ("", more), &[]).await
    }

    /// On SQLite, in a data folder that was made ready by `prepare` while it was empty.
    pub async fn prepared(binary: &str, more: &str, log: &str, prepare: impl FnOnce(&Path)) -> Self {
        let place = Place::on(Engine::Sqlite).await;
        std::fs::create_dir(place.data()).unwrap();
        prepare(&place.data());
        Self::start_on(Start::here(Path::new(binary), log, &[]), place, ("", more), &[]).await
    }

    /// On SQLite, in a folder that has all of it: what a restore has put into `data` and `config.toml`.
    pub async fn found(binary: &str, folder: TempDir, log: &str) -> Self {
        let place = Place { folder, database: None, url: None, cable: None };
        Self::begin(Start::here(Path::new(binary), log, &[]), place, &[]).await
    }

    /// On a database of its own, after first starts that were killed unless they were ready within these times.
    pub async fn start_after_kills(binary: &str, engine: Engine, more: &str, log: &str, kills: &[Duration]) -> Self {
        Self::start_on(Start::here(Path::new(binary), log, &[]), Place::on(engine).await, ("", more), kills).await
    }

    /// A node of this name on a database that may have others, after first starts that were killed.
    pub async fn node(binary: &Path, database: &Postgres, node: &str, kills: &[Duration]) -> Self {
        let database = Postgres { url: database.url.clone() };
        let line = format!("node = \"{node}\"\n");
        Self::start_on(Start::here(binary, "warn", &[]), Place::at(database), (&line, ""), kills).await
    }

    /// A node of this name in a network namespace of its own, at the end of these wires.
    pub async fn wired(binary: &str, url: String, node: &str, wires: &Wires) -> Self {
        let here = Start::here(Path::new(binary), "warn", &[]);
        let (listen, namespace) = (format!("0.0.0.0:{}", wires.port()), Some(wires.namespace().to_owned()));
        let server = format!("node = \"{node}\"\npublic_url = \"http://localhost:{}\"\n", wires.port());
        Self::start_on(Start { listen, namespace, ..here }, Place::at(Postgres { url }), (&server, ""), &[]).await
    }

    /// With more lines of `[server]`, and of the rest.
    async fn start_on(
        start: Start,
        Place { folder, database, url, cable }: Place,
        (server, more): (&str, &str),
        kills: &[Duration],
    ) -> Self {
        let line = url.map(|url| format!("database = \"{url}\"\n")).unwrap_or_default();
        let root = kept().join("root.key");
        let text = format!("[server]\n{server}{line}[seal]\nroot = \"file:{}\"\n{more}", root.display());
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        std::fs::create_dir_all(folder.path().join("data")).unwrap();
        Self::begin(start, Place { folder, database, url: None, cable }, kills).await
    }

    async fn begin(start: Start, place: Place, kills: &[Duration]) -> Self {
        let Place { folder, database, cable, .. } = place;
        let data = folder.path().join("data");
        std::os::unix::fs::symlink(kept().join("cache"), data.join("cache")).unwrap();
        let said = Arc::<Mutex<String>>::default();
        for within in kills {
            let mut child = start.spawn(folder.path());
            drop(timeout(*within, ready(&mut child, &said)).await);
            child.kill().await.unwrap();
        }
        let mut child = start.spawn(folder.path());
        assert!(ready(&mut child, &said).await, "{}", errors(folder.path()));
        let port = start.port();
        let machine = Machine::of(&data, port, format!("http://localhost:{port}"));
        Self { folder, database, cable, start, machine, child, said }
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where its PostgreSQL is, if it has one; not over its cable.
    #[must_use]
    pub fn database_url(&self) -> Option<String> {
        self.database.as_ref().map(|database| database.url.clone())
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

    /// Asks it to stop, and waits until it has ended, however it ends.
    pub async fn leave(&mut self) {
        // It may have ended before it is asked.
        drop(Command::new("kill").arg(self.id().to_string()).stderr(Stdio::null()).status().await);
        self.over().await;
    }

    /// Waits until it has ended by itself.
    pub async fn over(&mut self) {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
    }

    /// Starts it again on what it left.
    pub async fn again(&mut self) {
        assert!(self.starts().await, "{}", self.errors());
    }

    /// The same, where it may not come that far: whether it serves. If it does not, it has ended.
    pub async fn starts(&mut self) -> bool {
        self.child = self.start.spawn(self.folder.path());
        let serves = ready(&mut self.child, &self.said).await;
        if serves {
            // On a folder that was emptied it has another credential.
            let port = self.start.port();
            self.machine = Machine::of(&self.data(), port, format!("http://localhost:{port}"));
        } else {
            self.kill().await;
        }
        serves
    }

    /// Its next start is that of another program: an upgrade, or the way back.
    pub fn replace(&mut self, binary: &Path) {
        binary.clone_into(&mut self.start.binary);
    }

    /// Starts it where it may not start, and waits until it has ended: what it said.
    pub async fn refused(&mut self) -> String {
        let before = self.errors().len();
        self.child = self.start.spawn(self.folder.path());
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("it ends by itself").unwrap();
        let said = self.errors().split_off(before);
        assert!(!ended.success(), "it started and stopped: {said}");
        said
    }

    /// Starts it again, and kills it before it is ready when that takes longer than `within`.
    pub async fn again_unless(&mut self, within: Duration) -> bool {
        self.child = self.start.spawn(self.folder.path());
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
        self.run_within(arguments, &[]).await
    }

    /// The same, with more in its environment.
    pub async fn run_within(
        &self,
        arguments: &[&str],
        environment: &[(&'static str, PathBuf)],
    ) -> std::process::Output {
        Command::new(&self.start.binary)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("BAILIWICK_DATA", self.data())
            .envs(environment.iter().map(|(name, value)| (name, value)))
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

impl Start {
    /// On a port of loopback that nobody listens at.
    fn here(binary: &Path, log: &str, environment: &[(&'static str, PathBuf)]) -> Self {
        let (listen, environment) = (format!("127.0.0.1:{}", crate::free_port()), environment.to_vec());
        Self { binary: binary.to_owned(), listen, log: log.to_owned(), environment, namespace: None }
    }

    fn port(&self) -> u16 {
        self.listen.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    fn spawn(&self, folder: &Path) -> Child {
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("stderr")).unwrap();
        // `ip` becomes the program: the process is the same.
        let mut command = match &self.namespace {
            None => Command::new(&self.binary),
            Some(namespace) => {
                let mut command = Command::new(crate::wires::ip().unwrap());
                command.args(["netns", "exec", namespace]).arg(&self.binary);
                command
            }
        };
        command
            .args(["up", "--listen", &self.listen])
            .arg("--data")
            .arg(folder.join("data"))
            .arg("--config")
            .arg(folder.join("config.toml"))
            .env_clear()
            .env("HOME", folder)
            .env("RUST_LOG", &self.log)
            // A proxy that nobody is: no call of a server goes by what its environment names.
            .env("http_proxy", "http://127.0.0.1:1")
            .env("https_proxy", "http://127.0.0.1:1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
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
