//! How connections are served, on every listener: HTTP/1.1, and HTTP/2 over TLS, by hyper, with limits that strangers
//! cannot wait out.
//!
//! Refuses: heads that are too large or take too long, more connections than a node holds, a body whose length is given
//! in two ways (hyper would settle it by itself, RFC 9112, section 6.3; a proxy in front may settle it otherwise).

use crate::{
    browser::Reader,
    cookies,
    heard::{Heard, Listened},
    pages,
    patience::{Handed, Patient},
    places::{Places, Room},
    tls::{Agreed, Spoken, Tls},
    trace::Trace,
};
use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use model::{Problem, ProblemKind};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_rustls::server::TlsStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Cookies that are not what makes a head too large.
const COOKIE_BYTES_FEW: usize = 16 << 10;

/// For a farewell to a connection of HTTP/2 that has asked for nothing: whoever was about to, learns that nothing of it was
/// heard.
const UNASKED: Duration = Duration::from_millis(500);

/// What a listener puts up with.
#[derive(Debug, Clone)]
pub struct Listening {
    /// For the whole head of a request, and between requests.
    pub head_time: Duration,
    /// Bytes of a head of HTTP/1.1. Of one that is larger the rest is read and forgotten, so that it can be answered.
    pub head_bytes: usize,
    /// The same of HTTP/2, as RFC 9113, section 6.5.2, counts it. More than an app is ever given (60 cookies of 4 KiB),
    /// so that it is our answer that a browser gets, which takes away what is too much; and no more than each connection
    /// may cost.
    pub head_list_bytes: usize,
    pub header_count: usize,
    /// Connections at once, of which no address holds the last (`places.rs`).
    pub connections: usize,
    /// Further ones, which only the console answers, so that it can be reached when all others are taken.
    pub crowded: usize,
    /// For the head of the one request of such a connection.
    pub crowded_time: Duration,
    /// Peers that speak for many.
    pub proxies: Vec<IpNet>,
    /// What running requests get when the server stops; and what is left to a crowded connection of HTTP/2 whose one
    /// request is over, for what of its answer is still on its way.
    pub farewell: Duration,
    /// Requests under way on one connection of HTTP/2.
    pub streams: u32,
    /// How long a connection of HTTP/2 may go without a new request. Its first comes within `head_time`.
    pub idle: Duration,
    /// How long an answer waits for a reader who takes nothing of it.
    pub patience: Duration,
    /// Plain HTTP without it.
    pub tls: Option<Tls>,
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(10),
            head_bytes: 64 << 10,
            head_list_bytes: 256 << 10,
            header_count: 100,
            connections: 8192,
            crowded: 512,
            crowded_time: Duration::from_secs(1),
            proxies: Vec::new(),
            farewell: Duration::from_secs(5),
            streams: 100,
            idle: Duration::from_secs(60),
            patience: Duration::from_secs(60),
            tls: None,
        }
    }
}

/// The connection by which a request came; in the request's extensions.
#[derive(Debug, Clone)]
pub struct Connection {
    closing: CancellationToken,
    came: Came,
}

impl Connection {
    /// Ends the request's way back at once when cancelled, whatever is on it: the connection, with what of it lies in
    /// buffers, or, of HTTP/2, its stream.
    #[must_use]
    pub const fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Its client showed a certificate of the operator's authority, as of this reading of its file.
    pub(crate) const fn certified(&self) -> Option<u64> {
        self.came.certified
    }

    /// It came when the ordinary places were taken: only what must be reached then is answered.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.came.room == Room::Crowded
    }
}

