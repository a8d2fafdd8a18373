//! Connections: to an address that was judged, with TLS for the name that was granted, HTTP/1.1 on it.
//!
//! Refuses certificates of other names and of authorities that are not trusted. Nothing here resolves a name or reads
//! a proxy from the environment.

use crate::{
    config::{EgressConfig, Limits},
    destination::{Destination, Scheme},
    error::Error,
    refusal,
    sent::Sent,
};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use model::Problem;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// One address that does not answer may not use up the time of the others.
const ONE_ADDRESS_MAX: Duration = Duration::from_secs(2);

/// A connection for one call; it ends when this is dropped, or when the app is cut.
pub(crate) struct Line {
    pub(crate) send: SendRequest<Sent>,
    _drive: AbortOnDropHandle<()>,
}

/// TLS for every call: public roots and the operator's, one version of HTTP.
pub(crate) fn tls(config: &EgressConfig) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in &config.ca {
        roots.add(certificate.clone())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session would let a host recognise one app's calls as another's.
    tls.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(tls))
}

/// Connects to the first address that answers.
pub(crate) async fn connect(
    tls: &Arc<ClientConfig>,
    to: &Destination,
    addresses: &[SocketAddr],
    limits: &Limits,
    until: Instant,
    token: &CancellationToken,
) -> Result<Line, Problem> {
    let late = |_| refusal::timed_out(&to.host, "did not take the connection");
    let tcp = timeout_at(until, first(addresses)).await.map_err(late)?.ok_or_else(|| refusal::unreachable(&to.host))?;
    // Small requests leave at once; a failure costs only speed.
    let _ = tcp.set_nodelay(true);
    match to.scheme {
        Scheme::Http => speak(tcp, to, limits, token).await,
        Scheme::Https => {
            let bare = to.host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(bare).map_err(|_| refusal::untrusted(&to.host))?;
            let secured = TlsConnector::from(Arc::clone(tls)).connect(name, tcp);
            let secured = timeout_at(until, secured).await.map_err(late)?.map_err(|error| {
                tracing::debug!(host = to.host, error = &error as &dyn std::error::Error, "TLS");
                if error.kind() == std::io::ErrorKind::InvalidData {
                    refusal::untrusted(&to.host)
                } else {
                    refusal::broken(&to.host)
                }
            })?;
            speak(secured, to, limits, token).await
        }
    }
}

async fn first(addresses: &[SocketAddr]) -> Option<TcpStream> {
    for address in addresses {
        match timeout(ONE_ADDRESS_MAX, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Some(tcp),
            Ok(Err(error)) => tracing::debug!(%address, error = &error as &dyn std::error::Error, "connect"),
            Err(_) => tracing::debug!(%address, "connect took too long"),
        }
    }
    None
}

async fn speak<S>(io: S, to: &Destination, limits: &Limits, token: &CancellationToken) -> Result<Line, Problem>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (send, connection) = http1::Builder::new()
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(MIN_BUFFER))
        .handshake(TokioIo::new(io))
        .await
        .map_err(|_| refusal::broken(&to.host))?;
    let cut = token.clone();
    let drive = async move {
        tokio::select! {
            biased;
            () = cut.cancelled() => {}
            ended = connection => if let Err(error) = ended {
                tracing::debug!(error = &error as &dyn std::error::Error, "connection");
            }
        }
    };
    Ok(Line { send, _drive: AbortOnDropHandle::new(tokio::spawn(drive)) })
}

/// The least that hyper takes as a buffer.
const MIN_BUFFER: usize = 8192;
