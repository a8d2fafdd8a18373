//! What anyone may read: each tenant's log (C2SP tlog-tiles), and the keys to check it and tokens with.

use crate::{
    Bailiwick,
    reply::{Refusal, Reply, ok},
};
use axum::{
    body::Body,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
};
use model::{Problem, ProblemKind, TenantId};
use std::sync::Arc;

fn no_log(tenant: &str) -> Refusal {
    Refusal(Problem::new(
        ProblemKind::NotFound,
        "log.unknown",
        format!("there is no log at `/log/{tenant}`"),
        "each tenant has one; this server has the tenant `main`",
        "read `/log/main/checkpoint`",
    ))
}

fn no_head() -> Refusal {
    Refusal(Problem::new(
        ProblemKind::NotFound,
        "log.no_head",
        "the log has no signed head yet",
        "the first is signed within a second of the first event",
        "ask again in a second",
    ))
}

fn no_tile(tenant: &str, path: &str) -> Refusal {
    let fix = format!(
        "`/log/{tenant}/checkpoint` says how many entries there are; a tile that is not full ends in `.p/` and its width"
    );
    Refusal(Problem::new(
        ProblemKind::NotFound,
        "log.no_tile",
        format!("there is no tile at `/log/{tenant}/tile/{path}`"),
        "the log has not grown that far, or it is not a tile that anyone may read",
        fix,
    ))
}

fn tenant(server: &Bailiwick, name: &str) -> Result<TenantId, Refusal> {
    if server.tenant.as_str() == name { Ok(server.tenant.clone()) } else { Err(no_log(name)) }
}

/// The signed head of the log
#[utoipa::path(get, path = "/log/{tenant}/checkpoint", responses((status = 200, description = "a C2SP signed note", body = String)))]
pub(crate) async fn checkpoint(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>) -> Reply {
    let tenant = tenant(&server, &name)?;
    let found = server.store.checkpoint(&tenant).await.map_err(|error| Refusal(error.problem()))?;
    let signed = found.ok_or_else(no_head)?;
    Ok(signed.note().to_owned().into_response())
}

/// The key that checks it
#[utoipa::path(get, path = "/log/{tenant}/key", responses((status = 200, description = "a C2SP verifier key", body = String)))]
pub(crate) async fn key(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>) -> Reply {
    let tenant = tenant(&server, &name)?;
    let key = server.store.log_verifier(&tenant).map_err(|error| Refusal(error.problem()))?;
    Ok(format!("{key}\n").into_response())
}

/// A tile of the log
#[utoipa::path(get, path = "/log/{tenant}/tile/{*path}", params(("tenant" = String, Path, description = "whose log"), ("path" = String, Path, description = "as C2SP tlog-tiles names it")), responses((status = 200, description = "a C2SP tile", body = Vec<u8>)))]
pub(crate) async fn tile(State(server): State<Arc<Bailiwick>>, Path((name, path)): Path<(String, String)>) -> Reply {
    let tenant = tenant(&server, &name)?;
    // Entry bundles hold bodies of events, which only readers of the record may see.
    if path.starts_with("entries") {
        return Err(no_tile(&name, &path));
    }
    let found = server.store.tile(&tenant, &format!("tile/{path}")).await.map_err(|error| Refusal(error.problem()))?;
    let bytes = found.ok_or_else(|| no_tile(&name, &path))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from(bytes)).into_response())
}

/// The keys that check tokens
#[utoipa::path(get, path = "/.well-known/jwks.json", responses((status = 200, description = "a JWK set (RFC 7517)", body = Object)))]
pub(crate) async fn jwks(State(server): State<Arc<Bailiwick>>) -> Reply {
    ok(server.identity.tokens().jwks())
}
