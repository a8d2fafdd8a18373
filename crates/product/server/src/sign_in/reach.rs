//! How the sign-in provider is reached: the one place besides `broker` from which the server itself goes out, to the
//! one issuer that its operator named. Follows no redirect, and reads no more than a document.

use async_trait::async_trait;
use identity::{HttpRequest, HttpResponse, Reach, Unreached};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(10);
/// Discovery, keys and tokens are a few kilobytes.
const ANSWER_MAX_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Outside(reqwest::Client);

impl Outside {
    /// Trusts the public roots, and what the operator adds (`[broker] ca`).
    pub(crate) fn new(more: &[rustls_pki_types::CertificateDer<'static>]) -> Result<Self, Unreached> {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(WITHIN);
        let more: Result<Vec<_>, _> = more.iter().map(|one| reqwest::Certificate::from_der(one)).collect();
        let client = client.tls_certs_merge(more.map_err(|error| unreached(&error))?);
        Ok(Self(client.build().map_err(|error| unreached(&error))?))
    }
}

#[async_trait]
impl Reach for Outside {
    async fn reach(&self, request: HttpRequest) -> Result<HttpResponse, Unreached> {
        let request = reqwest::Request::try_from(request).map_err(|error| unreached(&error))?;
        let mut answer = self.0.execute(request).await.map_err(|error| unreached(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| unreached(&error))? {
            body.extend_from_slice(&piece);
            if body.len() > ANSWER_MAX_BYTES {
                return Err(Unreached("the answer does not end".to_owned()));
            }
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

fn unreached(error: &reqwest::Error) -> Unreached {
    // Without the address: a token's exchange has the code in it.
    let kind = if error.is_timeout() { "it took too long" } else { "the connection failed" };
    tracing::warn!(error = error as &dyn std::error::Error, "the sign-in provider was not reached");
    Unreached(kind.to_owned())
}
