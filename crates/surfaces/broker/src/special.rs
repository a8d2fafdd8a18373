//! Which addresses are nobody's business from an app: one table, from the IANA special-purpose registries.
//!
//! Refuses every address that is not plain public unicast, unless the operator's `[broker] private` names it with
//! its port. Metadata services, addresses that hide an IPv4 address, and the platform's own listeners are refused
//! even then.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Whether `[broker] private` can open a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    ByPrivate,
    Never,
}

struct Range {
    net: IpNet,
    what: &'static str,
    opens: Opens,
}

const fn v4(ip: [u8; 4], length: u8, what: &'static str, opens: Opens) -> Range {
    let [a, b, c, d] = ip;
    Range { net: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)), what, opens }
}

const fn v6(ip: [u16; 8], length: u8, what: &'static str, opens: Opens) -> Range {
    let [a, b, c, d, e, f, g, h] = ip;
    Range { net: IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)), what, opens }
}

use Opens::{ByPrivate, Never};

/// First match counts: the narrow stand before the wide. What is inside no range and outside `2000::/3` is refused too.
static RANGES: &[Range] = &[
    v4([169, 254, 169, 254], 32, "the metadata service of a cloud machine", Never),
    v4([168, 63, 129, 16], 32, "the metadata service of a cloud machine", Never),
    v4([100, 100, 100, 200], 32, "the metadata service of a cloud machine", Never),
    v4([192, 0, 0, 192], 32, "the metadata service of a cloud machine", Never),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, "the metadata service of a cloud machine", Never),
    v4([0, 0, 0, 0], 8, "an address of this machine (0.0.0.0/8)", Never),
    v4([255, 255, 255, 255], 32, "a broadcast address", Never),
    v4([224, 0, 0, 0], 4, "a multicast address", Never),
    v4([127, 0, 0, 0], 8, "a loopback address", ByPrivate),
    v4([10, 0, 0, 0], 8, "a private address", ByPrivate),
    v4([172, 16, 0, 0], 12, "a private address", ByPrivate),
    v4([192, 168, 0, 0], 16, "a private address", ByPrivate),
    v4([169, 254, 0, 0], 16, "a link-local address", ByPrivate),
    v4([100, 64, 0, 0], 10, "a carrier's internal address (100.64.0.0/10)", ByPrivate),
    v4([192, 0, 0, 0], 24, "an address for protocols (192.0.0.0/24)", ByPrivate),
    v4([192, 0, 2, 0], 24, "an address for documentation", ByPrivate),
    v4([198, 51, 100, 0], 24, "an address for documentation", ByPrivate),
    v4([203, 0, 113, 0], 24, "an address for documentation", ByPrivate),
    v4([192, 88, 99, 0], 24, "a 6to4 relay", ByPrivate),
    v4([198, 18, 0, 0], 15, "an address for benchmarks", ByPrivate),
    v4([240, 0, 0, 0], 4, "a reserved address", ByPrivate),
    v6([0; 8], 128, "an address of this machine (`::`)", Never),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, "a loopback address", ByPrivate),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "an IPv4 address in IPv6 form (mapped)", Never),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "an IPv4 address in IPv6 form (translated)", Never),
    v6([0; 8], 96, "an IPv4 address in IPv6 form (compatible)", Never),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "an IPv4 address in IPv6 form (NAT64)", Never),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "an IPv4 address in IPv6 form (NAT64)", Never),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "an IPv4 address in IPv6 form (6to4)", Never),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "an IPv4 address in IPv6 form (Teredo)", Never),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "a multicast address", Never),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "a link-local address", ByPrivate),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "a site-local address", ByPrivate),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "a private address", ByPrivate),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "an address for documentation", ByPrivate),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "an address for documentation", ByPrivate),
    v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "an address for benchmarks", ByPrivate),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "an address for protocols (2001::/23)", ByPrivate),
];

const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Something of the platform that no app may reach from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// A listener: refused whatever `private` says. `0.0.0.0` or `::` stand for every loopback and own address.
    Listener(SocketAddr),
    /// A public address of the platform's machines: refused unless `private` names it.
    Address(IpAddr),
    /// A name by which people reach it, and every name under that: refused wherever it leads, since a proxy may stand
    /// between.
    Name { host: String, port: u16 },
}

/// How an address may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Public,
    /// The operator's `[broker] private` names it.
    Private,
}

/// An address that is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fenced {
    pub(crate) what: &'static str,
    pub(crate) openable: bool,
}

/// The table, with what the operator opened and what the platform listens on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fence {
    pub(crate) private: Vec<(IpNet, u16)>,
    pub(crate) own: Vec<Own>,
}

impl Fence {
    pub(crate) fn judge(&self, address: SocketAddr) -> Result<Reach, Fenced> {
        let ip = address.ip();
        let range = special(ip);
        if let Some((what, Never)) = range {
            return Err(Fenced { what, openable: false });
        }
        if self.is_listener(address) {
            return Err(Fenced { what: "an address of this platform", openable: false });
        }
        if self.private.iter().any(|(net, port)| *port == address.port() && net.contains(&ip)) {
            return Ok(Reach::Private);
        }
        if let Some((what, _)) = range {
            return Err(Fenced { what, openable: true });
        }
        if self.is_own(ip) {
            return Err(Fenced { what: "an address of this platform", openable: true });
        }
        Ok(Reach::Public)
    }

    /// Refuses the platform's own names, before anything is resolved.
    pub(crate) fn judge_name(&self, host: &str, port: u16) -> Result<(), Fenced> {
        let own = |own: &Own| match own {
            Own::Name { host: own, port: at } => {
                port == *at && (host == own || host.strip_suffix(own.as_str()).is_some_and(|sub| sub.ends_with('.')))
            }
            Own::Listener(_) | Own::Address(_) => false,
        };
        match self.own.iter().any(own) {
            true => Err(Fenced { what: "this platform itself", openable: false }),
            false => Ok(()),
        }
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        self.own.iter().any(|own| matches!(own, Own::Address(own) if *own == ip))
    }

