//! One listener for console, API and apps: the host name decides. Slow, malformed and oversized requests are refused
//! here, before anything is known of who asks.

use crate::{Bailiwick, api, pages, who::Peer};
use axum::{Router, body::Body, routing::get};
use http::{HeaderName, HeaderValue, Request, Response, header};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};
use tower::ServiceExt;

/// A client that has not sent its headers by then is slow on purpose.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const HEADER_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 128;
const STREAMS_MAX: u32 = 128;
/// How long requests under way may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

impl Bailiwick {
    fn control(self: &Arc<Self>) -> Router {
        let (api, _document) = api::router();
        api.route("/api/v1/openapi.json", get(api::openapi))
            .merge(pages::router())
            .with_state(Arc::clone(self))
    }

    /// Serves until `stop` is done, then drains.
    pub async fn listen(self: &Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let control = self.control();
        let mut connections = JoinSet::new();
        let drain = tokio_util::sync::CancellationToken::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let (stream, peer) = tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be taken");
                        continue;
                    }
                },
            };
            while connections.try_join_next().is_some() {}
            let (server, control, drain) = (Arc::clone(self), control.clone(), drain.clone());
            connections.spawn(async move {
                let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                    let (server, control) = (Arc::clone(&server), control.clone());
                    async move { Ok::<_, Infallible>(server.route(control, request, peer).await) }
                });
                let mut builder = auto::Builder::new(TokioExecutor::new());
                builder
                    .http1()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADERS_WITHIN)
                    .max_buf_size(HEADER_BYTES_MAX)
                    .max_headers(HEADERS_MAX);
                builder
                    .http2()
                    .timer(TokioTimer::new())
                    .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
                    .max_concurrent_streams(STREAMS_MAX)
                    .keep_alive_interval(HEADERS_WITHIN);
                let _nodelay = stream.set_nodelay(true);
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                let mut connection = std::pin::pin!(connection);
                tokio::select! {
                    _ended = connection.as_mut() => {}
                    () = drain.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        let _ended = connection.await;
                    }
                }
            });
        }
        drop(listener);
        drain.cancel();
        let _in_time = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    }

    async fn route(
        self: &Arc<Self>,
        control: Router,
        request: Request<hyper::body::Incoming>,
        peer: SocketAddr,
    ) -> Response<Body> {
        let mut request = request.map(Body::new);
        if self.is_control(&request) {
            request.extensions_mut().insert(Peer(peer));
            return match control.oneshot(request).await {
                Ok(response) => hardened(response),
                Err(never) => match never {},
            };
        }
        self.gateway.handle(request, peer).await
    }

    /// The console's own host, under any of the names of loopback when it stands there; everything else is the gateway's.
    fn is_control(&self, request: &Request<Body>) -> bool {
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(http::uri::Authority::as_str).or(named);
        let Some(host) = host.map(str::to_ascii_lowercase) else { return false };
        let own = self.config.control_host();
        let port = self.config.listen.port();
        host == own || (own.starts_with("localhost") && host == format!("127.0.0.1:{port}"))
    }
}

/// What every answer of the control origin carries, pages and documents alike.
fn hardened(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
