//! One listener for console, API and apps: the host name decides. How connections are served is the gateway's.

use crate::{Bailiwick, api, pages, recover::Place, reply, sign_in, telemetry, who::Peer};
use axum::{Router, body::Body, routing::get};
use gateway::Listening;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use model::SystemClock;
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;

impl Bailiwick {
    pub(crate) fn control(self: &Arc<Self>) -> Router {
        let (api, _document) = api::router();
        let around = axum::middleware::from_fn_with_state(Arc::clone(self), sign_in::around);
        // Pages alone: what streams is not held up, and what is downloaded is packed already or read by programs.
        let light = CompressionLayer::new().gzip(true).zstd(false);
        let pages = pages::router().merge(sign_in::router()).layer(around).layer(light);
        api.route("/api/v1/openapi.json", get(api::openapi))
            .merge(pages)
            .layer(axum::middleware::from_fn(reply::in_our_words))
            .layer(axum::middleware::from_fn(telemetry::traced))
            .with_state(Arc::clone(self))
    }

    /// Serves until `stop` is done, then lets what runs come to its end.
    pub async fn listen(self: &Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let (control, server) = (self.control(), Arc::clone(self));
        let readers = Arc::clone(&self.readers);
        let stop = async move {
            stop.await;
            readers.over.cancel();
        };
        let certificates = self.config.tls.as_ref();
        let clients = self.config.clients.as_ref();
        let tls = match certificates.map(|certificates| certificates.tls(clients)).transpose() {
            Ok(tls) => tls,
            // Never plain HTTP in its stead.
            Err(error) => return tracing::error!(%error, "nothing is served: TLS cannot be set up"),
        };
        let following = tls.clone();
        let answer = move |request, peer| {
            let (server, control) = (Arc::clone(&server), control.clone());
            async move { server.route(control, request, peer).await }
        };
        let serving = serve_as(
            listener,
            Listening { tls, proxies: self.config.trusted_proxies.clone(), ..self.listening.clone() },
            stop,
            answer,
        );
        match following {
            Some(tls) => tokio::select! {
                () = serving => {}
                // By the time that whoever connects goes by: what a database says of the time is another matter.
                () = tls.follow(&SystemClock) => {}
            },
            None => serving.await,
        }
    }

    /// One request, to the console or to an app.
    pub(crate) async fn route(
        self: &Arc<Self>,
        control: Router,
        mut request: Request<Body>,
        peer: SocketAddr,
    ) -> Response<Body> {
        let place = if self.is_control(&request) { Place::Control } else { Place::Apps };
        if let Some(answer) = self.held_back(&request, place) {
            return hardened(answer);
        }
        if place == Place::Control {
            request.extensions_mut().insert(Peer(peer));
            return match control.oneshot(request).await {
                Ok(response) => self.promised(hardened(response)),
                Err(never) => match never {},
            };
        }
        if let Some(trial) = self.tried(&request) {
            return self.promised(self.answer_trial(trial, request, peer).await);
        }
        self.promised(self.gateway.handle(request, peer).await)
    }

    /// Browsers that came by HTTPS once come by it ever after (RFC 6797). Names under ours are others' affair.
    fn promised(&self, mut response: Response<Body>) -> Response<Body> {
        if self.config.scheme() == gateway::Scheme::Https {
            let year = HeaderValue::from_static("max-age=31536000");
            response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, year);
        }
        response
    }

    /// Sends whoever comes by plain HTTP on to HTTPS, until `stop` is done. Nothing else is answered there.
    pub async fn send_on(self: &Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let server = Arc::clone(self);
        let answer = move |request, _peer| {
            let server = Arc::clone(&server);
            async move { server.elsewhere(&request) }
        };
        serve_until(listener, stop, answer).await;
    }

    /// Only names that are ours, and only requests that change nothing: what was posted here has been heard already.
    fn elsewhere(&self, request: &Request<Body>) -> Response<Body> {
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = named.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let without_port = |host: &str| host.split(':').next().unwrap_or_default().to_owned();
        let port = self.config.control_host().split_once(':').map_or_else(String::new, |(_, port)| format!(":{port}"));
        let console = name == without_port(self.config.control_host());
        let apps = self.config.apps_domain.split_once(':').map_or_else(String::new, |(_, port)| format!(":{port}"));
        let host = if console { format!("{name}{port}") } else { format!("{name}{apps}") };
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let ours = console || self.gateway.owns(&host);
        let safe = matches!(*request.method(), http::Method::GET | http::Method::HEAD);
        let (status, says) = match (ours, safe) {
            (false, _) => (StatusCode::MISDIRECTED_REQUEST, "nothing here has this name\n"),
            (true, false) => {
                (StatusCode::FORBIDDEN, "nothing is changed over plain HTTP: send it to the https:// address\n")
            }
            (true, true) => (StatusCode::PERMANENT_REDIRECT, ""),
        };
        let mut response = Response::new(Body::from(says));
        *response.status_mut() = status;
        let place = HeaderValue::try_from(format!("https://{host}{path}")).ok().filter(|_| ours && safe);
        let (name, value) = match place {
            Some(place) => (header::LOCATION, place),
            None => (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        };
        response.headers_mut().insert(name, value);
        response
    }

    /// The console's own host, under any of the names of loopback when it stands there; everything else is the gateway's.
    pub(crate) fn is_control(&self, request: &Request<Body>) -> bool {
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(http::uri::Authority::as_str).or(named);
        let Some(host) = host.map(str::to_ascii_lowercase) else { return false };
        let own = self.config.control_host();
        let port = self.config.listen.port();
        let default = if self.config.scheme() == gateway::Scheme::Https { ":443" } else { ":80" };
        let host = host.strip_suffix(default).unwrap_or(&host);
        // Whoever watches the server from the same machine has no name for it.
        let watched = matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") && names_loopback(host);
        host == own || watched || (own.starts_with("localhost") && host == format!("127.0.0.1:{port}"))
    }
}

/// Whether a host is this machine, as it calls itself.
pub(crate) fn names_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|c| c.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name).trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Serves plain HTTP until `stop` is done, then lets what runs come to its end.
pub(crate) async fn serve_until<F, Fut>(listener: TcpListener, stop: impl Future<Output = ()>, answer: F)
where
    F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    serve_as(listener, Listening::default(), stop, answer).await;
}

async fn serve_as<F, Fut>(listener: TcpListener, listening: Listening, stop: impl Future<Output = ()>, answer: F)
where
    F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let stopping = CancellationToken::new();
    let serving = gateway::serve(listener, listening, stopping.clone(), answer);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        () = serving.as_mut() => {}
        () = stop => {
            stopping.cancel();
            serving.await;
        }
    }
}

/// What every answer of the control origin carries, pages and documents alike.
fn hardened(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
