//! TLS by certificate files: read at start, and again when they change, without a restart. TLS 1.2 and 1.3 alone;
//! HTTP/2 where the client offers it (ALPN).
//!
//! Refuses a key that does not belong to the certificate, and one that does not count today in the place of one that does.
//! While the files on disk are wrong, what was read before them goes on serving.

use crate::{
    clients::{Asks, Clients},
    validity::validity,
};
use arc_swap::ArcSwap;
use model::{Clock, Timestamp};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{Acceptor, ClientHello, ResolvesServerCert, danger::ClientCertVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

/// Between looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Where certificate and key are: PEM, the whole chain, the leaf first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("`{}` cannot be read: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("there is no PEM certificate in `{}`", .0.display())]
    NoCertificate(PathBuf),
    #[error("there is no PEM private key in `{}`", .0.display())]
    NoKey(PathBuf),
    #[error("others can read the private key `{}`", .0.display())]
    OpenKey(PathBuf),
    #[error("certificate and key do not fit: {0}")]
    Unfit(rustls::Error),
    #[error("it does not count today, and the one that is in use does")]
    Untimely,
}

/// Whether the files were read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    Yes,
    No,
}

/// The certificate in use, and where it came from.
pub struct Certificates {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
    seen: Mutex<Seen>,
}

/// What was found when the files were last looked at.
struct Seen {
    /// The digest of both files and of who may read the key.
    digest: Option<seal::Digest>,
    /// Read, and not in use: it does not count, while the one that is in use does.
    waits: Option<Arc<CertifiedKey>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificates {
    /// # Errors
    /// Files that are missing, not PEM, or do not fit each other; a key that others can read.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let seen = Mutex::new(Seen { digest: digest(&files), waits: None });
        let current = ArcSwap::from(read(&files)?);
        Ok(Arc::new(Self { files, current, seen }))
    }

    /// Reads the files again if they are others than last time.
    ///
    /// # Errors
    /// As `load`; a certificate that does not count now in the place of one that does. What was read before stays in use.
    pub fn reload_if_changed(&self, now: Timestamp) -> Result<Reloaded, TlsError> {
        let found = digest(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.digest == found {
            // Its day has come, or that of the old one is over.
            let Some(key) = seen.waits.take_if(|key| !self.is_worse(key, now)) else { return Ok(Reloaded::No) };
            self.current.store(key);
            return Ok(Reloaded::Yes);
        }
        // Also when they cannot be used: it is said once, and tried again when they change again.
        *seen = Seen { digest: found, waits: None };
        let key = read(&self.files)?;
        if self.is_worse(&key, now) {
            seen.waits = Some(key);
            return Err(TlsError::Untimely);
        }
        self.current.store(key);
        Ok(Reloaded::Yes)
    }

    fn is_worse(&self, key: &CertifiedKey, now: Timestamp) -> bool {
        counts(&self.current.load(), now) && !counts(key, now)
    }

    /// The certificate that is served now, as DER: for whoever warns before it ends.
    #[must_use]
    pub fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.current.load().cert.first().cloned()
    }

    /// # Errors
    /// When the library supports no version of TLS that is wanted, which it does.
    pub fn tls(self: &Arc<Self>, clients: Option<&Arc<Clients>>) -> Result<Tls, TlsError> {
        let asking = match clients {
            Some(clients) => {
                let now = ArcSwap::from_pointee(self.asked(clients)?);
                Some(Arc::new(Asking { clients: Arc::clone(clients), now }))
            }
            None => None,
        };
        Ok(Tls { certificates: Arc::clone(self), plain: self.config(None)?, asking })
    }

    fn asked(self: &Arc<Self>, clients: &Clients) -> Result<Asked, TlsError> {
        let (reading, [perhaps, always]) = clients.verifiers()?;
        Ok(Asked { reading, perhaps: self.config(Some(perhaps))?, always: self.config(Some(always))? })
    }

    fn config(self: &Arc<Self>, clients: Option<Arc<dyn ClientCertVerifier>>) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Unfit)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(clients),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// Takes connections as TLS. Each way of asking has its own memory of sessions: none is taken up where more is asked.
#[derive(Clone)]
pub struct Tls {
    certificates: Arc<Certificates>,
    plain: Arc<ServerConfig>,
    asking: Option<Arc<Asking>>,
}

