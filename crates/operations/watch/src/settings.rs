//! How people are told: what the operator's `[notify]` comes to. Reading it is the server's.
//!
//! Refuses to be printed: a password and the address of a webhook are secrets.

/// Where mail comes from.
pub use lettre::Address;

use seal::{WebhookKey, Zeroizing};
use std::fmt;
use url::Url;

/// How people are told, as far as the operator said.
#[derive(Debug, Clone, Default)]
pub struct Notify {
    pub smtp: Option<Smtp>,
    pub webhook: Option<Hook>,
}

/// How the connection to the mail server is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// TLS from the first byte.
    Tls,
    /// TLS by STARTTLS, or no mail at all.
    StartTls,
    /// None: on this machine alone.
    Loopback,
}

#[derive(Clone)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub wrapping: Wrapping,
    pub credentials: Option<(String, Zeroizing<String>)>,
    pub from: Address,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub struct Hook {
    /// May hold a secret of its own: never shown.
    pub url: Url,
    pub key: WebhookKey,
}

impl Hook {
    /// Where it goes, without what may be secret in it.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("host", &self.host()).finish_non_exhaustive()
    }
}

impl Notify {
    /// Whether anybody is told of anything.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.smtp.is_some() || self.webhook.is_some()
    }
}
