//! One listener for console, API and apps: the host name decides. How connections are served is the gateway's.

use crate::{Bailiwick, api, pages, recover::Place, sign_in, who::Peer};
use axum::{Router, body::Body, routing::get};
use gateway::Listening;
use http::{HeaderName, HeaderValue, Request, Response, header};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

impl Bailiwick {
    pub(crate) fn control(self: &Arc<Self>) -> Router {
        let (api, _document) = api::router();
        let around = axum::middleware::from_fn_with_state(Arc::clone(self), sign_in::around);
        let pages = pages::router().merge(sign_in::router()).layer(around);
        api.route("/api/v1/openapi.json", get(api::openapi)).merge(pages).with_state(Arc::clone(self))
    }

    /// Serves until `stop` is done, then lets what runs come to its end.
    pub async fn listen(self: &Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let (control, server) = (self.control(), Arc::clone(self));
        let answer = move |request, peer| {
            let (server, control) = (Arc::clone(&server), control.clone());
            async move { server.route(control, request, peer).await }
        };
        serve_until(listener, stop, answer).await;
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
                Ok(response) => hardened(response),
                Err(never) => match never {},
            };
        }
        self.gateway.handle(request, peer).await
    }

    /// The console's own host, under any of the names of loopback when it stands there; everything else is the gateway's.
    pub(crate) fn is_control(&self, request: &Request<Body>) -> bool {
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(http::uri::Authority::as_str).or(named);
        let Some(host) = host.map(str::to_ascii_lowercase) else { return false };
        let own = self.config.control_host();
        let port = self.config.listen.port();
        host == own || (own.starts_with("localhost") && host == format!("127.0.0.1:{port}"))
    }
}

/// Serves until `stop` is done, then lets what runs come to its end.
pub(crate) async fn serve_until<F, Fut>(listener: TcpListener, stop: impl Future<Output = ()>, answer: F)
where
    F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let stopping = CancellationToken::new();
    let serving = gateway::serve(listener, Listening::default(), stopping.clone(), answer);
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
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
