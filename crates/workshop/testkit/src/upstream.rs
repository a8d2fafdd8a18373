//! A destination outside, on loopback: TLS under a certificate of its own, answers as told, keeps what it was sent.

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A running upstream for one host name.
pub struct Upstream {
    host: String,
    address: SocketAddr,
    pem: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Upstream {
    /// Answers every request with what `answer` makes of it.
    pub async fn start(host: &str, answer: fn(&Arrived) -> String) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let arrived = Arc::<Mutex<Vec<Arrived>>>::default();
        let (kept, acceptor) = (Arc::clone(&arrived), TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, acceptor) = (Arc::clone(&kept), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answered(request, Arc::clone(&kept), answer));
                    let _ended = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { host: host.to_owned(), address, pem: made.cert.pem(), arrived }
    }

    /// Lines of configuration that let apps reach it; the certificate is written into `folder`.
    #[must_use]
    pub fn config(&self, folder: &std::path::Path) -> String {
        let file = folder.join("upstream.pem");
        std::fs::write(&file, &self.pem).unwrap();
        let (address, host) = (self.address, &self.host);
        format!(
            "[broker]\nprivate = [\"{address}\"]\nresolve = {{ \"{host}\" = \"{address}\" }}\nca = [\"{}\"]\n",
            file.display()
        )
    }

    #[must_use]
    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answered(
    request: Request<Incoming>,
    kept: Arc<Mutex<Vec<Arrived>>>,
    answer: fn(&Arrived) -> String,
) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let headers = parts.headers.iter();
    let arrived = Arrived {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let text = answer(&arrived);
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(arrived);
    let response = Response::builder().header("content-type", "application/json");
    Ok(response.body(Full::new(text.into())).unwrap())
}
