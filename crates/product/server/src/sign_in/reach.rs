//! How the sign-in provider is reached: one of the places besides `broker` from which the server itself goes out, to
//! the one issuer that its operator named. Follows no redirect, and reads no more than a document.
//!
//! One that `config.toml` names is reached wherever it is: whoever writes that file has the machine. One that is named
//! in the console is fenced as apps are: public addresses, and private ones that `[broker] private` opens with their
//! port; the connection goes to the addresses that were judged, through no proxy.

use async_trait::async_trait;
use broker::Broker;
use identity::{HttpRequest, HttpResponse, Reach, Unreached};
use rustls_pki_types::CertificateDer;
use std::{sync::Arc, time::Duration};

const WITHIN: Duration = Duration::from_secs(10);
/// Discovery, keys and tokens are a few kilobytes.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// Trusts the public roots, and what the operator adds (`[broker] ca`).
fn client(more: &[CertificateDer<'static>]) -> Result<reqwest::ClientBuilder, Unreached> {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(WITHIN);
    let more: Result<Vec<_>, _> = more.iter().map(|one| reqwest::Certificate::from_der(one)).collect();
    Ok(client.tls_certs_merge(more.map_err(|error| failed(&error))?))
}

/// To the issuer of the configuration.
#[derive(Debug)]
pub(crate) struct Outside(reqwest::Client);

impl Outside {
    pub(crate) fn new(more: &[CertificateDer<'static>]) -> Result<Self, Unreached> {
        Ok(Self(client(more)?.build().map_err(|error| failed(&error))?))
    }
}

#[async_trait]
impl Reach for Outside {
    async fn reach(&self, request: HttpRequest) -> Result<HttpResponse, Unreached> {
        let request = reqwest::Request::try_from(request).map_err(|error| failed(&error))?;
        asked(&self.0, request).await
    }
}

/// To an issuer that an operator named in the console.
pub(crate) struct Fenced {
    broker: Arc<Broker>,
    more: Vec<CertificateDer<'static>>,
}

impl std::fmt::Debug for Fenced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fenced").finish_non_exhaustive()
    }
}

impl Fenced {
    pub(crate) fn new(broker: &Arc<Broker>, more: &[CertificateDer<'static>]) -> Self {
        Self { broker: Arc::clone(broker), more: more.to_vec() }
    }
}

#[async_trait]
impl Reach for Fenced {
    async fn reach(&self, request: HttpRequest) -> Result<HttpResponse, Unreached> {
        let request = reqwest::Request::try_from(request).map_err(|error| failed(&error))?;
        let url = request.url();
        let (Some(host), Some(port)) = (url.host_str().map(str::to_owned), url.port_or_known_default()) else {
            return Err(Unreached::Failed("its address has no host".to_owned()));
        };
        let looked = tokio::time::timeout(WITHIN, self.broker.addresses_of(&host, port)).await;
        let addresses = match looked {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(problem)) => return Err(Unreached::Refused(Box::new(problem))),
            Err(_) => return Err(Unreached::Failed("it took too long".to_owned())),
        };
        // INVARIANT: what is connected to is what was judged. A client of its own for each call: the answers are few.
        let client = client(&self.more)?.resolve_to_addrs(&host, &addresses);
        asked(&client.build().map_err(|error| failed(&error))?, request).await
    }
}

async fn asked(client: &reqwest::Client, request: reqwest::Request) -> Result<HttpResponse, Unreached> {
    let mut answer = client.execute(request).await.map_err(|error| failed(&error))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| failed(&error))? {
        body.extend_from_slice(&piece);
        if body.len() > ANSWER_MAX_BYTES {
            return Err(Unreached::Failed("what it sends is longer than a document: over 1 MiB".to_owned()));
        }
    }
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn failed(error: &reqwest::Error) -> Unreached {
    // Without the address: a token's exchange has the code in it.
    let kind = if error.is_timeout() { "it took too long" } else { "the connection failed" };
    tracing::warn!(error = error as &dyn std::error::Error, "the sign-in provider was not reached");
    Unreached::Failed(kind.to_owned())
}
