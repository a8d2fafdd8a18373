//! A running server in this process, and the sample apps.

use crate::{Browser, Cable, Form, Kept, Machine, Passkey, Postgres};
use model::{Clock, SystemClock};
use server::{Bailiwick, Overrides, Settings};
use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::JoinHandle,
};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Whether the disk has room, as far as the server can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    Room,
    Full,
}

/// How many connections the listener has places for: as a server has, or few, so that a test can fill them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    Ordinary,
    Few { ordinary: usize, crowded: usize },
}

/// A Bailiwick that serves on loopback until it is dropped.
pub struct Town {
    pub data: PathBuf,
    /// Between it and its PostgreSQL, if it was wired so.
    pub cable: Option<Cable>,
    machine: Machine,
    /// It lives as long as it serves: a crash leaves nothing of it.
    server: Weak<Bailiwick>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
    place: Option<Place>,
    runtime: Option<Runtime>,
}

impl Drop for Town {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What outlives a process.
struct Place {
    folder: TempDir,
    /// The address of its PostgreSQL, if it has one.
    database: Option<String>,
    places: Places,
    clock: Arc<dyn Clock>,
}

impl Place {
    fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Deref for Town {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl Town {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, "", Arc::new(SystemClock)).await
    }

    /// With more lines of configuration, and a clock.
    pub async fn with(engine: Engine, more: &str, clock: Arc<dyn Clock>) -> Self {
        Self::serving(engine, "", more, clock).await
    }

