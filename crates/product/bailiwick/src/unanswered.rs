//! Why a server did not answer, from what the connection ended with.
//!
//! Refuses to call a server that answers, and cannot be believed, one that is not there.

use crate::place::is_loopback;
use model::{Problem, ProblemKind};
use reqwest::Url;
use rustls::CertificateError;
use std::{error::Error, io, iter};

/// What a person is told of a request to `url` that ended so.
pub(crate) fn unanswered(url: &Url, error: &reqwest::Error) -> Problem {
    let origin = url.origin().ascii_serialization();
    if error.is_timeout() && !error.is_connect() {
        return Problem::new(
            ProblemKind::TimedOut,
            "server.timeout",
            format!("`{origin}` took too long"),
            "it accepted the request and did not finish its answer in time",
            "look at what it did with `bailiwick audit list`, then try again",
        );
    }
    let tls = tls(error);
    if let Some(rustls::Error::InvalidCertificate(certificate)) = tls {
        return untrusted(&origin, certificate);
    }
    let fix = if is_loopback(url) && tls.is_none() {
        "start it with `bailiwick up`, or name another with `--server URL`"
    } else {
        "check the address and the network; `bailiwick doctor` says more"
    };
    let why = if tls.is_some() {
        "something answers there, and no secure connection came about"
    } else if error.is_connect() {
        "nothing answers there"
    } else {
        "the connection broke before the answer was whole"
    };
    Problem::new(ProblemKind::Upstream, "server.unreachable", format!("no answer from `{origin}`"), why, fix)
}

/// Somebody answers whose certificate does not count here.
fn untrusted(origin: &str, error: &CertificateError) -> Problem {
    if matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. }) {
        let why = "its certificate has ended";
        let fix = "put a new one in its place at the server, where `bailiwick doctor` says more; if it has not ended, set the clock of this machine";
        return unproven(origin, why, fix);
    }
    if matches!(error, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) {
        let why = "its certificate does not count yet";
        let fix = "set the clock of this machine; if it is right, put another certificate in its place at the server";
        return unproven(origin, why, fix);
    }
    if matches!(error, CertificateError::UnknownIssuer) {
        let why = "its certificate comes from an authority that this machine does not know";
        let fix = "add the authority's certificate to the system's, or name its PEM file with `SSL_CERT_FILE`";
        return unproven(origin, why, fix);
    }
    if matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) {
        let why = "its certificate is for other names";
        let fix = "use the address that its certificate names, or give the server a certificate with this name in it";
        return unproven(origin, why, fix);
    }
    unproven(
        origin,
        "its certificate does not hold",
        "look at the certificate there, and at what stands before the server",
    )
}

fn unproven(origin: &str, why: &str, fix: &str) -> Problem {
    let what = format!("`{origin}` answers, and does not prove that it is the server of that name");
    Problem::new(ProblemKind::Upstream, "server.untrusted", what, why, fix)
}

/// What TLS said, if it was that. An error of input or output hides what it holds from its sources.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    iter::successors(Some(error), |error| inner(*error)).find_map(|error| error.downcast_ref())
}

fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_said_to_be_wrong_in_its_own_way() {
        let told = |error| untrusted("https://corp.example", &error);
        for (error, why) in [
            (CertificateError::Expired, "has ended"),
            (CertificateError::NotValidYet, "not count yet"),
            (CertificateError::UnknownIssuer, "does not know"),
            (CertificateError::NotValidForName, "other names"),
            (CertificateError::BadEncoding, "does not hold"),
        ] {
            let problem = told(error);
            assert_eq!(problem.code, "server.untrusted");
            assert!(problem.why.contains(why), "{problem:?}");
        }
        assert!(told(CertificateError::UnknownIssuer).fix.contains("SSL_CERT_FILE"));
    }

    #[test]
    fn what_an_error_of_input_holds_is_found() {
        let held = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let outer = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, held));
        assert!(matches!(tls(&outer), Some(rustls::Error::InvalidCertificate(CertificateError::Expired))));
        assert!(tls(&io::Error::other("another")).is_none());
    }
}
