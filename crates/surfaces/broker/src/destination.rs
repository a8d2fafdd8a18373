//! Where a request goes, read strictly: the text as the guest gave it and as the URL standard reads it must agree.
//!
//! Refuses every spelling that two parsers could read as two places: other schemes, userinfo, odd numerals, trailing
//! dots, encoded or dotted paths. Such an address is never mended.

use crate::refusal;
use http::Uri;
use model::{Problem, manifest::normalise_path};
use std::net::IpAddr;
use url::{Host, Url};

/// Longer addresses are refused (RFC 9110, section 4.1 asks for 8000 octets at least).
const URL_BYTES_MAX: usize = 8192;
/// RFC 1035, section 2.3.4.
const HOST_BYTES_MAX: usize = 253;

const INSIDE: &str = ".bailiwick";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// One place, read in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) scheme: Scheme,
    /// Lower-case A-labels, or an address as `model` writes it (IPv6 in brackets).
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Decoded once: what patterns are matched against.
    pub(crate) path: String,
}

impl Destination {
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        let text = uri.to_string();
        if text.len() > URL_BYTES_MAX {
            return Err(refusal::url("it is longer than 8192 bytes", "send what is long in the body"));
        }
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) | None => {
                return Err(refusal::url("only `http` and `https` can be called", "start it with `https://`"));
            }
        };
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if authority.contains('@') {
            return Err(refusal::url(
                "it has a user before the host; credentials never stand in an address",
                "remove what stands before `@`; name the secret in `bailiwick.toml` and send its placeholder",
            ));
        }
        let url = Url::parse(&text).map_err(|error| {
            refusal::url(&format!("it cannot be read ({error})"), "write it as in `https://slack.com/api/x`")
        })?;
        let host = plain_host(uri.host().unwrap_or_default(), url.host())?;
        let port = uri.port_u16().unwrap_or(scheme.default_port());
        let plain_port =
            authority.eq_ignore_ascii_case(&host) || authority.eq_ignore_ascii_case(&format!("{host}:{port}"));
        if !plain_port || port == 0 || url.port_or_known_default() != Some(port) {
            return Err(refusal::url(
                "its port is written in an odd way",
                "write the port as a plain number, or leave it out",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() || url.scheme() != scheme.as_str() {
            return Err(refusal::url("it can be read in two ways", "write it as in `https://slack.com/api/x`"));
        }
        Ok(Self { scheme, host, port, path: plain_path(uri.path(), url.path())? })
    }

    /// Whether it is one of the platform's own names.
    pub(crate) fn is_inside(&self) -> bool {
        self.host.ends_with(INSIDE) || self.host == INSIDE.trim_start_matches('.')
    }

    /// The host when it is an address rather than a name.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The `Host` header: the port only when it is not the scheme's own (RFC 9110, section 7.2).
    pub(crate) fn host_header(&self) -> String {
        if self.port == self.scheme.default_port() { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// The same scheme, host and port (the URL standard's origin).
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    /// `https://host:port`, for messages.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.host_header())
    }
}

fn plain_host(written: &str, read: Option<Host<&str>>) -> Result<String, Problem> {
    let Some(read) = read else {
        return Err(refusal::url("it has no host", "write it as in `https://slack.com/api/x`"));
    };
    let host = read.to_string();
    if written.ends_with('.') || host.ends_with('.') {
        return Err(refusal::url(
            "its host ends in a dot, which makes another name of the same host",
            "remove the dot",
        ));
    }
    if !written.eq_ignore_ascii_case(&host) {
        let why = match read {
            Host::Ipv4(_) | Host::Ipv6(_) => format!("its host is an odd way to write the address `{host}`"),
            Host::Domain(_) => format!("its host is an odd way to write `{}`", refusal::shown(&host)),
        };
        return Err(refusal::url(&why, "write the host in its plain form"));
    }
    let label_is_plain = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_'))
    };
    if matches!(read, Host::Domain(_)) && (host.len() > HOST_BYTES_MAX || !host.split('.').all(label_is_plain)) {
        return Err(refusal::url("its host is not a name that DNS could answer", "check how the host is spelled"));
    }
    Ok(host)
}

fn plain_path(written: &str, read: &str) -> Result<String, Problem> {
    let fix = "write the path plainly, as `paths` of its `[connect]` section in `bailiwick.toml` has it: no `.` or `..`, no `//`, no backslash, no encoded `/`";
    let refuse = |why: String| refusal::denied("egress.path_spelling", "this path can be read in two ways", why, fix);
    let path = normalise_path(written).map_err(|error| refuse(error.to_string()))?;
    match normalise_path(read) {
        Ok(read) if read == path => Ok(path),
        Ok(_) | Err(_) => Err(refuse("two parsers read it differently".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Destination, Problem> {
        Destination::read(&text.parse().map_err(|_| refusal::url("http", "http"))?)
    }

    #[test]
    fn plain_addresses_are_read() {
        for (text, origin, path) in [
            ("https://slack.com/api/chat.postMessage?x=1", "https://slack.com", "/api/chat.postMessage"),
            ("https://SLACK.com", "https://slack.com", "/"),
            ("https://slack.com:443/", "https://slack.com", "/"),
            ("http://rooms.corp.example:8443/a%20b", "http://rooms.corp.example:8443", "/a b"),
            ("https://xn--bcher-kva.example/caf%C3%A9", "https://xn--bcher-kva.example", "/café"),
            ("http://[2606:4700::1]:8080/x", "http://[2606:4700::1]:8080", "/x"),
            ("http://93.184.216.34/a//", "", ""),
        ] {
            match read(text) {
                Ok(to) => assert_eq!((to.origin().as_str(), to.path.as_str()), (origin, path), "{text}"),
                Err(problem) => assert_eq!(origin, "", "{text}: {problem}"),
            }
        }
    }

    proptest! {
        /// Whatever text http takes: what is read here is what the URL standard reads.
        #[test]
        fn two_readings_never_differ(text in "(http|https|ftp)://([a-z0-9.%:@\\[\\]-]{1,12})(:[0-9]{0,6})?(/[a-z0-9./%\\\\;?#-]{0,16})?") {
            if let Ok(to) = read(&text) {
                let url = Url::parse(&text).unwrap();
                prop_assert_eq!(url.host_str(), Some(to.host.as_str()));
                prop_assert_eq!(url.port_or_known_default(), Some(to.port));
                prop_assert_eq!(normalise_path(url.path()).unwrap(), to.path);
                prop_assert!(url.username().is_empty());
            }
        }
    }
}
