//! A load generator: some connections, each of which asks again as soon as it was answered.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::JoinSet};

/// What is asked, of whom.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) address: SocketAddr,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: &'static str,
    /// Each answer must hold it: nobody measures a refusal.
    pub(crate) expected: &'static str,
}

/// One connection.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn send(&mut self, ask: &Ask) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::builder().method(ask.method.clone()).uri(ask.path);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        self.0.ready().await?;
        self.0.send_request(request.body(Full::from(ask.body)).unwrap()).await
    }

    async fn ask(&mut self, ask: &Ask) {
        let response = self.send(ask).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(status == 200 && text.contains(ask.expected), "{status}: {text}");
    }
}

/// One answer of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// From when it was due, so that waiting for a free connection counts.
    pub(crate) took: Duration,
}

/// Asks for a while over `connections`, `per_second` times a second in all whatever the answers take, or, without a rate,
/// as fast as the answers come. Any status counts; `asks` are taken in turn. An ask that no connection was free for in
/// time is sent late, and its answer is the later for it.
pub(crate) async fn press(
    asks: &[Ask],
    connections: usize,
    per_second: Option<f64>,
    lasting: Duration,
) -> Vec<Answered> {
    let (asks, next) = (Arc::new(asks.to_vec()), Arc::new(AtomicU64::new(0)));
    // All are there before the clock starts: how long it takes to connect is not asked.
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(asks[0].address).await);
    }
    let started = Instant::now();
    let mut running = JoinSet::new();
    for mut connection in open {
        let (asks, next) = (Arc::clone(&asks), Arc::clone(&next));
        running.spawn(async move {
            let mut answered = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let due = per_second
                    .map_or_else(Instant::now, |rate| started + Duration::from_secs_f64(number as f64 / rate));
                if due.duration_since(started) >= lasting || started.elapsed() >= lasting {
                    return answered;
                }
                tokio::time::sleep_until(due.into()).await;
                let ask = &asks[usize::try_from(number).unwrap() % asks.len()];
                let status = match connection.send(ask).await {
                    Ok(response) => {
                        let status = response.status().as_u16();
                        let whole = response.into_body().collect().await;
                        if whole.is_err() {
                            connection = Connection::open(ask.address).await;
                        }
                        status
                    }
                    // Refused by closing the connection.
                    Err(_) => {
                        connection = Connection::open(ask.address).await;
                        0
                    }
                };
                answered.push(Answered { status, took: due.elapsed() });
            }
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = running.join_next().await {
        all.extend(ended.unwrap());
    }
    all
}

/// Milliseconds below which 99 of 100 of those that were served came.
pub(crate) fn p99(answered: &[Answered]) -> f64 {
    let mut took: Vec<_> = answered.iter().filter(|one| one.status == 200).map(|one| one.took).collect();
    took.sort_unstable();
    took.get(took.len() * 99 / 100).map_or(f64::INFINITY, |took| took.as_secs_f64() * 1e3)
}

/// Asks `count` times over `connections`; how long it took.
pub(crate) async fn run(ask: &Ask, connections: usize, count: u64) -> Duration {
    let mut all = Vec::new();
    for _ in 0..connections {
        all.push(Connection::open(ask.address).await);
    }
    let (ask, asked) = (Arc::new(ask.clone()), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let mut running = JoinSet::new();
    for mut connection in all {
        let (ask, asked) = (Arc::clone(&ask), Arc::clone(&asked));
        running.spawn(async move {
            while asked.fetch_add(1, Ordering::Relaxed) < count {
                connection.ask(&ask).await;
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    started.elapsed()
}
