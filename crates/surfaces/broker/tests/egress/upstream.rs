//! The other side: one server over TLS and one without, on loopback, that remember what they were sent.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;

type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) connections: Mutex<usize>,
    pub(crate) go_on: Notify,
}

pub(crate) struct Upstream {
    pub(crate) tls: SocketAddr,
    pub(crate) plain: SocketAddr,
    pub(crate) ca: CertificateDer<'static>,
    pub(crate) shared: Arc<Shared>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let names = [
            "slack.com",
            "rooms.corp.example",
            "api.example",
            "moved.example",
            "xn--bcher-kva.example",
            "rebind.example",
        ];
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names.map(str::to_owned).to_vec()).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let shared = Arc::new(Shared::default());
        let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            tls: tls.local_addr().unwrap(),
            plain: plain.local_addr().unwrap(),
            ca: ca.der().clone(),
            shared: Arc::clone(&shared),
        };
        tokio::spawn(serve(tls, Some(acceptor), Arc::clone(&shared)));
        tokio::spawn(serve(plain, None, shared));
        this
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().last().cloned().unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }
}

async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    while let Ok((tcp, _)) = listener.accept().await {
        *shared.connections.lock().unwrap() += 1;
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            match acceptor {
                None => speak(tcp, shared).await,
                Some(acceptor) => {
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        speak(tls, shared).await;
                    }
                }
            }
        });
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: S, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, shared).await) }
    });
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service).await);
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Answer {
    let (parts, body) = request.into_parts();
    let mut seen = Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers.clone(),
        body: Bytes::new(),
    };
    let path = parts.uri.path().to_owned();
    if path == "/duplex" {
        shared.seen.lock().unwrap().push(seen);
        return Response::new(body.boxed_unsync());
    }
    if let Ok(body) = body.collect().await {
        seen.body = body.to_bytes();
        shared.seen.lock().unwrap().push(seen.clone());
    }
    match path.as_str() {
        "/hang" => std::future::pending().await,
        "/stream" => {
            let waits = async move {
                shared.go_on.notified().await;
                chunk("two")
            };
            body_of(stream::once(async { chunk("one") }).chain(stream::once(waits)))
        }
        "/endless" => body_of(stream::repeat_with(|| chunk(&"x".repeat(16 << 10)))),
        "/big" => {
            let mut response = body_of(stream::once(async { chunk("x") }).chain(stream::pending()));
            response.headers_mut().insert("content-length", "99999999".parse().unwrap());
            response
        }
        "/gzip" | "/api/gzip" => with("content-encoding", "gzip"),
        "/ours" => with("bailiwick-problem", "1"),
        "/hops" => {
            let mut response = with("connection", "x-secret-hop");
            response.headers_mut().insert("x-secret-hop", "1".parse().unwrap());
            response.headers_mut().insert("keep-alive", "timeout=5".parse().unwrap());
            response
        }
        "/api/leak" => leak(&seen),
        "/to-placeholder" => {
            let mut response =
                with("location", "https://moved.example/bw-ph-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
            *response.status_mut() = StatusCode::FOUND;
            response
        }
        path if path.starts_with("/to/") => {
            let place =
                percent_encoding::percent_decode_str(parts.uri.query().unwrap_or_default()).decode_utf8().unwrap();
            let mut response = with("location", &place);
            *response.status_mut() = path
                .trim_start_matches("/to/")
                .parse::<u16>()
                .map(|status| StatusCode::from_u16(status).unwrap())
                .unwrap();
            response
        }
        _ => Response::new(Full::new(Bytes::from("hello")).map_err(|never| match never {}).boxed_unsync()),
    }
}

/// Gives the credential back, in a header and across two chunks.
fn leak(seen: &Seen) -> Answer {
    let value =
        seen.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (left, right) = value.split_at(value.len() / 2);
    let (left, right) = (left.to_owned(), right.to_owned());
    let mut response = body_of(stream::iter(vec![chunk("you sent "), chunk(&left), chunk(&right), chunk("!")]));
    response.headers_mut().insert("x-leak", value.parse().unwrap());
    response
}

fn with(name: &'static str, value: &str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync());
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}

fn chunk(text: &str) -> Result<Frame<Bytes>, hyper::Error> {
    Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())))
}

fn body_of(stream: impl futures_util::Stream<Item = Result<Frame<Bytes>, hyper::Error>> + Send + 'static) -> Answer {
    Response::new(BodyExt::boxed_unsync(StreamBody::new(stream)))
}

/// A server that answers every connection with exactly these bytes, and keeps it open.
pub(crate) async fn raw(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0_u8; 1024];
                drop(tokio::io::AsyncReadExt::read(&mut tcp, &mut head).await);
                drop(tcp.write_all(answer).await);
                std::future::pending::<()>().await;
            });
        }
    });
    address
}
