//! Host names of destinations: refuses every spelling that two parsers could read as two hosts, and says which.

use super::{
    lookalike,
    report::{Report, shown, words},
    value::{Text, bad_value},
};
use url::Host;

/// RFC 1035, section 2.3.4.
const HOST_BYTES_MAX: usize = 253;

/// The platform's own names; an app reaches them without a grant.
const PLATFORM: &str = "bailiwick";

/// A host as the broker compares it, and the port when one was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    /// Lower-case ASCII; an IPv6 address stands in brackets, as in a URL.
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

/// Reads `host` or `host:port`.
pub(super) fn host(found: Text<'_>, report: &mut Report<'_>) -> Option<HostPort> {
    match read(found.text) {
        Ok(read) => {
            if let Some(c) = found.text.chars().find(|c| !c.is_ascii()) {
                let what = format!("`{}` has {}", shown(found.text), lookalike::named(c));
                let why = format!("the host that is reached is `{}`", read.host);
                let fix = "make sure that this is the host that you mean; if so, write it in that form";
                report.warn(found.at, words("manifest.odd_host", what, why, fix));
            }
            Some(read)
        }
        Err((why, fix)) => {
            bad_value(found.at, format!("`{}` is not a host", shown(found.text)), why, fix, report);
            None
        }
    }
}

type Refusal = (String, String);

fn refuse<T>(why: impl Into<String>, fix: impl Into<String>) -> Result<T, Refusal> {
    Err((why.into(), fix.into()))
}

/// Marks of a URL or a pattern, each with what it means.
const MARKS: &[(&str, &str, &str)] = &[
    ("://", "it has a scheme", "write the host alone; TLS is used unless `tls = false`"),
    ("@", "it has a user before `@`; credentials never stand in a manifest", "write the host alone, and use `secret`"),
    ("*", "it has a wildcard; each destination is named whole", "name each host in a section of its own"),
    ("/", "it has a path", "write the host alone; paths go into `paths`"),
    ("\\", "it has a backslash, which some take for `/`", "write the host alone"),
    ("?", "it has a query", "write the host alone"),
    ("#", "it has a fragment", "write the host alone"),
    ("%", "it has an encoded character", "write the host decoded"),
    (",", "it has a comma", "name each host in a section of its own"),
];

fn read(text: &str) -> Result<HostPort, Refusal> {
    if text.is_empty() {
        return refuse("it is empty", "write a name such as `slack.com`");
    }
    if let Some((_, why, fix)) = MARKS.iter().find(|(mark, ..)| text.contains(mark)) {
        return refuse(*why, *fix);
    }
    if let Some(c) = text.chars().find(|c| c.is_whitespace() || super::report::invisible(*c)) {
        return refuse(format!("it has the character U+{:04X}", u32::from(c)), "remove it");
    }
    let (name, port) = split_port(text)?;
    if name.len() > HOST_BYTES_MAX {
        return refuse(format!("a host has at most {HOST_BYTES_MAX} characters"), "write the host alone");
    }
    if name.ends_with(['.', '。', '．', '｡']) {
        return refuse("it ends in a dot, which makes another name of the same host", "remove the dot");
    }
    let host = Host::parse(name).map_err(|error| {
        (format!("it cannot be read ({error})"), "write a name such as `slack.com`, or an address".to_owned())
    })?;
    let written = name.to_ascii_lowercase();
    let host = match host {
        Host::Domain(domain) => plain_domain(domain)?,
        Host::Ipv4(address) if address.to_string() != written => {
            return refuse(
                format!("it is an odd way to write the address `{address}`"),
                format!("write `{address}`, if that is what you mean"),
            );
        }
        // The canonical form (RFC 5952) is what is compared later.
        address @ (Host::Ipv4(_) | Host::Ipv6(_)) => address.to_string(),
    };
    Ok(HostPort { host, port })
}

