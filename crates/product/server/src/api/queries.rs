//! Kept searches of the record.

use crate::{
    Bailiwick,
    queries::For,
    reply::{Params, Part, Reply, ok},
    who::Asked,
};
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewQuery {
    name: String,
    /// Whether everyone who reads the record sees it.
    #[serde(default)]
    shared: bool,
    /// As the parameters of `/api/v1/events`.
    filter: BTreeMap<String, String>,
}

/// One's own searches, and those that others share
#[utoipa::path(get, path = "/api/v1/queries", params(Part), responses((status = 200, description = "kept searches, by name", body = Object)))]
pub(crate) async fn list(State(server): State<Arc<Bailiwick>>, Params(part): Params<Part>, asked: Asked) -> Reply {
    let (queries, next) = part.of(server.queries(&asked).await?, |query| query.id.clone())?;
    ok(json!({ "queries": queries, "next": next }))
}

/// Keep a search under a name; one of the same name is replaced
#[utoipa::path(post, path = "/api/v1/queries", request_body = NewQuery, responses((status = 200, description = "its id", body = Object)))]
pub(crate) async fn save(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let NewQuery { name, shared, filter } = asked.json()?;
    let seen_by = if shared { For::Auditors } else { For::Oneself };
    let id = server.save_query(&asked, &name, seen_by, &filter).await?;
    ok(json!({ "id": id, "name": name, "shared": shared }))
}

/// Forget one's own
#[utoipa::path(delete, path = "/api/v1/queries/{id}", responses((status = 200, description = "forgotten", body = Object)))]
pub(crate) async fn forget(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Reply {
    server.forget_query(&asked, &id).await?;
    ok(json!({ "id": id, "state": "forgotten" }))
}
