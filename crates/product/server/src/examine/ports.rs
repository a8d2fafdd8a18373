//! Who holds the addresses that a server listens at: each is tried, and whoever holds it is asked what it is.
//!
//! Takes no program for a Bailiwick that does not answer as one, and tells none anything.

use super::{Examined, Health};
use crate::Config;
use gateway::Scheme;
use model::Problem;
use serde::Deserialize;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};
use tokio::net::TcpStream;

/// Whoever holds our address is on this machine; `/readyz` itself waits for a silent database, and longer for a slow one.
const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_MAX_BYTES: usize = 64 << 10;
/// Every server answers to this name about itself (`/readyz`).
const HERE: &str = "localhost";

/// Who holds an address.
#[derive(Debug)]
enum Held {
    Nobody,
    Bailiwick {
        ready: bool,
    },
    Another(io::Error),
    /// Nobody answers there; this user may not listen there.
    Barred,
}

/// As `/readyz` says it.
#[derive(Debug, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    pub checks: Vec<ReadyPart>,
}

/// One part of a server.
#[derive(Debug, Deserialize)]
pub struct ReadyPart {
    pub check: String,
    pub ok: bool,
    pub problem: Option<Problem>,
}

impl Readiness {
    /// Nothing for what another program says.
    #[must_use]
    pub fn read(answer: &[u8]) -> Option<Self> {
        serde_json::from_slice(answer).ok().filter(|said: &Self| !said.checks.is_empty())
    }
}

pub(super) async fn ports(config: &Config) -> Vec<Examined> {
    let spoken = if config.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let held = held(config.listen, spoken).await;
    let serves = matches!(held, Held::Bailiwick { .. });
    let mut found = vec![line(config.listen, &held, "`--listen`")];
    // A server that serves has the other one too: it does not start without.
    if let Some(redirect) = config.redirect.filter(|_| !serves) {
        let held = match TcpListener::bind(redirect) {
            Ok(_) => Held::Nobody,
            Err(error) => refused(redirect, error).await,
        };
        found.push(line(redirect, &held, "`[server] redirect`"));
    }
    found
}

async fn held(address: SocketAddr, spoken: Scheme) -> Held {
    let error = match TcpListener::bind(address) {
        Ok(_) => return Held::Nobody,
        Err(error) => error,
    };
    match serving(address, spoken).await {
        Some(ready) => Held::Bailiwick { ready },
        None => refused(address, error).await,
    }
}

/// Where this user may not listen at all, that says nothing about who does.
async fn refused(address: SocketAddr, error: io::Error) -> Held {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return Held::Another(error);
    }
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Held::Another(io::ErrorKind::AddrInUse.into()),
        Ok(Err(_)) | Err(_) => Held::Barred,
    }
}

/// Whether what holds an address of this machine answers as this program does; if so, whether it is ready. Who encrypts
/// for this process is chosen before.
pub(crate) async fn serving(address: SocketAddr, spoken: Scheme) -> Option<bool> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .no_proxy()
        .resolve(HERE, address)
        // It is asked what it is, whatever its certificate says: that one may be for other names, or have ended.
        .tls_danger_accept_invalid_certs(true);
    let scheme = match spoken {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let asked = client.build().ok()?.get(format!("{scheme}://{HERE}:{}/readyz", address.port()));
    let mut answer = asked.send().await.ok()?;
    let mut text = Vec::new();
    while let Some(piece) = answer.chunk().await.ok()? {
        text.extend_from_slice(&piece);
        if text.len() > ANSWER_MAX_BYTES {
            return None;
        }
    }
    Readiness::read(&text).map(|said| said.ready)
}

/// The same of a server of which nothing else is known: encrypted or not.
pub(super) async fn answers(address: SocketAddr) -> bool {
    serving(address, Scheme::Http).await.is_some() || serving(address, Scheme::Https).await.is_some()
}

fn line(address: SocketAddr, held: &Held, other: &str) -> Examined {
    match held {
        Held::Nobody => Examined::well("port", format!("`{address}` is free")),
        Held::Bailiwick { ready: true } => {
            Examined::well("port", format!("`{address}` is held by a Bailiwick, which is ready"))
        }
        Held::Bailiwick { ready: false } => {
            Examined::well("port", format!("`{address}` is held by a Bailiwick, which is not ready"))
        }
        Held::Another(error) => Examined::wrong(
            "port",
            Health::Ill,
            format!("`{address}` cannot be listened at: {error}"),
            format!("find who holds it with `ss -ltnp 'sport = :{}'`, or choose another with {other}", address.port()),
        ),
        Held::Barred => Examined::wrong(
            "port",
            Health::Doubtful,
            format!("nobody listens at `{address}`, and this user may not"),
            format!(
                "ports below 1024 need `CAP_NET_BIND_SERVICE`, which the unit has; without a unit, choose another with {other}"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_barred_is_not_called_taken() {
        let barred = line(([0, 0, 0, 0], 443).into(), &Held::Barred, "`--listen`");
        assert_eq!(barred.health, Health::Doubtful);
        assert!(barred.fix.contains("CAP_NET_BIND_SERVICE") && !barred.fix.contains("ss -ltnp"), "{barred:?}");
    }
}