    fn is_listener(&self, address: SocketAddr) -> bool {
        self.own.iter().any(|own| match own {
            Own::Listener(own) if own.port() != address.port() => false,
            Own::Listener(own) if own.ip().is_unspecified() => address.ip().is_loopback() || self.is_own(address.ip()),
            Own::Listener(own) => own.ip() == address.ip(),
            Own::Address(_) | Own::Name { .. } => false,
        })
    }
}

fn special(ip: IpAddr) -> Option<(&'static str, Opens)> {
    let listed = RANGES.iter().find(|range| range.net.contains(&ip)).map(|range| (range.what, range.opens));
    let outside = match ip {
        IpAddr::V6(ip) if !GLOBAL_UNICAST.contains(&ip) => Some(("an address that is not public", ByPrivate)),
        IpAddr::V6(_) | IpAddr::V4(_) => None,
    };
    listed.or(outside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn fence(private: &[(&str, u16)]) -> Fence {
        Fence { private: private.iter().map(|(net, port)| (net.parse().unwrap(), *port)).collect(), own: vec![] }
    }

    #[test]
    fn public_addresses_pass() {
        for address in [
            "93.184.216.34:443",
            "8.8.8.8:443",
            "172.32.0.1:443",
            "100.128.0.1:443",
            "[2606:4700::1]:443",
            "[2a00::1]:80",
        ] {
            assert_eq!(Fence::default().judge(at(address)), Ok(Reach::Public), "{address}");
        }
    }

    #[test]
    fn private_opens_exactly_that_port() {
        let fence = fence(&[("10.20.0.0/16", 443), ("127.0.0.1/32", 9001), ("fd12::/16", 443)]);
        for (address, passes) in [
            ("10.20.3.4:443", true),
            ("10.20.3.4:80", false),
            ("10.21.0.1:443", false),
            ("127.0.0.1:9001", true),
            ("127.0.0.2:9001", false),
            ("[fd12::1]:443", true),
            ("[fd13::1]:443", false),
            ("[::ffff:10.20.3.4]:443", false),
        ] {
            assert_eq!(fence.judge(at(address)).is_ok(), passes, "{address}");
        }
    }

    #[test]
    fn private_opens_neither_metadata_nor_disguises_nor_listeners() {
        let mut fence = fence(&[("0.0.0.0/0", 80), ("::/0", 80), ("127.0.0.1/32", 7070)]);
        fence.own = vec![Own::Listener(at("0.0.0.0:7070")), Own::Listener(at("10.0.0.5:80"))];
        for address in [
            "169.254.169.254:80",
            "[fd00:ec2::254]:80",
            "168.63.129.16:80",
            "100.100.100.200:80",
            "[::ffff:10.0.0.1]:80",
            "[64:ff9b::a00:1]:80",
            "[2002:a00:1::]:80",
            "[2001:0:a00:1::]:80",
            "[::10.0.0.1]:80",
            "0.0.0.0:80",
            "224.0.0.1:80",
            "127.0.0.1:7070",
            "10.0.0.5:80",
        ] {
            assert!(fence.judge(at(address)).is_err(), "{address}");
        }
        assert_eq!(fence.judge(at("10.0.0.6:80")), Ok(Reach::Private));
    }

    #[test]
    fn own_addresses_are_refused_unless_named() {
        let mut fence = fence(&[("93.184.216.34/32", 8443)]);
        fence.own = vec![Own::Address("93.184.216.34".parse().unwrap())];
        assert!(fence.judge(at("93.184.216.34:443")).is_err());
        assert_eq!(fence.judge(at("93.184.216.34:8443")), Ok(Reach::Private));
    }

    #[test]
    fn own_names_and_what_lies_under_them_are_refused_on_their_port() {
        let name = |host: &str, port| Own::Name { host: host.to_owned(), port };
        let fence =
            Fence { own: vec![name("bailiwick.corp.example", 443), name("localhost", 7070)], ..Fence::default() };
        for (host, port, passes) in [
            ("bailiwick.corp.example", 443, false),
            ("bailiwick.corp.example", 8443, true),
            ("poll.localhost", 7070, false),
            ("poll.localhost", 7071, true),
            ("notlocalhost", 7070, true),
            ("corp.example", 443, true),
        ] {
            assert_eq!(fence.judge_name(host, port).is_ok(), passes, "{host}:{port}");
        }
    }

    proptest! {
        /// What the standard library knows not to be public is never public here.
        #[test]
        fn agrees_with_the_standard_library(bits in any::<u128>(), small in any::<u32>()) {
            let old = Ipv4Addr::from(small);
            if old.is_private() || old.is_loopback() || old.is_link_local() || old.is_multicast() || old.is_broadcast() || old.is_documentation() || old.is_unspecified() {
                prop_assert!(Fence::default().judge(SocketAddr::new(old.into(), 443)).is_err());
            }
            prop_assert!(Fence::default().judge(SocketAddr::new(old.to_ipv6_mapped().into(), 443)).is_err());
            prop_assert!(Fence::default().judge(SocketAddr::new(old.to_ipv6_compatible().into(), 443)).is_err());
            let new = Ipv6Addr::from(bits);
            if new.is_multicast() || new.is_unique_local() || new.is_unicast_link_local() || new.is_loopback() {
                prop_assert!(Fence::default().judge(SocketAddr::new(new.into(), 443)).is_err());
            }
        }
    }
}
