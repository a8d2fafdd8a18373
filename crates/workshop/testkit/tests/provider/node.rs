//! The real `oidc-provider` of npm in a process of its own, installed by its lock file.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// A running provider; ends when this is dropped.
pub(super) struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Installs it once, in the build's own folder.
fn installed() -> PathBuf {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("openid");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("openid");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["package.json", "package-lock.json", "provider.mjs"] {
        std::fs::copy(source.join(name), folder.join(name)).unwrap();
    }
    let npm = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"];
    if !folder.join("node_modules/oidc-provider").exists() {
        let done = Command::new("npm").args(npm).current_dir(&folder).output().expect("`npm` is not here");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    folder
}

/// Starts it on a port, for one client.
pub(super) fn start(port: u16, origin: &str) -> Node {
    let mut child = Command::new("node")
        .args(["provider.mjs", &port.to_string(), origin])
        .current_dir(installed())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("`node` is not here: run `cargo xtask setup`");
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line == "ready"), "the provider did not start");
    Node(child)
}

/// A port that nobody has at this moment.
pub(super) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
