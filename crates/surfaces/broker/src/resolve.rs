//! Names become addresses once for each hop, and every address among the answers is judged before one is used.
//!
//! Refuses the whole answer when one address in it is refused: a name that leads inside for some is not public.

use crate::{
    config::EgressConfig,
    destination::{Destination, Scheme},
    error::Error,
    refusal,
    special::{Fence, Fenced, Reach},
};
use async_trait::async_trait;
use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, ResolveHosts},
};
use model::Problem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The name has no address, or nobody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no address")]
pub struct Unresolved;

/// Looks names up.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// # Errors
    /// When there is no address.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved>;
}

/// DNS, by the machine's `resolv.conf`.
pub struct Dns(TokioResolver);

impl Dns {
    /// # Errors
    /// `Error::Dns` when the machine's settings cannot be read.
    pub fn from_system() -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Dns(error.to_string());
        let mut builder = TokioResolver::builder_tokio().map_err(|error| failed(&error))?;
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // What the machine calls itself and its neighbours is no app's business; `[broker] resolve` says otherwise.
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self(builder.build().map_err(|error| failed(&error))?))
    }
}

#[async_trait]
impl Resolve for Dns {
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        // The dot at the end keeps the machine's search domains out of it.
        let found = self.0.lookup_ip(format!("{host}.")).await.map_err(|error| {
            tracing::debug!(host, error = &error as &dyn std::error::Error, "name not resolved");
            Unresolved
        })?;
        Ok(found.iter().collect())
    }
}

/// The addresses of a destination, each of which may be connected to.
pub(crate) async fn resolve(
    config: &EgressConfig,
    fence: &Fence,
    dns: &dyn Resolve,
    to: &Destination,
) -> Result<Vec<SocketAddr>, Problem> {
    let refused = |fenced: Fenced, port| refusal::fenced(&to.host, fenced.what, port, fenced.openable);
    fence.judge_name(&to.host, to.port).map_err(|fenced| refused(fenced, to.port))?;
    let found = if let Some(stand_in) = config.stand_in {
        closed_for_good(fence, to)?;
        vec![stand_in]
    } else if let Some(address) = config.resolve.get(&to.host) {
        vec![*address]
    } else if let Some(ip) = to.literal() {
        vec![SocketAddr::new(ip, to.port)]
    } else {
        let found = dns.addresses(&to.host).await.map_err(|Unresolved| refusal::unresolved(&to.host))?;
        found.into_iter().map(|ip| SocketAddr::new(ip, to.port)).collect()
    };
    if found.is_empty() {
        return Err(refusal::unresolved(&to.host));
    }
    for address in &found {
        let reach = fence.judge(*address).map_err(|fenced| refused(fenced, address.port()))?;
        if to.scheme == Scheme::Http && reach == Reach::Public {
            return Err(refusal::plain_text(&to.host));
        }
    }
    Ok(found)
}

/// The same for a host that the platform itself is to call: an operator named it, not a manifest.
pub(crate) async fn addresses(
    config: &EgressConfig,
    fence: &Fence,
    dns: &dyn Resolve,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, Problem> {
    fence.judge_name(host, port).map_err(|fenced| refusal::fenced_for_us(host, fenced.what, port, fenced.openable))?;
    let found = match (config.resolve.get(host), host.trim_matches(['[', ']']).parse()) {
        (Some(address), _) => vec![*address],
        (None, Ok(ip)) => vec![SocketAddr::new(ip, port)],
        // RFC 6761, section 6.3: never asked of DNS.
        (None, Err(_)) if host == "localhost" => vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)],
        (None, Err(_)) => {
            let found = dns.addresses(host).await.map_err(|Unresolved| refusal::unresolved_for_us(host))?;
            found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
        }
    };
    if found.is_empty() {
        return Err(refusal::unresolved_for_us(host));
    }
    for address in &found {
        fence
            .judge(*address)
            .map_err(|fenced| refusal::fenced_for_us(host, fenced.what, address.port(), fenced.openable))?;
    }
    Ok(found)
}

/// What no operator can open is refused, though something else would answer in its place.
fn closed_for_good(fence: &Fence, to: &Destination) -> Result<(), Problem> {
    let Some(ip) = to.literal() else { return Ok(()) };
    match fence.judge(SocketAddr::new(ip, to.port)) {
        Err(fenced) if !fenced.openable => Err(refusal::fenced(&to.host, fenced.what, to.port, false)),
        Ok(_) | Err(_) => Ok(()),
    }
}
