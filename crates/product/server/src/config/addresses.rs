//! `[server]`: where the console and the apps are reached, who stands in front, and what the platform's own addresses
//! are, which no app may call.
//!
//! Refuses a console and apps that would share a host name, plain HTTP where others could listen, and names that
//! browsers read otherwise than they are written.

use super::{Reader, secret_file::secret_file};
use broker::Own;
use gateway::Scheme;
use ipnet::IpNet;
use model::{Problem, ProblemKind};
use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};
use url::{Host, Url};

/// The names by which people come in.
#[derive(Debug)]
pub(super) struct Addresses {
    /// An origin, without a slash at its end.
    pub(super) public_url: String,
    /// With a port, unless it is the scheme's own.
    pub(super) apps_domain: String,
    pub(super) scheme: Scheme,
}

impl Addresses {
    pub(super) fn read(reader: &mut Reader, listen: SocketAddr) -> Self {
        if listen.port() == 0 {
            let why = "the address that people open would be another at each start";
            reader.wrong("server.listen", why, "choose a port, such as 7070");
        }
        let url: Option<String> = reader.take("server.public_url", "`\"https://bailiwick.corp.example\"`");
        let apps: Option<String> = reader.take("server.apps_domain", "`\"corp-apps.example\"`");
        let own = format!("http://localhost:{}", listen.port());
        let public = url.as_deref().map(|text| origin(reader, text)).unwrap_or_else(|| Some(own.clone()));
        let scheme = match &public {
            Some(url) if url.starts_with("https://") => Scheme::Https,
            Some(_) | None => Scheme::Http,
        };
        let domain = match apps.as_deref() {
            Some(text) => domain(reader, text),
            None => Some(format!("localhost:{}", listen.port())),
        };
        if let (Some(public), Some(domain)) = (&public, &domain) {
            apart(reader, public, domain, scheme);
        }
        Self { public_url: public.unwrap_or(own), apps_domain: domain.unwrap_or_default(), scheme }
    }

    fn names(&self) -> Vec<Own> {
        let default = if self.scheme == Scheme::Https { 443 } else { 80 };
        let name = |text: &str| {
            let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
            Own::Name { host: host.to_ascii_lowercase(), port: port.parse().unwrap_or(default) }
        };
        let console = self.public_url.split_once("://").map_or("", |(_, host)| host);
        vec![name(console), name(&self.apps_domain)]
    }
}

/// The console's address as a browser's origin: lower case, its scheme's own port left out (RFC 6454).
fn origin(reader: &mut Reader, text: &str) -> Option<String> {
    let mut wrong = |why: &str| {
        reader.wrong("server.public_url", why, "write it as `\"https://bailiwick.corp.example\"`");
        None
    };
    let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    else {
        return wrong("it is not an address that a browser opens");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("it has a user before the host");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return wrong("the console has a host of its own, not a path under another's");
    }
    Some(url.origin().ascii_serialization())
}

/// A plain host name, perhaps with a port.
fn domain(reader: &mut Reader, text: &str) -> Option<String> {
    let mut unfit = |why: &str| {
        reader.wrong(
            "server.apps_domain",
            why,
            "write it as `\"corp-apps.example\"`: apps become `NAME.corp-apps.example`",
        );
        None
    };
    if text.contains("://") {
        return unfit("it is a host name, not an address");
    }
    if text.starts_with('*') || text.starts_with('.') {
        return unfit("the names of apps are put before it; it has none of its own");
    }
    let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b':'));
    match Url::parse(&format!("http://{text}/")) {
        Ok(url) if plain && matches!(url.host(), Some(Host::Domain(_))) && !text.ends_with('.') => {
            Some(text.to_ascii_lowercase())
        }
        Ok(url) if matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_))) => {
            unfit("an address has no names under it, and each app needs one")
        }
        Ok(_) | Err(_) => unfit("it is not a host name"),
    }
}

