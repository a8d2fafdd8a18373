//! Notices: what was sent to whom, warnings that are taken on, and a test.

use crate::{
    Bailiwick,
    notices::WhichNotices,
    reply::{Params, Reply, ok},
    who::Asked,
};
use axum::extract::{Path, State};
use serde_json::json;
use std::sync::Arc;

/// What was sent to whom, newest first, and warnings that nobody has taken on
#[utoipa::path(get, path = "/api/v1/notices", params(WhichNotices), responses((status = 200, description = "deliveries and open warnings", body = Object)))]
pub(crate) async fn list(
    State(server): State<Arc<Bailiwick>>,
    Params(which): Params<WhichNotices>,
    asked: Asked,
) -> Reply {
    ok(server.sent_notices(&asked, &which).await?)
}

/// Take on what one was warned of, so that nobody else is asked
#[utoipa::path(post, path = "/api/v1/notices/{event}/ack", responses((status = 200, description = "the warning, taken on", body = Object)))]
pub(crate) async fn ack(State(server): State<Arc<Bailiwick>>, Path(event): Path<String>, asked: Asked) -> Reply {
    ok(server.take_on(&asked, &event).await?)
}

/// Send oneself a notice by every way that there is
#[utoipa::path(post, path = "/api/v1/notices/test", responses((status = 200, description = "how each went", body = Object)))]
pub(crate) async fn test(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    ok(json!({ "tested": server.test_notices(&asked).await? }))
}
