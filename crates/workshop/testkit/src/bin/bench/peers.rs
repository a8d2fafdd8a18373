//! The other sides of rows that need a process of their own.

mod proxy;
mod serve;
mod upstream;

use crate::machine;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// In the process of a peer: serves until it is killed.
pub(crate) async fn run(words: &[String]) {
    match words {
        [name] if name == "serve" => serve::run().await,
        [name] if name == "upstream" => upstream::run().await,
        [name, upstream] if name == "proxy" => proxy::run(upstream).await,
        _ => panic!("there is no such peer"),
    }
}

/// Tells whoever started this process where it serves.
fn announce(address: SocketAddr) {
    println!("{address}");
}

/// A peer that runs; ends with the value.
pub(crate) struct Peer {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Peer {
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg("--peer").args(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.trim().parse().expect("a peer says where it serves");
        Self { child, address }
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Duration {
        machine::cpu_of(self.child.id())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