    /// With more lines of `[server]`, and of the rest.
    pub async fn serving(engine: Engine, server: &str, more: &str, clock: Arc<dyn Clock>) -> Self {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Postgres::create().await.url),
        };
        Self::at(database.as_deref(), server, more, clock).await
    }

    /// On PostgreSQL, over a cable that the test can cut.
    pub async fn wired() -> Self {
        Self::wired_to(&Postgres::create().await.url).await
    }

    /// The same, to a database that may have others.
    pub async fn wired_to(url: &str) -> Self {
        let (url, cable) = Cable::to_postgres(url).await;
        let mut town = Self::at(Some(&url), "", "", Arc::new(SystemClock)).await;
        town.cable = Some(cable);
        town
    }

    /// On SQLite, with places for so many connections.
    pub async fn crowded(places: Places) -> Self {
        Self::placed(None, "", "", Arc::new(SystemClock), places).await
    }

    /// At a database that may have others; SQLite in its own folder without one.
    pub async fn at(database: Option<&str>, server: &str, more: &str, clock: Arc<dyn Clock>) -> Self {
        Self::placed(database, server, more, clock, Places::Ordinary).await
    }

    async fn placed(database: Option<&str>, server: &str, more: &str, clock: Arc<dyn Clock>, places: Places) -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let place = Place { folder: TempDir::new().unwrap(), database: database.map(str::to_owned), places, clock };
        // It comes back here after a restart.
        let port = crate::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let database = database.map(|url| format!("database = \"{url}\"\n")).unwrap_or_default();
        let root = kept().join("root.key");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nnode = \"town-{port}\"\n{server}{database}[seal]\nroot = \"file:{}\"\n{more}",
            root.display()
        );
        std::fs::write(place.config(), text).unwrap();
        std::fs::create_dir_all(place.data()).unwrap();
        std::os::unix::fs::symlink(kept().join("cache"), place.data().join("cache")).unwrap();
        Self::serve(place, listener, Disk::Room).await
    }

    /// Why a second process with this name does not start.
    pub async fn refused(database: &str, node: &str) -> model::Problem {
        let folder = TempDir::new().unwrap();
        let (file, data) = (folder.path().join("config.toml"), folder.path().join("data"));
        let root = kept().join("root.key");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:7999\"\nnode = \"{node}\"\ndatabase = \"{database}\"\n[seal]\nroot = \"file:{}\"\n",
            root.display()
        );
        std::fs::write(&file, text).unwrap();
        let settings = Settings::read(data, Some(&file), &Overrides::default()).unwrap();
        match Bailiwick::start(settings, Arc::new(SystemClock)).await {
            Ok(_) => panic!("it started"),
            Err(problem) => problem,
        }
    }

    async fn serve(place: Place, listener: TcpListener, disk: Disk) -> Self {
        let port = listener.local_addr().unwrap().port();
        // A runtime of its own, so that a crash takes every task with it.
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (data, config, clock) = (place.data(), place.config(), Arc::clone(&place.clock));
        let places = place.places;
        let listener = listener.into_std().unwrap();
        let (stop, stopped) = oneshot::channel();
        let started = runtime.spawn(async move {
            let (server, running) = loop {
                let mut settings = Settings::read(data.clone(), Some(&config), &Overrides::default()).unwrap();
                if let Places::Few { ordinary, crowded } = places {
                    (settings.listening.connections, settings.listening.crowded) = (ordinary, crowded);
                }
                if disk == Disk::Full {
                    settings.reserve_bytes = u64::MAX;
                }
                match Bailiwick::start(settings, Arc::clone(&clock)).await {
                    // What the process before left running has not let go yet.
                    Err(problem) if problem.code == "store.in_use" => tokio::task::yield_now().await,
                    started => break started.unwrap(),
                }
            };
            (server, running, TcpListener::from_std(listener).unwrap())
        });
        let (running_server, running, listener) = started.await.unwrap();
        let (audience, server) = (running_server.url().to_owned(), Arc::downgrade(&running_server));
        let serving = runtime.spawn(async move {
            running_server.listen(listener, async { drop(stopped.await) }).await;
            running.stop().await;
        });
        let data = place.data();
        let machine = Machine::of(&data, port, audience);
        let (stop, serving) = (Some(stop), Some(serving));
        Self { data, cable: None, machine, server, stop, serving, place: Some(place), runtime: Some(runtime) }
    }

    /// Stops as it should, and starts again in the same place.
    pub async fn restart(mut self, disk: Disk) -> Self {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
        self.start_again(disk).await
    }

    /// Stops as it should, and starts again after the data folder was changed.
    pub async fn changed(mut self, change: impl FnOnce(&Path)) -> Self {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
        self.end().await;
        change(&self.data);
        self.start_again(Disk::Room).await
    }

    async fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(30))).await.unwrap();
        }
    }

    /// Ends as a crash ends it: nothing more is written, and nobody is told. Then starts again in the same place.
    pub async fn crash(self, disk: Disk) -> Self {
        self.start_again(disk).await
    }

    async fn start_again(mut self, disk: Disk) -> Self {
        self.end().await;
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", self.port)).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let mut again = Self::serve(self.place.take().unwrap(), listener, disk).await;
        again.cable = self.cable.take();
        again
    }

    /// Starts a server in the folder that another one left, with other configuration, and stops it again.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn again(folder: &TempDir, server: &str, more: &str) -> Result<(), model::Problem> {
        let file = folder.path().join("again.toml");
        let root = kept().join("root.key");
        let text = format!("{server}[seal]\nroot = \"file:{}\"\n{more}", root.display());
        std::fs::write(&file, text).unwrap();
        let settings = Settings::read(folder.path().join("data"), Some(&file), &Overrides::default()).unwrap();
        let (_server, running) = Bailiwick::start(settings, Arc::new(SystemClock)).await?;
        running.stop().await;
        Ok(())
    }

    /// One that another process serves from a folder of its own, and that goes on when this value is dropped.
    #[must_use]
    pub fn of_another_process(port: u16, data: PathBuf) -> Self {
        let machine = Machine::of(&data, port, format!("http://localhost:{port}"));
        Self { data, cable: None, machine, server: Weak::new(), stop: None, serving: None, place: None, runtime: None }
    }

    /// Sends plain HTTP on to HTTPS, as `[server] redirect` has it; at this port, for as long as this value lives.
    #[must_use]
    pub fn sends_on(&self) -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = self.server.upgrade().expect("it serves");
        // Not kept: it ends with the runtime.
        drop(self.runtime.as_ref().expect("it serves").spawn(async move {
            server.send_on(TcpListener::from_std(listener).unwrap(), std::future::pending()).await;
        }));
        port
    }

    /// What apps touch, and are touched through, as this server assembled it.
    #[must_use]
    pub fn surfaces(&self) -> catalog::Surfaces {
        self.server.upgrade().expect("it serves").surfaces().clone()
    }

    /// What apps keep, as its database has it.
    pub async fn kept(&self) -> Kept {
        crate::kept_by_apps(&self.data, self.place.as_ref().expect("a place of its own").database.as_deref()).await
    }

    /// Makes a passkey in a browser that is signed in by a link.
    pub async fn passkey(&self, browser: &Browser) -> Passkey {
        let page = browser.get(&format!("{}/me/passkeys/new", self.url())).await;
        let form = Form::of(&page.text());
        let (passkey, answer) = Passkey::make(&form.options, &self.url());
        let made = browser.submit(&format!("{}{}", self.url(), form.action), &form.filled(&answer)).await;
        assert_eq!(made.status, 200, "{made:?}");
        passkey
    }

    /// Adds a person, signs a browser in, and makes their passkey: the session has a second factor.
    pub async fn person_with_passkey(&self, email: &str, groups: &[&str]) -> (Browser, Passkey) {
        let browser = self.person(email, groups).await;
        let passkey = self.passkey(&browser).await;
        (browser, passkey)
    }

    /// Stops serving, and waits until everything is written. What is left lives as long as the answer.
    pub async fn stop(mut self) -> TempDir {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
        self.place.take().unwrap().folder
    }
}

