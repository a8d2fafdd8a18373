//! The webhook: one POST of JSON for each notice, signed as Standard Webhooks (version 1) say: `webhook-id`,
//! `webhook-timestamp`, `webhook-signature`. The id is the same however often it is tried.
//!
//! Refuses to follow a redirect: the address is the one that the operator named.

use super::Failed;
use crate::settings::Hook;
use model::Timestamp;
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(15);
/// 'Gone': the receiver wants no more of this one.
const GONE: u16 = 410;

#[derive(Debug)]
pub struct Webhook {
    client: reqwest::Client,
    hook: Hook,
}

impl Webhook {
    pub(crate) fn new(hook: Hook, more: &[CertificateDer<'static>]) -> Result<Self, reqwest::Error> {
        let more: Result<Vec<_>, _> = more.iter().map(|one| reqwest::Certificate::from_der(one)).collect();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(WITHIN);
        Ok(Self { client: client.tls_certs_merge(more?).build()?, hook })
    }

    #[must_use]
    pub fn host(&self) -> String {
        self.hook.host()
    }

    pub(crate) async fn send(&self, id: &str, now: Timestamp, body: &Value) -> Result<(), Failed> {
        let body = body.to_string();
        let signature = self.hook.key.sign(id, now.as_secs(), body.as_bytes());
        let request = self
            .client
            .post(self.hook.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now.as_secs())
            .header("webhook-signature", signature)
            .body(body);
        let answer = request.send().await.map_err(|error| failed(&error))?;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else if status.as_u16() == GONE {
            Err(Failed::for_good("it answered 410: it wants no more of this"))
        } else if status.is_redirection() {
            Err(Failed::now(format!("it answered {}: a redirect is not followed", status.as_u16())))
        } else {
            Err(Failed::now(format!("it answered {}", status.as_u16())))
        }
    }
}

/// Without the address: it may hold a secret.
fn failed(error: &reqwest::Error) -> Failed {
    let why = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "no connection could be made, or its certificate is not trusted"
    } else {
        "the connection broke"
    };
    Failed::now(why)
}
