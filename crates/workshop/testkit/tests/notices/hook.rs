//! A receiver of webhooks on loopback that checks each signature as Standard Webhooks say.

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[derive(Default)]
struct Kept {
    posted: Vec<Value>,
    ids: BTreeSet<String>,
}

/// A running receiver.
pub(crate) struct Hook {
    port: u16,
    kept: Arc<Mutex<Kept>>,
}

impl Hook {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::<Mutex<Kept>>::default();
        let taking = Arc::clone(&kept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&taking);
                let service = service_fn(move |request| take(request, Arc::clone(&kept)));
                let serving =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(serving);
            }
        });
        Self { port, kept }
    }

    /// Lines of `[notify]` that name it.
    pub(crate) fn config(&self, folder: &Path) -> String {
        let file = folder.join("webhook.secret");
        testkit::private_file(&file, &format!("whsec_{SECRET}\n"));
        format!("webhook = \"http://127.0.0.1:{}/here\"\nwebhook_secret = \"file:{}\"\n", self.port, file.display())
    }

    /// What arrived, signed; each id once.
    pub(crate) fn posted(&self) -> Vec<Value> {
        let kept = self.kept.lock().unwrap();
        assert_eq!(kept.ids.len(), kept.posted.len(), "an id came twice");
        kept.posted.clone()
    }
}

async fn take(request: Request<Incoming>, kept: Arc<Mutex<Kept>>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (id, at, signature) = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(SECRET).unwrap());
    let signed = [format!("{id}.{at}.").as_bytes(), &body].concat();
    let tag = signature.strip_prefix("v1,").and_then(|tag| BASE64_STANDARD.decode(tag).ok()).unwrap_or_default();
    let status = if parts.uri.path() == "/here" && hmac::verify(&key, &signed, &tag).is_ok() {
        let mut kept = kept.lock().unwrap();
        kept.posted.push(serde_json::from_slice(&body).unwrap());
        kept.ids.insert(id);
        204
    } else {
        401
    };
    Ok(Response::builder().status(status).body(Full::default()).unwrap())
}
