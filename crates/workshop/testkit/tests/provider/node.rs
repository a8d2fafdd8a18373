//! The real `oidc-provider` of npm in a process of its own, installed by its lock file.

use std::{
    io::{BufRead, BufReader},
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

/// Starts it on a port, for one client.
pub(super) fn start(port: u16, origin: &str) -> Node {
    let mut child = Command::new("node")
        .args(["provider.mjs", &port.to_string(), origin])
        .current_dir(testkit::installed(env!("CARGO_TARGET_TMPDIR"), "openid", "oidc-provider"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("`node` is not here: run `cargo xtask setup`");
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line == "ready"), "the provider did not start");
    Node(child)
}
