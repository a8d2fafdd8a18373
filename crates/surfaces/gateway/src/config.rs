//! What the assembly tells the gateway once: names, limits, whom to believe about addresses.

use crate::Clients;
use http::HeaderValue;
use ipnet::IpNet;
use model::{Env, TenantId};
use std::{net::IpAddr, sync::Arc};

/// How browsers reach the apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain, on loopback or behind nothing: cookies carry the instance's id, since they ignore ports.
    Http,
    Https,
}

impl Scheme {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The most that one request may bring.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// Requests a minute from one address with nobody signed in.
    pub strangers_per_minute: u32,
    /// Headers of a request, by number and by bytes of names and values; the sandbox copies them.
    pub header_count: usize,
    pub header_bytes: usize,
    /// Requests of all apps together that are on their way at once; some of them wait for others to end.
    pub requests: usize,
    /// Bytes of assets that are kept in memory, of all apps together.
    pub asset_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 10 << 20,
            strangers_per_minute: 120,
            header_count: 100,
            header_bytes: 32 << 10,
            requests: 512,
            asset_bytes: 64 << 20,
        }
    }
}

/// What the gateway is built from.
#[derive(Debug, Clone)]
pub struct Config {
    pub tenant: TenantId,
    /// Apps are `NAME.` this; with the port that browsers use, unless it is the scheme's own: `localhost:7070`.
    pub apps_domain: String,
    /// The control origin, where people sign in: `http://localhost:7070`.
    pub control_url: String,
    pub scheme: Scheme,
    pub node: String,
    /// The id of this Bailiwick; part of cookie names on plain loopback.
    pub instance: String,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where client certificates are needed.
    pub clients: Option<Arc<Clients>>,
    pub limits: Limits,
}

/// `poll-notify`, `poll-notify--staging`: the part of the host name before the apps domain.
pub(crate) fn label(name: &str, env: Env) -> String {
    match env {
        Env::Prod => name.to_owned(),
        Env::Staging => format!("{name}--staging"),
    }
}

impl Config {
    /// The public address of an app, without a path.
    pub(crate) fn url(&self, label: &str) -> String {
        format!("{}://{label}.{}", self.scheme.as_str(), self.apps_domain)
    }

    /// The label of a host under the apps domain. Other spellings of it (a dot at the end, another port) have none.
    pub(crate) fn label_of(&self, host: &str) -> Option<String> {
        let (name, port) = split_port(host, self.scheme)?;
        let (domain, own_port) = split_port(&self.apps_domain, self.scheme)?;
        if port != own_port || !name.is_ascii() {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let label = name.strip_suffix(&domain.to_ascii_lowercase())?.strip_suffix('.')?;
        (!label.is_empty()).then(|| label.to_owned())
    }

    /// Whether a peer is a proxy that tells the truth about whom it speaks for.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }

    /// Who really asks: the right-most address of `X-Forwarded-For` that is no trusted proxy.
    pub(crate) fn client<'a>(
        &self,
        peer: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a HeaderValue>,
    ) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(peer) {
            return client;
        }
        for value in forwarded.rev() {
            for part in value.to_str().unwrap_or_default().rsplit(',') {
                // What cannot be read ends the chain: everything before it may be made up.
                let Some(address) = address(part.trim()) else { return client };
                client = address;
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }
}

/// `10.0.0.1`, `10.0.0.1:4711`, `[::1]:4711`: proxies write all of these.
fn address(text: &str) -> Option<IpAddr> {
    let whole = text.parse::<IpAddr>().ok();
    let address = whole.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

fn split_port(host: &str, scheme: Scheme) -> Option<(&str, u16)> {
    match host.split_once(':') {
        None => Some((host, scheme.default_port())),
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => Some((name, port.parse().ok()?)),
        Some(_) => None,
    }
}

#[cfg(test)]
pub(crate) fn test_config(scheme: Scheme, apps_domain: &str) -> Config {
    Config {
        tenant: TenantId::main(),
        apps_domain: apps_domain.to_owned(),
        control_url: "http://localhost:7070".to_owned(),
        scheme,
        node: "n1".to_owned(),
        instance: "i1".to_owned(),
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        clients: None,
        limits: Limits::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_app_in_one_spelling_only() {
        let local = test_config(Scheme::Http, "localhost:7070");
        let public = test_config(Scheme::Https, "corp-apps.example");
        for (config, host, label) in [
            (&local, "tinypoll.localhost:7070", Some("tinypoll")),
            (&local, "TinyPoll.LOCALHOST:7070", Some("tinypoll")),
            (&local, "tinypoll--staging.localhost:7070", Some("tinypoll--staging")),
            (&local, "localhost:7070", None),
            (&local, ".localhost:7070", None),
            (&local, "tinypoll.localhost", None),
            (&local, "tinypoll.localhost:7071", None),
            (&local, "tinypoll.localhost.:7070", None),
            (&local, "tinypoll.localhost:+7070", None),
            (&local, "tinypolllocalhost:7070", None),
            (&local, "user@tinypoll.localhost:7070", Some("user@tinypoll")),
            (&public, "poll.corp-apps.example", Some("poll")),
            (&public, "poll.corp-apps.example:443", Some("poll")),
            (&public, "poll.corp-apps.example:80", None),
            (&public, "poll.corp-apps.example.evil", None),
            (&public, "[::1]", None),
            (&public, "", None),
        ] {
            assert_eq!(config.label_of(host).as_deref(), label, "{host}");
        }
    }

    #[test]
    fn only_trusted_proxies_say_who_asks() {
        let config = test_config(Scheme::Https, "a.example");
        let client = |peer: &str, values: &[&str]| {
            let values: Vec<HeaderValue> = values.iter().map(|value| HeaderValue::from_str(value).unwrap()).collect();
            config.client(peer.parse().unwrap(), values.iter()).to_string()
        };
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &["6.6.6.6, 198.51.100.1, 10.2.2.2"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &["6.6.6.6", "198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &["6.6.6.6, nonsense"]), "10.1.1.1");
        assert_eq!(client("::ffff:10.1.1.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &[]), "10.1.1.1");
    }
}
