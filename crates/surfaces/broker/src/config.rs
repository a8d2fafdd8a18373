//! What the operator says about the way out: `[broker]` of the configuration, and the limits on every call.
//!
//! Refuses each line that is not exactly an address with a port, a host with an address, or a certificate.

use crate::special::Own;
use ipnet::IpNet;
use model::{Problem, ProblemKind};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use url::Host;

/// The way out as the operator set it up.
#[derive(Debug, Clone, Default)]
pub struct EgressConfig {
    /// Private destinations that a manifest may name; none by default.
    pub private: Vec<(IpNet, u16)>,
    /// Names answered here instead of by DNS, whatever port is called; `private` still judges the answer.
    pub resolve: HashMap<String, SocketAddr>,
    /// Trusted beside the public roots.
    pub ca: Vec<CertificateDer<'static>>,
    /// The platform's own listeners and addresses.
    pub own: Vec<Own>,
    /// Answers in the place of every destination, whatever it is called: with it, nothing outside is ever reached.
    /// `private` judges it like any other address.
    pub stand_in: Option<SocketAddr>,
    pub limits: Limits,
}

/// Limits on calls; the defaults hold unless a test needs others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Name, connection and TLS together.
    pub connect: Duration,
    /// From the connection to the head of the answer.
    pub head: Duration,
    /// The longest that any call may take; the app's own wall clock is shorter.
    pub whole: Duration,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Calls of one app and environment under way at once.
    pub in_flight: usize,
    /// Calls that one app and environment may begin in a minute, redirects counted.
    pub per_minute: u32,
    /// Headers of one request; also of one answer.
    pub headers: usize,
    /// Bytes of a request's headers; also of an answer's head.
    pub header_bytes: usize,
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A host that does not take a connection in this time would eat the app's own ten seconds.
            connect: Duration::from_secs(5),
            head: Duration::from_secs(30),
            whole: Duration::from_secs(300),
            // Half an instance's memory by default: more cannot be handled by the app anyway.
            request_bytes: 32 << 20,
            response_bytes: 32 << 20,
            // Twice the instances that an app runs by default.
            in_flight: 32,
            per_minute: 600,
            headers: 64,
            header_bytes: 16 << 10,
            // The Fetch standard follows 20; an app that needs more than 5 is lost.
            redirects: 5,
        }
    }
}

fn wrong(section: &str, text: &str, why: impl Into<String>, fix: &str) -> Problem {
    let what = format!("`{}` is not an entry of `[broker] {section}`", crate::refusal::shown(text));
    Problem::new(ProblemKind::Invalid, "config.broker", what, why, fix).at(format!("[broker] {section}"))
}

