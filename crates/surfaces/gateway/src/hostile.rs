//! What strangers' bytes are read as, for tests that send many of them; nothing of the product calls it.
//!
//! Refuses to be a second way in: no app is run, and nothing is kept.

use crate::{
    arrival::Arrival,
    body,
    config::{Config, Limits, Scheme},
    cookies,
    headers::{self, Authorization, Inward},
    places::Room,
    serve::{Abrupt, Came, Listening, one},
    trace::Trace,
};
use axum::body::Body;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use model::TenantId;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Polls without progress after which nothing more will come.
const QUIET: usize = 4;
/// Polls of one connection; each of its requests takes a few.
const POLLS: usize = 4096;

/// One request as an app would get it.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub label: Option<String>,
    pub method: String,
    pub path: String,
    pub address: String,
    pub headers: HeaderMap,
    /// `None`: the body broke off.
    pub body: Option<usize>,
}

/// What one connection led to.
#[derive(Debug, Default)]
pub struct Outcome {
    pub arrived: Vec<Arrived>,
    /// Statuses of requests that were refused.
    pub refused: Vec<u16>,
    /// What went back.
    pub answered: Vec<u8>,
}

/// Bytes of one connection, read as the listener reads them, until nothing more happens. Call it inside a runtime.
#[must_use]
pub fn connection(bytes: &[u8]) -> Outcome {
    let config = Arc::new(config());
    let wire = Wire::new(bytes);
    let outcome = Arc::<Mutex<Outcome>>::default();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let answer = {
        let (config, outcome) = (Arc::clone(&config), Arc::clone(&outcome));
        move |request: Request<Body>, peer: SocketAddr| {
            answered(Arc::clone(&config), Arc::clone(&outcome), request, peer)
        }
    };
    {
        let came = Came { peer, room: Room::Ordinary, certified: None };
        let serving = one(wire.clone(), came, Listening::default(), CancellationToken::new(), answer);
        let mut serving = pin!(serving);
        let mut context = Context::from_waker(Waker::noop());
        let (mut before, mut quiet) = (wire.progress(), 0);
        for _ in 0..POLLS {
            if serving.as_mut().poll(&mut context).is_ready() || quiet > QUIET {
                break;
            }
            let now = wire.progress();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
    }
    let mut outcome = std::mem::take(&mut *outcome.lock().unwrap_or_else(PoisonError::into_inner));
    outcome.answered = wire.written();
    outcome
}

async fn answered(
    config: Arc<Config>,
    outcome: Arc<Mutex<Outcome>>,
    request: Request<Body>,
    peer: SocketAddr,
) -> Response<Body> {
    let trace = Trace::of(request.headers());
    let arrival = match Arrival::read(&config, &request, peer, trace.clone()) {
        Ok(arrival) => arrival,
        Err(page) => {
            outcome.lock().unwrap_or_else(PoisonError::into_inner).refused.push(page.status);
            return page.respond(crate::browser::Reader::of(request.headers()), &trace);
        }
    };
    let (head, body) = request.into_parts();
    let body = body::bounded(body, config.limits.body_bytes, Arc::new(AtomicBool::new(false)));
    let body = body.collect().await.ok().map(|body| body.to_bytes().len());
    let arrived = Arrived {
        label: arrival.label,
        method: arrival.method.to_string(),
        path: arrival.path,
        address: arrival.address,
        headers: inward(head.headers),
        body,
    };
    outcome.lock().unwrap_or_else(PoisonError::into_inner).arrived.push(arrived);
    Response::new(Body::from("ok"))
}

/// A request's headers as an app gets them.
#[must_use]
pub fn inward(mut headers: HeaderMap) -> HeaderMap {
    let trace = Trace::of(&headers);
    let inward = Inward {
        authorization: Authorization::TheApps,
        client: None,
        scheme: "http",
        host: "poll.localhost:7070",
        trace: &trace,
    };
    headers::inward(&mut headers, &inward);
    headers
}

/// A response's cookies as a browser gets them.
#[must_use]
pub fn outward(mut headers: HeaderMap) -> HeaderMap {
    cookies::drop_foreign(&mut headers);
    headers
}

/// The value of the gateway's own cookie, where it stands once.
#[must_use]
pub fn session(headers: &HeaderMap) -> Option<String> {
    let names = cookies::Names::new(Scheme::Http, "i1");
    cookies::one_cookie(headers, &names.session).map(str::to_owned)
}

fn config() -> Config {
    Config {
        tenant: TenantId::main(),
        apps_domain: "localhost:7070".to_owned(),
        control_url: "http://localhost:7070".to_owned(),
        scheme: Scheme::Http,
        node: "n1".to_owned(),
        instance: "i1".to_owned(),
        trusted_proxies: Vec::new(),
        clients: None,
        limits: Limits::default(),
    }
}

/// A connection over which these bytes come, and then nothing: it stays open.
#[derive(Clone)]
struct Wire {
    left: Arc<Mutex<Vec<u8>>>,
    written: Arc<Mutex<Vec<u8>>>,
    moved: Arc<AtomicUsize>,
}

impl Wire {
    fn new(bytes: &[u8]) -> Self {
        let left: Vec<u8> = bytes.iter().rev().copied().collect();
        Self { left: Arc::new(Mutex::new(left)), written: Arc::default(), moved: Arc::default() }
    }

    fn progress(&self) -> usize {
        self.moved.load(Ordering::Relaxed)
    }

    fn written(&self) -> Vec<u8> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Abrupt for Wire {
    fn end(self) {}
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.is_empty() {
            return Poll::Pending;
        }
        while buffer.remaining() > 0
            && let Some(byte) = left.pop()
        {
            buffer.put_slice(&[byte]);
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        self.moved.fetch_add(bytes.len(), Ordering::Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
