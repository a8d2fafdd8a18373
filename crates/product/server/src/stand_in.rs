//! A stand-in for hosts outside, on loopback: TLS under certificates made for this process, and plain HTTP, at one port.
//!
//! Nothing of it lasts: the authority that signs its certificates lives in memory, and is trusted by this process alone.

use arc_swap::ArcSwapOption;
use axum::Router;
use broker::EgressConfig;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use model::{Problem, ProblemKind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{fmt, net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

/// The first byte of a TLS connection (RFC 8446, section 5.1: a handshake record).
const HANDSHAKE: u8 = 22;

/// The running stand-in.
pub(crate) struct StandIn {
    address: SocketAddr,
    issuer: CertifiedIssuer<'static, KeyPair>,
    shown: Arc<Shown>,
    serving: AbortHandle,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandIn").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The certificate of this moment: one for all hosts that it stands in for.
#[derive(Debug, Default)]
struct Shown(ArcSwapOption<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

fn failed(error: &dyn fmt::Display) -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "stand_in.failed",
        "what stands in for hosts outside could not be started",
        error.to_string(),
        "look at the limits of this account with `ulimit -a`, then try again",
    )
}

impl StandIn {
    /// Answers with `app` on a port of its own, for no host yet.
    pub(crate) async fn start(app: Router) -> Result<Self, Problem> {
        let mut params = CertificateParams::new(vec![]).map_err(|error| failed(&error))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(|error| failed(&error))?;
        let shown = Arc::new(Shown::default());
        let resolver = Arc::clone(&shown) as Arc<dyn ResolvesServerCert>;
        let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let serving = tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), app)).abort_handle();
        Ok(Self { address, issuer, shown, serving })
    }

    /// From now on it has a certificate for these hosts, names and addresses alike.
    pub(crate) fn stands_for(&self, hosts: &[String]) -> Result<(), Problem> {
        let bare = |host: &String| host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let names: Vec<String> = hosts.iter().map(bare).collect();
        let params = CertificateParams::new(names).map_err(|error| failed(&error))?;
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| failed(&error))?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = any_supported_type(&key).map_err(|error| failed(&error))?;
        self.shown.0.store(Some(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key))));
        Ok(())
    }

    /// Opens the way to it, for this process alone.
    pub(crate) fn allow(&self, egress: &mut EgressConfig) -> Result<(), Problem> {
        egress.private.push(EgressConfig::parse_private(&self.address.to_string())?);
        egress.ca.push(self.root());
        Ok(())
    }

    fn root(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, app: Router) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(one(stream, acceptor.clone(), app.clone()));
    }
}

async fn one(stream: TcpStream, acceptor: TlsAcceptor, app: Router) {
    let mut first = [0];
    // Whoever breaks off has no answer to wait for.
    match stream.peek(&mut first).await {
        Ok(1) if first == [HANDSHAKE] => {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak(stream, app).await;
            }
        }
        Ok(1) => speak(stream, app).await,
        Ok(_) | Err(_) => {}
    }
}

async fn speak<S>(stream: S, app: Router)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = TowerToHyperService::new(app);
    let _ended = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}