impl EgressConfig {
    /// Reads `10.20.0.0/16:443`, `127.0.0.1:9001` or `[fd12::]/16:443`.
    ///
    /// # Errors
    /// Says what is wrong with the entry.
    pub fn parse_private(text: &str) -> Result<(IpNet, u16), Problem> {
        let fix = "write it as in `10.20.0.0/16:443`, `127.0.0.1:9001` or `[fd12::]/16:443`";
        let refuse = |why: &str| wrong("private", text, why, fix);
        let (net, port) = text.rsplit_once(':').ok_or_else(|| refuse("it has no port; each entry opens one port"))?;
        let port = parse_port(port).ok_or_else(|| refuse("its port is not a number from 1 to 65535"))?;
        let (address, length) = match net.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (net, None),
        };
        let address = match address.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').filter(|inner| inner.contains(':')).unwrap_or(""),
            None if address.contains(':') => return Err(refuse("an IPv6 address stands in brackets")),
            None => address,
        };
        let address: IpAddr =
            address.parse().map_err(|_| refuse("it is not an address; names are resolved and then judged"))?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => whole,
            Some(length) => length.parse::<u8>().map_err(|_| refuse("what stands after `/` is not a number"))?,
        };
        let net = IpNet::new(address, length).map_err(|_| refuse("what stands after `/` is too large"))?;
        if net.trunc() != net {
            return Err(refuse("the address has bits that its `/` leaves out"));
        }
        Ok((net, port))
    }

    /// Reads one pair of `resolve = { "slack.com" = "127.0.0.1:9443" }`.
    ///
    /// # Errors
    /// Says what is wrong with the entry.
    pub fn parse_resolve(host: &str, address: &str) -> Result<(String, SocketAddr), Problem> {
        let fix = "write it as in `\"slack.com\" = \"127.0.0.1:9443\"`";
        let name = match Host::parse(host) {
            Ok(Host::Domain(name)) if !name.ends_with('.') && !host.contains('%') => name,
            Ok(_) | Err(_) => return Err(wrong("resolve", host, "it is not the name of a host", fix)),
        };
        match address.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => Ok((name, address)),
            Ok(_) | Err(_) => Err(wrong("resolve", address, "it is not an address with a port", fix)),
        }
    }

    /// Reads the certificates of one PEM file; `file` is its name, for messages.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn parse_ca(file: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let fix = "point it at a PEM file with the certificates of your own authority";
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = read.map_err(|_| wrong("ca", file, "the file is not PEM", fix))?;
        if found.is_empty() {
            return Err(wrong("ca", file, "there is no certificate in the file", fix));
        }
        let mut roots = rustls::RootCertStore::empty();
        for certificate in &found {
            roots
                .add(certificate.clone())
                .map_err(|_| wrong("ca", file, "one of its certificates cannot be used", fix))?;
        }
        Ok(found)
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let plain = !text.starts_with('0') && text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_entries() {
        for (text, net, port) in [
            ("10.20.0.0/16:443", "10.20.0.0/16", 443),
            ("127.0.0.1:9001", "127.0.0.1/32", 9001),
            ("[::1]:9001", "::1/128", 9001),
            ("[fd12::]/16:443", "fd12::/16", 443),
        ] {
            assert_eq!(EgressConfig::parse_private(text).unwrap(), (net.parse().unwrap(), port), "{text}");
        }
        for (text, why) in [
            ("10.20.0.0/16", "no port"),
            ("10.20.0.0/16:0", "port"),
            ("10.20.0.0/16:0443", "port"),
            ("10.20.0.0/33:443", "too large"),
            ("10.20.0.1/16:443", "bits"),
            ("rooms.corp:443", "not an address"),
            ("::1:9001", "brackets"),
            ("[127.0.0.1]:80", "not an address"),
            ("", "no port"),
            ("0x7f.1:80", "not an address"),
        ] {
            let problem = EgressConfig::parse_private(text).unwrap_err();
            assert!(problem.why.contains(why), "{text}: {problem}");
            assert_eq!(problem.at.as_deref(), Some("[broker] private"));
        }
    }

    #[test]
    fn resolve_entries() {
        let (host, address) = EgressConfig::parse_resolve("SLACK.com", "127.0.0.1:9443").unwrap();
        assert_eq!((host.as_str(), address.to_string().as_str()), ("slack.com", "127.0.0.1:9443"));
        for (host, address) in [
            ("slack.com", "127.0.0.1"),
            ("slack.com", "127.0.0.1:0"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("", "127.0.0.1:80"),
            ("a.com.", "127.0.0.1:80"),
            ("a b", "127.0.0.1:80"),
        ] {
            assert!(EgressConfig::parse_resolve(host, address).is_err(), "{host} = {address}");
        }
    }

    #[test]
    fn certificates() {
        let pem = rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).unwrap().cert.pem();
        assert_eq!(EgressConfig::parse_ca("corp-ca.pem", pem.as_bytes()).unwrap().len(), 1);
        for bad in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(EgressConfig::parse_ca("corp-ca.pem", bad.as_bytes()).is_err());
        }
    }
}
