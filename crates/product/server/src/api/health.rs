//! Whether the server lives, whether it can serve, and what it counts.
//!
//! Refuses metrics to whoever is neither on this machine, nor shows the token, nor may read them.

use crate::{
    Bailiwick, metrics,
    reply::{Refusal, Reply, with},
    who::{Asked, Peer},
};
use authority::{Act, Rule, Target, rules};
use axum::{
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use model::{Problem, TenantId};
use seal::TokenHash;
use serde_json::json;
use std::sync::Arc;

/// Read what the server counts.
#[derive(Debug, Clone)]
struct ReadMetrics {
    tenant: TenantId,
}

impl Act for ReadMetrics {
    const RULE: &'static Rule = &rules::METRICS_READ;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "metrics")
    }
}

/// The process lives
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "it does", body = String)))]
pub(crate) async fn healthz() -> Response {
    "ok\n".into_response()
}

/// The server can serve: the record can be written, memory is as new as the database, the engine is compiled
#[utoipa::path(get, path = "/readyz", responses((status = 200, description = "it can", body = Object), (status = 503, description = "not now, with what is missing", body = Object)))]
pub(crate) async fn readyz(State(server): State<Arc<Bailiwick>>) -> Reply {
    let checks = server.checks().await;
    let ready = checks.iter().all(|check| check.problem.is_none());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let line = |check: &crate::ready::Check| json!({ "check": check.part.name(), "ok": check.problem.is_none(), "problem": check.problem });
    // By its own clock, whatever this machine's says: nothing else shows from outside by which time things end here.
    let now = server.clock.now();
    with(status, json!({ "ready": ready, "now": now, "checks": checks.iter().map(line).collect::<Vec<_>>() }))
}

/// What the server counts (OpenMetrics)
///
/// For callers on the same machine, for whoever shows the token of `[metrics] token`, and for operators and auditors.
#[utoipa::path(get, path = "/metrics", responses((status = 200, description = "counters since the start, by app", body = String)))]
pub(crate) async fn metrics(State(server): State<Arc<Bailiwick>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    // Behind a proxy everyone comes from this machine.
    let proxied = !server.config.trusted_proxies.is_empty()
        || (server.config.scheme() == gateway::Scheme::Https && server.config.tls.is_none());
    let local = !proxied && is_local(&parts);
    if !local && !shows_token(&server, &parts.headers) {
        let asked = Asked::from_request(Request::from_parts(parts, body), &server).await?;
        let permit = server.allowed(&asked, ReadMetrics { tenant: server.tenant.clone() }).await?;
        server.store.access(permit, store::Outcome::Allowed, json!({})).map_err(|error| Refusal(error.problem()))?;
    }
    let text = server.metrics().await.map_err(|_| Refusal(Problem::internal()))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// From this machine, and not for somebody elsewhere.
fn is_local(parts: &Parts) -> bool {
    let forwarded = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "cookie", "origin"];
    let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(named).unwrap_or_default();
    parts.extensions.get::<Peer>().is_some_and(|Peer(peer)| peer.ip().to_canonical().is_loopback())
        && crate::listen::names_loopback(host)
        && !forwarded.iter().any(|name| parts.headers.contains_key(*name))
}

fn shows_token(server: &Bailiwick, headers: &HeaderMap) -> bool {
    let Some(wanted) = &server.config.metrics else { return false };
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown.and_then(|text| text.strip_prefix("Bearer "));
    token.is_some_and(|token| seal::constant_time_eq(TokenHash::of(token).as_bytes(), wanted.as_bytes()))
}
