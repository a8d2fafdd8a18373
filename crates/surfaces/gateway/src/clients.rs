//! Client certificates: which apps, or which of their paths, are for whoever shows one from the operator's authority.
//!
//! An app that asks for one everywhere is refused in the handshake already; where only some paths ask, the handshake asks
//! and the path refuses. The certificate opens nothing by itself: who the person is, their session still says. Refuses a
//! request that came over another name's handshake: it never showed one; and one over a handshake that believed an
//! authority which has changed since: it shows its certificate again.

use crate::tls::{Reloaded, TlsError};
use arc_swap::ArcSwap;
use model::manifest::PathPattern;
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// What a handshake asks of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Nothing,
    /// For some paths: a client that has one shows it.
    Perhaps,
    Always,
}

/// Whose certificates count, and where they are needed.
#[derive(Debug)]
pub struct Clients {
    ca: PathBuf,
    authority: ArcSwap<Authority>,
    /// The digest of the file, as it was when it was last looked at.
    seen: Mutex<Option<seal::Digest>>,
    /// Without a port, in lower case.
    domain: String,
    /// By the part of the host name before the apps domain.
    needed: BTreeMap<String, Vec<PathPattern>>,
}

/// As its file said.
#[derive(Debug)]
struct Authority {
    roots: Arc<RootCertStore>,
    /// How often it was read.
    reading: u64,
}

fn read(ca: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let pem = fs::read(ca).map_err(|source| TlsError::File { path: ca.to_owned(), source })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| TlsError::NoCertificate(ca.to_owned()))?;
        roots.add(certificate).map_err(TlsError::Unfit)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate(ca.to_owned()));
    }
    Ok(Arc::new(roots))
}

fn digest(ca: &Path) -> Option<seal::Digest> {
    fs::read(ca).ok().map(|pem| seal::Digest::of(&pem))
}

impl Clients {
    /// Reads the authority's certificates. `needed` is by label: `payroll`, `payroll--staging`.
    ///
    /// # Errors
    /// A file that is missing, or holds no certificate.
    pub fn load(ca: &Path, apps_domain: &str, needed: BTreeMap<String, Vec<PathPattern>>) -> Result<Self, TlsError> {
        let seen = Mutex::new(digest(ca));
        let authority = ArcSwap::from_pointee(Authority { roots: read(ca)?, reading: 0 });
        let domain = apps_domain.split(':').next().unwrap_or_default().to_ascii_lowercase();
        Ok(Self { ca: ca.to_owned(), authority, seen, domain, needed })
    }

    /// Reads the file again if it is another than last time.
    ///
    /// # Errors
    /// As `load`; whoever was believed before still is.
    pub(crate) fn reload_if_changed(&self) -> Result<Reloaded, TlsError> {
        let now = digest(&self.ca);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Ok(Reloaded::No);
        }
        // Also when it cannot be used: it is said once, and tried again when it changes again.
        *seen = now;
        let roots = read(&self.ca)?;
        let reading = self.reading() + 1;
        self.authority.store(Arc::new(Authority { roots, reading }));
        Ok(Reloaded::Yes)
    }

    /// Which reading of the file is in force.
    pub(crate) fn reading(&self) -> u64 {
        self.authority.load().reading
    }

    fn everywhere(&self, label: &str) -> bool {
        self.needed.get(label).is_some_and(|paths| paths.iter().any(|path| path.to_string() == "/**"))
    }

    /// Of a handshake that names this host.
    pub(crate) fn asks(&self, name: Option<&str>) -> Asks {
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let label = name.strip_suffix(&self.domain).and_then(|rest| rest.strip_suffix('.')).unwrap_or_default();
        match self.needed.contains_key(label) {
            true if self.everywhere(label) => Asks::Always,
            true => Asks::Perhaps,
            false => Asks::Nothing,
        }
    }

    /// Of a request.
    pub(crate) fn are_needed(&self, label: &str, path: &str) -> bool {
        self.needed.get(label).is_some_and(|paths| paths.iter().any(|pattern| pattern.matches(path)))
    }

    /// Who is believed where one may be shown, and where one must be: everyone whose certificate comes from the authority;
    /// in the second place nobody without one. With the reading that both are of.
    pub(crate) fn verifiers(&self) -> Result<(u64, [Arc<dyn ClientCertVerifier>; 2]), TlsError> {
        let authority = self.authority.load_full();
        let verifier = |asks: Asks| {
            let provider = Arc::new(aws_lc_rs::default_provider());
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&authority.roots), provider);
            let builder = if asks == Asks::Always { builder } else { builder.allow_unauthenticated() };
            builder.build().map_err(|error| TlsError::Unfit(rustls::Error::General(error.to_string())))
        };
        Ok((authority.reading, [verifier(Asks::Perhaps)?, verifier(Asks::Always)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_asks_by_what_its_paths_need() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let made = rcgen::generate_simple_self_signed(vec!["clients".to_owned()]).unwrap();
        fs::write(&ca, made.cert.pem()).unwrap();
        let paths = |texts: &[&str]| texts.iter().map(|text| PathPattern::parse(text).unwrap()).collect::<Vec<_>>();
        let needed = BTreeMap::from([
            ("payroll".to_owned(), paths(&["/**"])),
            ("poll--staging".to_owned(), paths(&["/admin/**"])),
        ]);
        let clients = Clients::load(&ca, "apps.example:8443", needed).unwrap();
        for (name, asks) in [
            ("payroll.apps.example", Asks::Always),
            ("PAYROLL.apps.example", Asks::Always),
            ("poll--staging.apps.example", Asks::Perhaps),
            ("poll.apps.example", Asks::Nothing),
            ("payroll.apps.example.evil", Asks::Nothing),
            ("payrollapps.example", Asks::Nothing),
        ] {
            assert_eq!(clients.asks(Some(name)), asks, "{name}");
        }
        assert_eq!(clients.asks(None), Asks::Nothing);
        assert!(clients.are_needed("payroll", "/") && clients.are_needed("poll--staging", "/admin/x"));
        assert!(!clients.are_needed("poll--staging", "/") && !clients.are_needed("poll", "/admin/x"));
        assert_eq!(clients.reload_if_changed().unwrap(), Reloaded::No);
        fs::write(&ca, "no pem").unwrap();
        assert!(matches!(clients.reload_if_changed(), Err(TlsError::NoCertificate(_))));
        assert_eq!(clients.reload_if_changed().unwrap(), Reloaded::No, "it is said once");
        assert_eq!(clients.reading(), 0, "whoever was believed still is");
        fs::write(&ca, rcgen::generate_simple_self_signed(vec!["others".to_owned()]).unwrap().cert.pem()).unwrap();
        assert_eq!(clients.reload_if_changed().unwrap(), Reloaded::Yes);
        assert_eq!(clients.reading(), 1);
        fs::write(&ca, "no pem").unwrap();
        let none = Clients::load(&ca, "apps.example", BTreeMap::new());
        assert!(matches!(none, Err(TlsError::NoCertificate(_))));
    }
}
