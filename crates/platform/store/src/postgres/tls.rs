//! The way to the database: TLS, verified whole, or none where nobody can listen.
//!
//! `sslmode` of the address says which. `require`, `verify-ca` and `verify-full` all verify chain and name: TLS with
//! whoever answers keeps no secret. Without the word, a server on this machine is spoken to plainly and any other by
//! TLS. Refuses `prefer` and `allow`, which give TLS up when somebody in between asks for it.

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem::PemObject};
use std::{
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect},
};
use tokio_rustls::{TlsConnector, client};

/// Reads the address of a database.
///
/// # Errors
/// Why it cannot be used; never the address itself, which may hold a password.
pub fn check_url(url: &str) -> Result<(), &'static str> {
    read(url).map(drop)
}

/// What the address says, with `sslmode` and `sslrootcert` as they are meant here.
pub(crate) fn read(url: &str) -> Result<(Config, MakeTls), &'static str> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut file, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => file = Some(value),
            Some(_) | None => rest.push(pair),
        }
    }
    let address = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    let mut config: Config = address.parse().map_err(|_| "it cannot be read as `postgres://USER@HOST/DATABASE`")?;
    let mode = match mode {
        Some("disable") => SslMode::Disable,
        Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
        Some("prefer" | "allow") => {
            return Err(
                "`sslmode=prefer` gives TLS up when somebody in between asks for it: say `verify-full` or `disable`",
            );
        }
        Some(_) => return Err("its `sslmode` is not `verify-full` or `disable`"),
        None if config.get_hosts().iter().all(is_here) => SslMode::Disable,
        None => SslMode::Require,
    };
    config.ssl_mode(mode);
    Ok((config, MakeTls(Arc::new(client_config(file)?))))
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        Host::Unix(_) => true,
    }
}

/// The public roots, and those of the file.
fn client_config(file: Option<&str>) -> Result<ClientConfig, &'static str> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = file.filter(|file| *file != "system") {
        let path = percent_encoding::percent_decode_str(file).decode_utf8().map_err(|_| UNREADABLE)?;
        let pem = std::fs::read(path.as_ref()).map_err(|_| UNREADABLE)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let found = read.ok().filter(|found| !found.is_empty()).ok_or(UNREADABLE)?;
        for certificate in found {
            roots.add(certificate).map_err(|_| UNREADABLE)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions.map_err(|_| "TLS cannot be set up")?.with_root_certificates(roots).with_no_client_auth();
    // What PostgreSQL 17 wants of connections that begin with TLS; older servers ignore it.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}

const UNREADABLE: &str = "its `sslrootcert` is not a readable PEM file of certificates";

/// Makes TLS for whichever host is tried.
#[derive(Clone)]
pub(crate) struct MakeTls(Arc<ClientConfig>);

impl<S> MakeTlsConnect<S> for MakeTls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Secured<S>;
    type TlsConnect = Connect;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connect, InvalidDnsNameError> {
        Ok(Connect { name: ServerName::try_from(host.to_owned())?, connector: TlsConnector::from(Arc::clone(&self.0)) })
    }
}

pub(crate) struct Connect {
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl<S> TlsConnect<S> for Connect
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Secured<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Secured<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { self.connector.connect(self.name, stream).await.map(Secured) })
    }
}

pub(crate) struct Secured<S>(client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Secured<S> {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate was verified; binding the password to it too would need its own parser.
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, &'static str> {
        read(url).map(|(config, _)| config.get_ssl_mode())
    }

    #[test]
    fn what_is_far_is_spoken_to_by_tls_unless_it_is_said_otherwise() {
        for (url, wanted) in [
            ("postgres://b@localhost/b", SslMode::Disable),
            ("postgres://b@127.0.0.1:5433/b", SslMode::Disable),
            ("postgres://b@%2Frun%2Fpostgresql/b", SslMode::Disable),
            ("postgres://b@db.corp.example/b", SslMode::Require),
            ("postgres://b@10.0.0.5/b", SslMode::Require),
            ("postgres://b@localhost,db.corp.example/b", SslMode::Require),
            ("postgres://b@localhost/b?sslmode=verify-full", SslMode::Require),
            ("postgres://b@db.corp.example/b?sslmode=require&application_name=x", SslMode::Require),
            ("postgres://b@db.corp.example/b?sslmode=disable", SslMode::Disable),
            ("postgres://b@db.corp.example/b?sslrootcert=system", SslMode::Require),
        ] {
            assert_eq!(mode(url), Ok(wanted), "{url}");
        }
    }

    #[test]
    fn half_measures_and_mistakes_are_refused() {
        for url in [
            "postgres://b@db/b?sslmode=prefer",
            "postgres://b@db/b?sslmode=allow",
            "postgres://b@db/b?sslmode=maybe",
            "postgres://b@db/b?sslrootcert=/nowhere/ca.pem",
            "postgres://b@db/b?nonsense=1",
            "postgres://b@db:port/b",
        ] {
            let why = check_url(url).unwrap_err();
            assert!(!why.contains("db"), "{why}");
        }
    }
}
