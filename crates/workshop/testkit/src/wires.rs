//! Nodes in network namespaces of their own, with cables that can be pulled out or go dead in the middle: what no proxy
//! can stand in for. Needs root and `ip` (iproute2) on Linux; `Wires::lay` says what is missing.

use std::{
    net::Ipv4Addr,
    process::{Command, Output},
    sync::atomic::{AtomicU8, Ordering},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Two networks for each node of one process.
static LAID: AtomicU8 = AtomicU8::new(0);

/// Which of a node's two cables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Its database.
    Back,
    /// Whoever asks it.
    Front,
}

/// How a cable is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The node sees that its link is down.
    Unplugged,
    /// Behind the next switch: the node's link is up, and what it sends goes nowhere.
    Dead,
}

/// The program that lays them.
pub(crate) fn ip() -> Option<&'static str> {
    ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].into_iter().find(|path| std::path::Path::new(path).exists())
}

/// A network namespace with two cables, each through a switch of its own. Taken away when dropped.
#[derive(Debug)]
pub struct Wires {
    ip: &'static str,
    namespace: String,
    number: u8,
    port: u16,
    /// What it has in the host's namespace; a link that goes takes its other end with it.
    links: Vec<String>,
    carrying: Vec<JoinHandle<()>>,
}

impl Wires {
    /// Lays both cables for a node; a server of PostgreSQL on loopback is reached over the first. Why it cannot be done
    /// here, where it cannot.
    ///
    /// # Errors
    /// Without root, `ip`, or a kernel that makes namespaces, pairs of interfaces and bridges.
    pub async fn lay(database: &str) -> Result<(Self, String), String> {
        let ip = ip().ok_or("there is no `ip` (iproute2)")?;
        let number = LAID.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("bw{}n{number}", std::process::id());
        let mut wires = Self { ip, namespace, number, port: 0, links: Vec::new(), carrying: Vec::new() };
        wires.ip(&["netns", "add", &wires.namespace.clone()])?;
        wires.within(&["link", "set", "lo", "up"])?;
        for to in [To::Back, To::Front] {
            wires.cable(to)?;
        }
        // At the far end of the one, the database; at this end of the other, the node.
        let (before, rest) = database.split_once('@').ok_or("a user in the address")?;
        let (host, name) = rest.split_once('/').ok_or("a database in the address")?;
        let far = wires.address(To::Back, 1);
        let port = wires.carry(far, host.to_owned(), 0).await?;
        let url = format!("{before}@{far}:{port}/{name}?sslmode=disable");
        let node = wires.address(To::Front, 2);
        wires.port = wires.carry(Ipv4Addr::LOCALHOST, node.to_string(), 0).await?;
        Ok((wires, url))
    }

    /// Where programs run that have these cables.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The port of loopback on which whoever asks reaches the same port of the node.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// # Panics
    /// When `ip` does not do it.
    pub fn cut(&self, to: To, how: Cut) {
        match how {
            Cut::Unplugged => self.set(&self.name(to, 'b'), "down"),
            Cut::Dead => self.set(&self.name(to, 'c'), "down"),
        }
    }

    /// # Panics
    /// When `ip` does not do it.
    pub fn mend(&self, to: To) {
        self.set(&self.name(to, 'b'), "up");
        self.set(&self.name(to, 'c'), "up");
    }

    fn set(&self, link: &str, state: &str) {
        self.ip(&["link", "set", link, state]).unwrap();
    }

    /// node `a` — `b` [switch] `c` — `d` host
    fn cable(&mut self, to: To) -> Result<(), String> {
        let [a, b, c, d, switch] = ['a', 'b', 'c', 'd', 's'].map(|part| self.name(to, part));
        self.ip(&["link", "add", &switch, "type", "bridge"])?;
        self.links.push(switch.clone());
        for (one, other) in [(&a, &b), (&c, &d)] {
            self.ip(&["link", "add", one, "type", "veth", "peer", "name", other])?;
            self.links.push(other.clone());
        }
        for port in [&b, &c] {
            self.ip(&["link", "set", port, "master", &switch])?;
        }
        for link in [&switch, &b, &c, &d] {
            self.ip(&["link", "set", link, "up"])?;
        }
        let (host, node) = (format!("{}/29", self.address(to, 1)), format!("{}/29", self.address(to, 2)));
        self.ip(&["addr", "add", &host, "dev", &d])?;
        self.ip(&["link", "set", &a, "netns", &self.namespace])?;
        self.within(&["addr", "add", &node, "dev", &a])?;
        self.within(&["link", "set", &a, "up"])
    }

    /// At most fifteen letters, and no other process's.
    fn name(&self, to: To, part: char) -> String {
        let to = if to == To::Back { 'k' } else { 'f' };
        format!("bw{:x}{}{to}{part}", std::process::id(), self.number)
    }

    /// Eight addresses for each cable, of a block that this process has for itself.
    fn address(&self, to: To, last: u8) -> Ipv4Addr {
        let [.., high, low] = std::process::id().to_be_bytes();
        let cable = self.number % 16 * 16 + if to == To::Back { 0 } else { 8 };
        Ipv4Addr::new(10, 64 + high % 64, low, cable + last)
    }

    /// Carries what comes to this address on to another, until dropped. The port.
    async fn carry(&mut self, from: Ipv4Addr, to: String, port: u16) -> Result<u16, String> {
        let listener = TcpListener::bind((from, port)).await.map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        let to = if to.contains(':') { to } else { format!("{to}:{port}") };
        self.carrying.push(tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let to = to.clone();
                tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                    }
                });
            }
        }));
        Ok(port)
    }

    fn within(&self, arguments: &[&str]) -> Result<(), String> {
        let mut all = vec!["-n", &self.namespace];
        all.extend(arguments);
        self.ip(&all)
    }

    fn ip(&self, arguments: &[&str]) -> Result<(), String> {
        let done: Output = Command::new(self.ip).args(arguments).output().map_err(|error| error.to_string())?;
        match done.status.success() {
            true => Ok(()),
            false => Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim())),
        }
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.carrying.iter().for_each(JoinHandle::abort);
        for link in &self.links {
            drop(self.ip(&["link", "del", link]));
        }
        drop(self.ip(&["netns", "del", &self.namespace]));
    }
}