/// An apps domain that equals, contains or lies under the console's host is refused, the `localhost` default aside.
fn apart(reader: &mut Reader, public_url: &str, apps_domain: &str, scheme: Scheme) {
    let host = public_url.split_once("://").map_or(public_url, |(_, host)| host);
    let name = |text: &str| text.split(':').next().unwrap_or(text).to_ascii_lowercase();
    let (console, apps) = (name(host), name(apps_domain));
    if console == "localhost" && apps == "localhost" {
        return;
    }
    let under = |inner: &str, outer: &str| inner == outer || inner.ends_with(&format!(".{outer}"));
    if under(&console, &apps) || under(&apps, &console) {
        let fix = "give apps a domain of their own, such as `corp-apps.example`";
        reader.wrong("server.apps_domain", "apps and console would share a host name, and with it cookies", fix);
    }
    let loopback = console == "localhost" || console.starts_with("127.");
    if scheme == Scheme::Http && !loopback {
        reader.wrong("server.public_url", "without TLS anyone on the way could take sessions over", "use `https://`");
    }
}

/// A network, or one address of it.
pub(super) fn proxy(text: &str) -> Result<IpNet, Problem> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| {
        let what = format!("`{text}` is not a network");
        let why = "only a proxy whose address is known is believed about whom it speaks for";
        Problem::new(ProblemKind::Invalid, "config.value", what, why, "write it as `10.0.0.0/8` or `10.0.0.7`")
            .at("server.trusted_proxies")
    })
}

pub(super) fn database(reader: &mut Reader, folder: &Path) -> Option<String> {
    let form = "`\"postgres://…\"`, or `\"file:PATH\"` of a file that holds it";
    let text: String = reader.take("server.database", form)?;
    let text = match text.strip_prefix("file:") {
        Some(path) => secret_file(reader, folder, "server.database", path)?.as_str().to_owned(),
        None => text,
    };
    let postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let read = if postgres { store::check_url(&text) } else { Err("it is not the address of a PostgreSQL") };
    match read {
        Ok(()) => Some(text),
        Err(why) => {
            // Never the text itself: it may hold a password.
            let fix = "write it as `\"postgres://bailiwick@db.corp.example/bailiwick\"`; leave it out for SQLite";
            reader.wrong("server.database", why, fix);
            None
        }
    }
}

/// What no app may reach: the listener, this machine's addresses, the names by which people come in.
pub(super) fn own_addresses(listen: SocketAddr, addresses: &Addresses) -> Vec<Own> {
    let mut own = vec![Own::Listener(listen)];
    own.extend(machine_addresses().into_iter().map(Own::Address));
    own.extend(addresses.names());
    own
}

/// The addresses of this machine's interfaces, as the kernel lists them; none where it does not.
fn machine_addresses() -> Vec<IpAddr> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut all = in_fib_trie(&read("/proc/net/fib_trie"));
    all.extend(in_if_inet6(&read("/proc/net/if_inet6")));
    all.sort();
    all.dedup();
    all
}

/// A leaf `|-- 10.0.0.5` that is followed by `/32 host LOCAL` is an address of this machine.
fn in_fib_trie(text: &str) -> Vec<IpAddr> {
    let mut leaf = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<IpAddr>().ok();
        } else if line.ends_with("/32 host LOCAL") {
            found.extend(leaf);
        }
    }
    found
}

/// Thirty-two hex digits begin each line.
fn in_if_inet6(text: &str) -> Vec<IpAddr> {
    let address = |line: &str| u128::from_str_radix(line.split_ascii_whitespace().next()?, 16).ok();
    text.lines().filter_map(address).map(|bits| IpAddr::V6(bits.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 93.184.216.5\n        /32 host LOCAL\n     |-- 93.184.216.255\n        /32 link BROADCAST\n";
        assert_eq!(in_fib_trie(trie), ["93.184.216.5".parse::<IpAddr>().unwrap()]);
        let six = "26064700000000000000000000000001 02 40 00 80     eth0\nnonsense\n";
        assert_eq!(in_if_inet6(six), ["2606:4700::1".parse::<IpAddr>().unwrap()]);
        assert!(machine_addresses().contains(&"127.0.0.1".parse().unwrap()));
    }
}
