//! A host that a secret may go to: an exact name or address, with a port or for every granted one.
//!
//! Refuses wildcards, schemes, paths, users and every spelling that two parsers could read as two hosts.

use crate::refusal;
use model::Problem;
use std::{fmt, str::FromStr};
use url::Host;

/// Compared with what the broker connects to: lower-case A-labels, IPv6 in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretHost {
    host: String,
    port: Option<u16>,
}

impl SecretHost {
    #[must_use]
    pub fn covers(&self, host: &str, port: u16) -> bool {
        self.host == host && self.port.is_none_or(|own| own == port)
    }
}

impl fmt::Display for SecretHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for SecretHost {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (name, port) = split(text).ok_or_else(|| refusal::host(text))?;
        let host = match Host::parse(name).map_err(|_| refusal::host(text))? {
            Host::Domain(domain) => {
                let own = domain == "bailiwick" || domain.ends_with(".bailiwick");
                let plain = domain.split('.').all(label);
                plain.then_some(domain).filter(|_| !own).ok_or_else(|| refusal::host(text))?
            }
            // `127.1` and `0x7f.1` are addresses too, and read as something else elsewhere.
            Host::Ipv4(address) => {
                Some(address.to_string()).filter(|exact| exact == name).ok_or_else(|| refusal::host(text))?
            }
            Host::Ipv6(address) => format!("[{address}]"),
        };
        Ok(Self { host, port })
    }
}

/// RFC 1035, section 2.3.1, with the `_` that real names have.
fn label(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn split(text: &str) -> Option<(&str, Option<u16>)> {
    if text.len() > 260
        || text
            .bytes()
            .any(|c| matches!(c, b'/' | b'\\' | b'@' | b'*' | b'%' | b'?' | b'#' | b',') || c.is_ascii_whitespace())
    {
        return None;
    }
    let ends_in_address = text.ends_with(']');
    let Some((name, port)) = text.rsplit_once(':').filter(|_| !ends_in_address) else {
        return Some((text, None));
    };
    let plain = !port.starts_with('0') && port.bytes().all(|c| c.is_ascii_digit());
    port.parse().ok().filter(|_| plain).map(|port| (name, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_hosts_are_taken() {
        let table = [
            ("slack.com", "slack.com"),
            ("SLACK.com", "slack.com"),
            ("rooms.corp.example:8443", "rooms.corp.example:8443"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("10.20.0.1", "10.20.0.1"),
            ("[2001:DB8::1]:8443", "[2001:db8::1]:8443"),
            ("[::1]", "[::1]"),
            ("localhost", "localhost"),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<SecretHost>().unwrap().to_string(), expected);
        }
        let one = "a.example:444".parse::<SecretHost>().unwrap();
        assert!(one.covers("a.example", 444) && !one.covers("a.example", 443) && !one.covers("b.a.example", 444));
        assert!("a.example".parse::<SecretHost>().unwrap().covers("a.example", 8443));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "*",
            "*.slack.com",
            "https://slack.com",
            "slack.com/",
            "ana@slack.com",
            "slack.com.",
            "slack.com:0",
            "slack.com:",
            "slack.com:65536",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "a b",
            "a..b",
            "-a.com",
            "data.bailiwick",
            "::1",
            "[::1",
            "a,b",
            "slack%2ecom",
            "slack.com:80:80",
        ] {
            assert_eq!(text.parse::<SecretHost>().unwrap_err().code, "secret.host", "{text}");
        }
    }
}