/// For names that ask for a client's certificate.
struct Asking {
    clients: Arc<Clients>,
    now: ArcSwap<Asked>,
}

/// By one reading of the authority's file. Another one has memories of sessions of its own.
struct Asked {
    reading: u64,
    perhaps: Arc<ServerConfig>,
    always: Arc<ServerConfig>,
}

/// A connection, once both sides agree.
pub(crate) struct Agreed {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) spoken: Spoken,
    /// The client showed a certificate of the operator's authority, as of this reading of its file.
    pub(crate) certified: Option<u64>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// Which HTTP the client and we agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    One,
    Two,
}

impl Tls {
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Agreed> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let (config, reading) = match &self.asking {
            Some(asking) => {
                let now = asking.now.load();
                let config = match asking.clients.asks(hello.client_hello().server_name()) {
                    Asks::Nothing => &self.plain,
                    Asks::Perhaps => &now.perhaps,
                    Asks::Always => &now.always,
                };
                (Arc::clone(config), Some(now.reading))
            }
            None => (Arc::clone(&self.plain), None),
        };
        let stream = hello.into_stream(config).await?;
        let session = stream.get_ref().1;
        let spoken = if session.alpn_protocol() == Some(HTTP_2) { Spoken::Two } else { Spoken::One };
        let certified = session.peer_certificates().filter(|chain| !chain.is_empty()).and(reading);
        Ok(Agreed { stream, spoken, certified })
    }

    /// Looks at the files until it is dropped.
    pub async fn follow(&self, clock: &dyn Clock) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        loop {
            every.tick().await;
            match self.certificates.reload_if_changed(clock.now()) {
                Ok(Reloaded::No) => {}
                Ok(Reloaded::Yes) => tracing::info!("the certificate was read again"),
                Err(error) => tracing::error!(%error, "the new certificate cannot be used; the old one stays"),
            }
            match self.asking.as_ref().map_or(Ok(Reloaded::No), |asking| asking.reload_if_changed(&self.certificates)) {
                Ok(Reloaded::No) => {}
                Ok(Reloaded::Yes) => tracing::info!("the authority of clients' certificates was read again"),
                Err(error) => tracing::error!(%error, "the authority of clients cannot be used; the old one stays"),
            }
        }
    }
}

impl Asking {
    fn reload_if_changed(&self, certificates: &Arc<Certificates>) -> Result<Reloaded, TlsError> {
        let reloaded = self.clients.reload_if_changed()?;
        if reloaded == Reloaded::Yes {
            self.now.store(Arc::new(certificates.asked(&self.clients)?));
        }
        Ok(reloaded)
    }
}

