//! A server as its operator runs it: the release binary, in a process of its own, with a data folder that is new.

use crate::machine;
use bytes::Bytes;
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
    _folder: TempDir,
}

impl Served {
    /// Starts in an empty folder, without any compiled code.
    pub(crate) fn start(demo: Demo) -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let listen = free_address();
        let mut command = Command::new(binary());
        command.args(["up", "--data", data.to_str().unwrap(), "--listen", &listen.to_string()]);
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
        Self { child, data, town, ready_after, _folder: folder }
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

    pub(crate) async fn deploy(&self, archive: &Bytes) -> Answer {
        let deployed = self.town.machine("POST", "/api/v1/deploy?env=prod", archive).await;
        assert!(deployed.status == 200 && deployed.json()["status"] == "live", "{deployed:?}");
        deployed
    }

    /// The cookie of someone who is signed in to the app.
    pub(crate) async fn signed_in(&self, ana: &Browser, app: &str) -> String {
        let opened = ana.open(&format!("{}/", self.town.app(app))).await;
        assert_eq!(opened.status, 200, "{opened:?}");
        ana.cookies(&format!("{app}.localhost"))
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
