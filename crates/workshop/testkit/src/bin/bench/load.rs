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