fn plain_domain(domain: String) -> Result<String, Refusal> {
    let label_is_plain = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_')
    };
    if domain.len() > HOST_BYTES_MAX || !domain.split('.').all(label_is_plain) {
        return refuse(
            "each part of a host has 1 to 63 letters, digits and `-`, with no `-` at its ends",
            "write a name such as `slack.com`",
        );
    }
    if domain.rsplit('.').next() == Some(PLATFORM) {
        return refuse(
            "names that end in `.bailiwick` are the platform's own",
            "remove it; an app reaches them without asking",
        );
    }
    Ok(domain)
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), Refusal> {
    let (name, port) = if text.starts_with('[') {
        match text.split_once(']') {
            Some((inner, "")) => (text.get(..inner.len() + 1).unwrap_or(text), None),
            Some((inner, rest)) => {
                (text.get(..inner.len() + 1).unwrap_or(text), Some(rest.strip_prefix(':').unwrap_or("")))
            }
            None => (text, None),
        }
    } else if text.matches(':').count() > 1 {
        return refuse("an IPv6 address stands in brackets", "write it as in `[2001:db8::1]:8443`");
    } else {
        text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)))
    };
    let Some(port) = port else {
        return Ok((name, None));
    };
    let plain = !port.starts_with('0') && port.bytes().all(|c| c.is_ascii_digit());
    match port.parse::<u16>().ok().filter(|_| plain) {
        Some(port) => Ok((name, Some(port))),
        None => refuse("its port is not a number from 1 to 65535", "write it as in `rooms.corp.example:8443`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_taken() {
        let table = [
            ("slack.com", "slack.com", None),
            ("SLACK.com", "slack.com", None),
            ("rooms.corp.example:8443", "rooms.corp.example", Some(8443)),
            ("localhost", "localhost", None),
            ("bücher.example", "xn--bcher-kva.example", None),
            ("10.20.0.1:443", "10.20.0.1", Some(443)),
            ("[2001:DB8:0::1]", "[2001:db8::1]", None),
            ("[::1]:8443", "[::1]", Some(8443)),
            ("a_b.example", "a_b.example", None),
        ];
        for (text, host, port) in table {
            assert_eq!(read(text).unwrap(), HostPort { host: host.to_owned(), port }, "{text}");
        }
    }

    #[test]
    fn hosts_that_are_refused_and_why() {
        let long = "a".repeat(64) + ".example";
        let table = [
            ("", "empty"),
            ("https://slack.com", "scheme"),
            ("slack.com/api", "path"),
            ("ana@slack.com", "user before"),
            ("*.slack.com", "wildcard"),
            ("slack.com.", "ends in a dot"),
            ("slack.com.:443", "ends in a dot"),
            ("slack。com。", "ends in a dot"),
            ("slack.com\\evil", "backslash"),
            ("slack.com?x", "query"),
            ("slack.com#x", "fragment"),
            ("slack%2ecom", "encoded"),
            ("slack .com", "U+0020"),
            ("sla\u{200b}ck.com", "U+200B"),
            ("a.com,b.com", "comma"),
            ("slack.com:0", "port"),
            ("slack.com:", "port"),
            ("slack.com:080", "port"),
            ("slack.com:65536", "port"),
            ("slack.com:+443", "port"),
            ("[::1]x", "port"),
            ("[::1", "cannot be read"),
            ("::1", "brackets"),
            ("127.1", "odd way to write the address `127.0.0.1`"),
            ("0x7f.0.0.1", "odd way"),
            ("0177.0.0.1", "odd way"),
            ("2130706433", "odd way"),
            ("0", "odd way to write the address `0.0.0.0`"),
            ("１２７.0.0.1", "odd way"),
            ("127.0.0.1.", "ends in a dot"),
            ("256.1.1.1", "cannot be read"),
            ("1.2.3.4.5", "cannot be read"),
            ("a..b", "part of a host"),
            (".slack.com", "part of a host"),
            ("-a.com", "part of a host"),
            ("a-.com", "part of a host"),
            ("data.bailiwick", "platform's own"),
            ("bailiwick", "platform's own"),
            ("a<b.com", "cannot be read"),
            (long.as_str(), "part of a host"),
        ];
        for (text, reason) in table {
            let (why, fix) = read(text).unwrap_err();
            assert!(why.contains(reason), "`{text}`: {why}");
            assert!(!fix.is_empty());
        }
    }
}
