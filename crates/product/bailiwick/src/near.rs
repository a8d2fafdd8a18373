//! The short way to the server of a data folder on this machine: straight to where it listens, so that whoever looks after
//! the machine can switch off whatever names, proxies and certificates are worth today.
//!
//! Refuses to go there unless the system says that the user whose folder it is holds that socket: over loopback, which ends
//! at this machine whatever happens to its other addresses. Whoever could hold it can read the folder's key as well, so
//! that neither a name nor a certificate has to say who answers.

use serde::Deserialize;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// Every socket of this network with the user who made it (proc(5), `/proc/net/tcp`).
const SOCKETS: &str = "/proc/net/tcp";
const SOCKETS_6: &str = "/proc/net/tcp6";
/// The state of a socket that listens, there.
const LISTENS: &str = "0A";

/// Where a server listens, and what it speaks there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Near {
    listen: SocketAddr,
    tls: bool,
}

impl Near {
    /// The same, if it is the folder's owner who listens there now. Good for this moment.
    pub(crate) fn of(self, data: &Path) -> Option<Self> {
        if !self.address().ip().is_loopback() {
            return None;
        }
        let owner = fs::metadata(data.join(identity::CREDENTIAL_FILE)).ok()?.uid();
        let sockets = fs::read_to_string(if self.listen.is_ipv4() { SOCKETS } else { SOCKETS_6 }).ok()?;
        (holder(&sockets, self.listen) == Some(owner)).then_some(self)
    }

    /// Where to connect to: what listens everywhere does so on loopback.
    pub(crate) const fn address(self) -> SocketAddr {
        let ip = match self.listen.ip() {
            IpAddr::V4(ip) => IpAddr::V4(if ip.is_unspecified() { Ipv4Addr::LOCALHOST } else { ip }),
            IpAddr::V6(ip) => IpAddr::V6(if ip.is_unspecified() { Ipv6Addr::LOCALHOST } else { ip }),
        };
        SocketAddr::new(ip, self.listen.port())
    }

    pub(crate) const fn scheme(self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

/// Who listens at an address.
fn holder(sockets: &str, listen: SocketAddr) -> Option<u32> {
    let at = written(listen);
    sockets.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        match columns.as_slice() {
            [_, local, _, state, _, _, _, uid, ..] if *local == at && *state == LISTENS => uid.parse().ok(),
            _ => None,
        }
    })
}

/// An address as the kernel writes it: words of its own byte order, in hexadecimal.
fn written(address: SocketAddr) -> String {
    let word = |bytes: &[u8; 4]| format!("{:08X}", u32::from_ne_bytes(*bytes));
    let ip: String = match address.ip() {
        IpAddr::V4(ip) => word(&ip.octets()),
        IpAddr::V6(ip) => ip.octets().as_chunks::<4>().0.iter().map(word).collect(),
    };
    format!("{ip}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_system_says_who_listens() {
        let folder = tempfile::tempdir().unwrap();
        let of = |listen| Near { listen, tls: false }.of(folder.path());
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(of(four.local_addr().unwrap()), None, "whose folder it is, nothing says");
        fs::write(folder.path().join(identity::CREDENTIAL_FILE), "").unwrap();
        assert!(of(four.local_addr().unwrap()).is_some());
        if let Ok(six) = TcpListener::bind("[::1]:0") {
            assert!(of(six.local_addr().unwrap()).is_some());
        }
        let outward = |ip: [u8; 4]| SocketAddr::from((ip, four.local_addr().unwrap().port()));
        assert_eq!(of(outward([10, 1, 2, 3])), None, "an address that may be another machine's tomorrow");
        let gone = four.local_addr().unwrap();
        drop(four);
        assert_eq!(of(gone), None, "nobody listens there");
    }

    #[test]
    fn only_a_socket_that_listens_at_this_very_address_counts() {
        let sockets = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 10 1 0 100 0 0 10 0
   1: 0200007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 11 1 0 100 0 0 10 0
   2: 0100007F:1B9F 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1001        0 12 1 0 100 0 0 10 0
   3: 00000000:1B9E 00000000:0000 0A";
        let at = |address: &str| holder(sockets, address.parse().unwrap());
        // As machines of this byte order write it.
        if cfg!(target_endian = "little") {
            assert_eq!((at("127.0.0.1:7070"), at("127.0.0.2:7070")), (Some(1001), Some(1002)));
        }
        assert_eq!((at("127.0.0.1:7071"), at("0.0.0.0:7070"), at("127.0.0.1:1")), (None, None, None));
    }

    #[test]
    fn what_listens_everywhere_is_reached_on_loopback() {
        let near = |listen: &str| Near { listen: listen.parse().unwrap(), tls: true };
        assert_eq!(near("0.0.0.0:443").address().to_string(), "127.0.0.1:443");
        assert_eq!(near("[::]:443").address().to_string(), "[::1]:443");
        assert_eq!(near("10.1.2.3:443").address().to_string(), "10.1.2.3:443");
        assert_eq!((near("[::]:443").scheme(), Near { tls: false, ..near("[::]:443") }.scheme()), ("https", "http"));
    }
}