/// Serves until `stop`; then lets what runs come to its end, for a while.
pub async fn serve<F, Fut>(listener: TcpListener, listening: Listening, stop: CancellationToken, answer: F)
where
    F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Places::new(listening.connections, listening.crowded, listening.proxies.clone());
    let running = TaskTracker::new();
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // Out of file descriptors, most likely: others must close first.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Whoever holds so many already is told so by the end of this one.
        let Some(place) = places.take(peer.ip()) else { continue };
        // Only a matter of speed.
        drop(stream.set_nodelay(true));
        let (mut listening, stop, answer) = (listening.clone(), stop.clone(), answer.clone());
        if place.room == Room::Crowded {
            (listening.head_time, listening.idle) = (listening.crowded_time, listening.crowded_time);
        }
        running.spawn(async move {
            let came = Came { peer, room: place.room, certified: None };
            let _place = place;
            let Some(tls) = listening.tls.clone() else { return one(stream, came, listening, stop, answer).await };
            // A box, so that a connection without it keeps no room for it.
            Box::pin(async move {
                let agreed = tokio::select! {
                    biased;
                    // Nothing was asked yet.
                    () = stop.cancelled() => return,
                    agreed = tokio::time::timeout(listening.head_time, tls.accept(stream)) => agreed,
                };
                match agreed {
                    Ok(Ok(Agreed { stream, spoken, certified })) => {
                        let came = Came { certified, ..came };
                        match spoken {
                            Spoken::One => one(stream, came, listening, stop, answer).await,
                            Spoken::Two => two(stream, came, listening, stop, answer).await,
                        }
                    }
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS came of a connection"),
                    Err(_) => tracing::debug!(%peer, "TLS took too long"),
                }
            })
            .await;
        });
    }
    // Whoever comes now is refused, and can go to another node.
    drop(listener);
    running.close();
    if tokio::time::timeout(listening.farewell, running.wait()).await.is_err() {
        tracing::warn!(connections = running.len(), "connections were open when the server stopped");
    }
}

/// Where a connection came from, and into which room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    pub(crate) peer: SocketAddr,
    pub(crate) room: Room,
    /// Its client showed a certificate of the operator's authority, as of this reading of its file.
    pub(crate) certified: Option<u64>,
}

/// A connection that can end at once: what was written to it and lies with the kernel still is not sent any more.
pub(crate) trait Abrupt {
    fn end(self);
}

impl Abrupt for TcpStream {
    fn end(self) {
        // Its close is a reset now. Where that cannot be asked for, what lies there goes out.
        drop(self.set_zero_linger());
    }
}

impl Abrupt for TlsStream<TcpStream> {
    fn end(self) {
        drop(self.get_ref().0.set_zero_linger());
    }
}

/// One connection, from the first byte to the last.
pub(crate) async fn one<S, F, Fut>(stream: S, came: Came, listening: Listening, stop: CancellationToken, answer: F)
where
    S: AsyncRead + AsyncWrite + Abrupt + Unpin + Send + 'static,
    F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let stream = Patient::new(stream, listening.patience);
    let heard = Heard::new(listening.head_bytes);
    let closing = CancellationToken::new();
    let Came { peer, room, .. } = came;
    let connection = Connection { closing: closing.clone(), came };
    let service = service_fn({
        let heard = heard.clone();
        move |mut request: Request<Incoming>| {
            let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
            let head = heard.begin(if chunked { u64::MAX } else { length(&request) });
            let (cut, ambiguous) = (head.is_cut(), chunked && head.names_length());
            request.extensions_mut().insert(connection.clone());
            let answer = answer.clone();
            // Its own box, for as long as there is a request: hyper keeps room for one with every connection.
            Box::pin(async move {
                if cut {
                    return Ok(head_too_large(&request));
                }
                if ambiguous {
                    return Ok(two_lengths());
                }
                let mut response = answer(request.map(Body::new), peer).await;
                if chunked || room == Room::Crowded {
                    // What follows a body of unknown length is read by nobody, and one request is all that a crowded
                    // connection has: it ends the connection.
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            })
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(listening.head_time)
        .max_buf_size(listening.head_bytes.max(8 << 10))
        .max_headers(listening.header_count)
        .half_close(false)
        .keep_alive(true);
    let mut serving = http.serve_connection(TokioIo::new(Listened::new(stream, heard)), service);
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled() => break,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                Pin::new(&mut serving).graceful_shutdown();
            }
            ended = &mut serving => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection ended early");
                }
                break;
            }
        }
    }
    // Also where an answer broke off by itself: that ends the connection before anyone looks here.
    if closing.is_cancelled() {
        serving.into_parts().io.into_inner().into_inner().into_inner().end();
    }
}