/// Whether a certificate counts now, as far as its dates can be read.
fn counts(key: &CertifiedKey, now: Timestamp) -> bool {
    let dates = key.cert.first().and_then(|leaf| validity(leaf));
    dates.is_none_or(|(since, ends_at)| since <= now && now < ends_at)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Times of files are too coarse to tell two writes apart; the files are small. A key that only its mode kept from being
/// used is taken once others can read it no more.
fn digest(files: &TlsFiles) -> Option<seal::Digest> {
    let read = |path: &Path| fs::read(path).ok();
    let all = [read(&files.cert)?, read(&files.key)?, others(&files.key)?.to_be_bytes().to_vec()].concat();
    Some(seal::Digest::of(&all))
}

/// What those may do with the key who are neither its owner nor in its group.
fn others(key: &Path) -> Option<u32> {
    fs::metadata(key).ok().map(|about| about.mode() & 0o007)
}

fn read(files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let open = |path: &Path| fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source });
    let (cert, key) = (open(&files.cert)?, open(&files.key)?);
    if others(&files.key).is_some_and(|others| others != 0) {
        return Err(TlsError::OpenKey(files.key.clone()));
    }
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&cert).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::NoKey(files.key.clone()))?;
    CertifiedKey::from_der(chain, key, &provider()).map(Arc::new).map_err(TlsError::Unfit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::SystemClock;
    use std::os::unix::fs::PermissionsExt;

    fn now() -> Timestamp {
        SystemClock.now()
    }

    fn write(files: &TlsFiles, name: &str) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        fs::write(&files.cert, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        made.cert.der().to_vec()
    }

    /// Of years that it counts in, the last one not among them.
    fn write_of(files: &TlsFiles, years: std::ops::Range<i32>) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["one.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let made = params.self_signed(&key).unwrap();
        fs::write(&files.cert, made.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        made.der().to_vec()
    }

    fn in_use(certificates: &Certificates) -> Vec<u8> {
        certificates.current.load().cert[0].to_vec()
    }

    #[test]
    fn what_changes_on_disk_is_read_again_and_what_is_wrong_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("a.pem"), key: folder.path().join("a.key") };
        assert!(matches!(Certificates::load(files.clone()), Err(TlsError::File { .. })));
        let first = write(&files, "one.example");
        let certificates = Certificates::load(files.clone()).unwrap();
        assert_eq!(in_use(&certificates), first);
        assert_eq!(certificates.reload_if_changed(now()).unwrap(), Reloaded::No);

        let second = write(&files, "two.example");
        assert_eq!(certificates.reload_if_changed(now()).unwrap(), Reloaded::Yes);
        assert_eq!(in_use(&certificates), second);

        let other = rcgen::generate_simple_self_signed(vec!["three.example".to_owned()]).unwrap();
        fs::write(&files.cert, other.cert.pem()).unwrap();
        assert!(matches!(certificates.reload_if_changed(now()), Err(TlsError::Unfit(_))), "of another key");
        assert_eq!(in_use(&certificates), second);
        assert_eq!(certificates.reload_if_changed(now()).unwrap(), Reloaded::No, "it is said once");

        fs::write(&files.cert, "no pem").unwrap();
        assert!(matches!(certificates.reload_if_changed(now()), Err(TlsError::NoCertificate(_))));
        let third = write(&files, "three.example");
        assert_eq!(certificates.reload_if_changed(now()).unwrap(), Reloaded::Yes);
        assert_eq!(in_use(&certificates), third);
    }

    #[test]
    fn one_that_counts_is_not_replaced_by_one_that_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("a.pem"), key: folder.path().join("a.key") };
        let in_year = |year: i32| format!("{year}-06-01T00:00:00Z").parse::<Timestamp>().unwrap();
        let first = write_of(&files, 2026..2030);
        let certificates = Certificates::load(files.clone()).unwrap();
        let look = |year| certificates.reload_if_changed(in_year(year));

        let ended = write_of(&files, 2020..2021);
        assert!(matches!(look(2026), Err(TlsError::Untimely)));
        assert_eq!(look(2026).unwrap(), Reloaded::No, "it is said once");
        assert_eq!(in_use(&certificates), first);
        assert_eq!(look(2031).unwrap(), Reloaded::Yes, "neither counts: it is as the files say");
        assert_eq!(in_use(&certificates), ended);

        let second = write_of(&files, 2030..2034);
        assert_eq!(look(2031).unwrap(), Reloaded::Yes);
        let early = write_of(&files, 2033..2036);
        assert!(matches!(look(2032), Err(TlsError::Untimely)));
        assert_eq!(in_use(&certificates), second);
        assert_eq!(look(2033).unwrap(), Reloaded::Yes, "its day has come");
        assert_eq!(in_use(&certificates), early);
    }

    #[test]
    fn a_new_key_that_others_can_read_is_taken_once_they_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("a.pem"), key: folder.path().join("a.key") };
        let first = write(&files, "one.example");
        let certificates = Certificates::load(files.clone()).unwrap();
        let mode = |mode| fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
        let second = write(&files, "one.example");
        mode(0o644);
        assert!(matches!(certificates.reload_if_changed(now()), Err(TlsError::OpenKey(_))));
        assert_eq!(certificates.reload_if_changed(now()).unwrap(), Reloaded::No, "it is said once");
        assert_eq!(in_use(&certificates), first);
        mode(0o600);
        assert_eq!(certificates.reload_if_changed(now()).unwrap(), Reloaded::Yes);
        assert_eq!(in_use(&certificates), second);
    }

    #[test]
    fn a_key_for_everyone_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("a.pem"), key: folder.path().join("a.key") };
        write(&files, "one.example");
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Certificates::load(files.clone()), Err(TlsError::OpenKey(_))));
        // A group of its own is how certificate tools share a key with servers.
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Certificates::load(files).is_ok());
    }
}