/// What is kept between runs: compiled code, and the key that vouches for it.
pub(crate) fn kept() -> PathBuf {
    let folder = std::env::temp_dir().join("bailiwick-testkit");
    std::fs::create_dir_all(folder.join("cache")).unwrap();
    let root = folder.join("root.key");
    if !Path::exists(&root) {
        // Another test may be making it at this moment: whoever is second takes what is there.
        drop(seal::RootKey::generate().create_file(&root));
    }
    folder
}

/// Where the root key is that all towns share.
#[must_use]
pub fn root_key_file() -> PathBuf {
    kept().join("root.key")
}

/// The root key that all towns share.
#[must_use]
pub fn root_key() -> seal::RootKey {
    seal::RootKey::load_file(&kept().join("root.key")).unwrap()
}

/// Changes the bytes of every event that a stopped server has stored in SQLite.
pub fn damage_events(database: &Path) {
    let changed = rusqlite::Connection::open(database).unwrap().execute(crate::sql::DAMAGE_EVENTS, []).unwrap();
    assert!(changed > 0, "there were no events");
}

/// Puts a database of SQLite back to before a step that widened a table which has rows by then.
pub fn one_step_back(database: &Path) {
    rusqlite::Connection::open(database).unwrap().execute_batch(crate::sql::BEFORE_FILES).unwrap();
}

/// Makes every mail that a stopped server has stored in SQLite one by a channel that nobody knows.
pub fn mails_to_nowhere(database: &Path) {
    let changed = rusqlite::Connection::open(database).unwrap().execute(crate::sql::TO_NOWHERE, []).unwrap();
    assert!(changed > 0, "there were no mails");
}

/// Hundreds of notices of a kind that nobody knows, before every other that a stopped server has stored in SQLite.
pub fn unreadable_notices(database: &Path) {
    rusqlite::Connection::open(database).unwrap().execute(crate::sql::UNREADABLE_NOTICES, []).unwrap();
}

/// A sample app of the templates, filled in for `name`.
#[must_use]
pub fn template(name: &str, template: &str) -> Vec<(String, bytes::Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../templates").join(template);
    let expires = SystemClock.now().plus(std::time::Duration::from_secs(80 * 86_400)).to_string();
    let unpacked = catalog::Unpacked::from_folder(&folder).unwrap();
    unpacked
        .files()
        .map(|(path, bytes)| {
            let bytes = if path == "bailiwick.toml" {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                text.replace("{{name}}", name)
                    .replace("{{team}}", "people-ops")
                    .replace("{{expires}}", &expires[..10])
                    .into()
            } else {
                bytes.clone()
            };
            (path.to_owned(), bytes)
        })
        .collect()
}

/// The archive of a template.
#[must_use]
pub fn bundle(name: &str, from: &str) -> bytes::Bytes {
    catalog::Unpacked::of(template(name, from)).unwrap().pack().unwrap()
}
