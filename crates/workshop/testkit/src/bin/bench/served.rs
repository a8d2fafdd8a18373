//! A server as its operator runs it: the release binary, in a process of its own, with a data folder that is new.

use crate::{apps, load::Ask, machine};
use bytes::Bytes;
use http::Method;
use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use testkit::{Answer, Browser, Town};

/// Whether the samples are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demo {
    Yes,
    No,
}

/// Ends with the value.
pub(crate) struct Served {
    child: Child,
    pub(crate) data: PathBuf,
    pub(crate) town: Town,
    /// From the start of the process until it said that it serves.
    pub(crate) ready_after: Duration,
    folder: Option<TempDir>,
}

impl Served {
    /// Starts in an empty folder, without any compiled code.
    pub(crate) fn start(demo: Demo) -> Self {
        Self::start_in(TempDir::new().unwrap(), demo, None)
    }

    /// Starts a node of its own data folder at a database.
    pub(crate) fn node(database: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("config.toml");
        let (root, name) =
            (testkit::root_key_file(), folder.path().file_name().unwrap().to_string_lossy().into_owned());
        let text = format!(
            "[server]\nnode = \"{name}\"\ndatabase = \"{database}\"\n[seal]\nroot = \"file:{}\"\n",
            root.display()
        );
        std::fs::write(&config, text).unwrap();
        Self::start_in(folder, Demo::No, Some(&config))
    }

    /// Stops it as its operator does, and starts it again in the same folder.
    pub(crate) fn again(self) -> Self {
        self.after(|_| ())
    }

    /// The same, with something done to its data folder while nothing runs.
    pub(crate) fn after(mut self, change: impl FnOnce(&Path)) -> Self {
        let asked = Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        assert!(asked.success() && self.child.wait().unwrap().success());
        change(&self.data);
        Self::start_in(self.folder.take().unwrap(), Demo::No, None)
    }

    fn start_in(folder: TempDir, demo: Demo, config: Option<&Path>) -> Self {
        let data = folder.path().join("data");
        let listen = free_address();
        let mut command = Command::new(binary());
        command.args(["up", "--data", data.to_str().unwrap(), "--listen", &listen.to_string()]);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        if demo == Demo::Yes {
            command.arg("--demo");
        }
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("`bailiwick` is built");
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ready") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the server did not start");
        }
        let ready_after = started.elapsed();
        // Read on, so that what it says never waits for us.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let town = Town::of_another_process(listen.port(), data.clone());
        Self { child, data, town, ready_after, folder: Some(folder) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.town.port))
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Duration {
        machine::cpu_of(self.pid())
    }

    /// A command of the client, as someone on this machine types it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).env("BAILIWICK_DATA", &self.data).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What of its memory belongs to it alone and was written, in bytes.
    pub(crate) fn private_dirty_bytes(&self) -> u64 {
        machine::private_dirty_bytes(self.pid())
    }

    /// What its data folder takes, in bytes on the disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        machine::disk_bytes(&self.data)
    }

    pub(crate) async fn deploy(&self, archive: &Bytes) -> Answer {
        let deployed = self.town.machine("POST", "/api/v1/deploy?env=prod", archive).await;
        assert!(deployed.status == 200 && deployed.json()["status"] == "live", "{deployed:?}");
        deployed
    }

    /// A small question in JSON to an app, by someone who is signed in to it.
    pub(crate) async fn asking(&self, ana: &Browser, app: &str) -> Ask {
        let cookie = self.signed_in(ana, app).await;
        Ask {
            address: self.address(),
            method: Method::POST,
            path: "/",
            headers: vec![
                ("host", format!("{app}.localhost:{}", self.town.port)),
                ("content-type", "application/json".to_owned()),
                ("sec-fetch-site", "same-origin".to_owned()),
                ("cookie", cookie),
            ],
            body: apps::JSON_BODY,
            expected: apps::JSON_ANSWER,
        }
    }

    /// The cookie of someone who is signed in to the app; waits as long as it is told when many sign in from here.
    pub(crate) async fn signed_in(&self, ana: &Browser, app: &str) -> String {
        loop {
            let opened = ana.open(&format!("{}/", self.town.app(app))).await;
            if opened.status == 429 {
                let seconds = opened.header("retry-after").and_then(|text| text.parse().ok()).unwrap();
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                continue;
            }
            assert_eq!(opened.status, 200, "{opened:?}");
            return ana.cookies(&format!("{app}.localhost"));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The product, where this program was built.
fn binary() -> PathBuf {
    let path = std::env::current_exe().unwrap().with_file_name("bailiwick");
    assert!(Path::exists(&path), "build it first: `cargo build --release --package bailiwick`");
    path
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