/// One connection of HTTP/2. Its frames leave no doubt where a body ends.
///
/// hyper waits without end for a client that agreed on HTTP/2 and says nothing, and for one that does not answer to a
/// farewell: both are let go here.
pub(crate) async fn two<S, F, Fut>(stream: S, came: Came, listening: Listening, stop: CancellationToken, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let (peer, crowded) = (came.peer, came.room == Room::Crowded);
    let (asked, first) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let streams = Streams::new(listening.patience);
    let service = service_fn({
        let (asked, first, streams) = (Arc::clone(&asked), first.clone(), streams.clone());
        move |mut request: Request<Incoming>| {
            let Begun { closing, handed } = streams.begin();
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => first.cancel(),
                // It had its one request: this one is reset, and its answer never begun.
                _ if crowded => closing.cancel(),
                _ => {}
            }
            request.extensions_mut().insert(Connection { closing, came });
            let answering = answer(request.map(Body::new), peer);
            async move { Ok::<_, Infallible>(answering.await.map(|body| handed.watched(body))) }
        }
    });
    let mut http = http2::Builder::new(streams.clone());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(if crowded { 1 } else { listening.streams })
        .max_header_list_size(u32::try_from(listening.head_list_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(listening.idle)
        .keep_alive_timeout(listening.head_time);
    let serving = http.serve_connection(TokioIo::new(Patient::new(stream, listening.patience)), service);
    let beginning = tokio::time::sleep(listening.head_time);
    tokio::pin!(serving, beginning);
    let every = if crowded { listening.farewell } else { listening.idle };
    let mut look = interval_at(Instant::now() + every, every);
    // Two looks are never one moment, however late they come.
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut begun, mut stopping, mut quiet) = (0, false, false, false);
    loop {
        let farewell = tokio::select! {
            biased;
            () = first.cancelled(), if !begun => {
                begun = true;
                crowded
            }
            () = beginning.as_mut(), if !begun => {
                if stopping {
                    return;
                }
                true
            }
            () = stop.cancelled(), if !stopping => true,
            _ = look.tick() => {
                let now = asked.load(Ordering::Relaxed);
                let idle = std::mem::replace(&mut seen, now) == now;
                // Twice in a row: the last bytes of what ended just now may still be on their way.
                let was_quiet = std::mem::replace(&mut quiet, stopping && streams.running.is_empty());
                if was_quiet && quiet {
                    return;
                }
                idle
            }
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection ended early");
                }
                return;
            }
        };
        if farewell && !stopping {
            stopping = true;
            // What is still on its way comes to its end.
            serving.as_mut().graceful_shutdown();
            if !begun {
                beginning.as_mut().reset(Instant::now() + UNASKED);
            }
        }
    }
}

/// Runs each stream of a connection so that it can be ended by itself. One that is dropped is reset, and what it had not
/// sent yet is thrown away; the connection, and what else is on it, goes on.
#[derive(Debug, Clone)]
struct Streams {
    begun: Arc<Mutex<Option<Begun>>>,
    running: TaskTracker,
    patience: Duration,
}

/// A stream that was asked for.
#[derive(Debug, Clone, Default)]
struct Begun {
    closing: CancellationToken,
    handed: Handed,
}

impl Streams {
    fn new(patience: Duration) -> Self {
        Self { begun: Arc::default(), running: TaskTracker::new(), patience }
    }

    /// INVARIANT: hyper hands over a stream right after it has asked for its answer, on the connection's own task: what
    /// was begun last is the stream that comes next.
    fn begin(&self) -> Begun {
        let begun = Begun::default();
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun.clone());
        begun
    }
}

impl<T> hyper::rt::Executor<T> for Streams
where
    T: Future + Send + 'static,
    T::Output: Send + 'static,
{
    fn execute(&self, stream: T) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        if begun.as_ref().is_some_and(|begun| begun.closing.is_cancelled()) {
            return drop(stream);
        }
        let patience = self.patience;
        // Not kept: it ends with its connection, or by itself.
        drop(self.running.spawn(async move {
            let Some(Begun { closing, handed }) = begun else { return drop(stream.await) };
            tokio::select! {
                _ = stream => {}
                () = closing.cancelled() => {}
                () = handed.untaken(patience) => {}
            }
        }));
    }
}

/// The length that a body is said to have.
fn length<B>(request: &Request<B>) -> u64 {
    let said = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    said.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The answer to a head of which not all is known, whoever it was for: nothing else may be made of it.
fn head_too_large<B>(request: &Request<B>) -> Response<Body> {
    let headers = request.headers();
    let mut page = pages::headers_too_large();
    if cookies::bytes(headers) > COOKIE_BYTES_FEW {
        page.cookies = cookies::clearing(request, COOKIE_BYTES_FEW);
    }
    page.respond(Reader::of(headers), &Trace::of(headers))
}

fn two_lengths() -> Response<Body> {
    let problem = Problem::new(
        ProblemKind::Invalid,
        "request.malformed",
        "this request cannot be read",
        "it gives the length of its body in two ways",
        "send one of `content-length` and `transfer-encoding`",
    );
    let mut response = Response::new(Body::from(problem.document(problem.status()).to_string()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests;
