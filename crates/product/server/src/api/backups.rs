//! Backups: everything, encrypted to a recovery key; and how a rehearsed restore went.

use super::events::Pieces;
use crate::{
    Bailiwick, backup,
    reply::{Params, Refusal, Reply, ok},
    who::Asked,
};
use authority::{Act, Rule, Target, rules};
use axum::{body::Body, extract::State, http::header, response::IntoResponse};
use model::{Problem, ProblemKind, TenantId};
use seal::Recipient;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{io::Write, sync::Arc};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};

/// Pieces that may wait: rows for the archive, bytes for a slow reader.
const WAITING: usize = 8;

#[derive(Debug, Clone)]
struct CreateBackup {
    tenant: TenantId,
}

impl Act for CreateBackup {
    const RULE: &'static Rule = &rules::BACKUP_CREATE;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "platform")
    }
}

#[derive(Debug, Clone)]
struct RecordDrill {
    tenant: TenantId,
}

impl Act for RecordDrill {
    const RULE: &'static Rule = &rules::BACKUP_DRILL;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "platform")
    }
}

#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct For {
    /// Whose recovery key opens it: `age1…`
    recipient: Option<String>,
}

/// A backup of everything but the root key, as it is at this moment, encrypted (age) to the recipient
#[utoipa::path(get, path = "/api/v1/backup", params(For), responses((status = 200, description = "the backup", body = Vec<u8>), (status = 400, description = "not a recipient", body = Object)))]
pub(crate) async fn create(State(server): State<Arc<Bailiwick>>, Params(wanted): Params<For>, asked: Asked) -> Reply {
    let permit = server.allowed(&asked, CreateBackup { tenant: server.tenant.clone() }).await?;
    let recipient: Recipient =
        wanted.recipient.unwrap_or_default().parse().map_err(|error: seal::BackupKeyError| {
            Refusal(Problem::new(
                ProblemKind::Invalid,
                "backup.recipient",
                "there is nobody to encrypt the backup for",
                error.to_string(),
                "make a recovery key with `bailiwick backup key --out FILE`, and give the recipient that it prints",
            ))
        })?;
    let say = |error: store::StoreError| Refusal(error.problem());
    server.store.flush_access().await.map_err(say)?;
    let detail = json!({ "recipient": recipient.to_string() });
    server.store.record(permit, store::Outcome::Allowed, detail).await.map_err(say)?;
    server.store.sequence_now().await.map_err(say)?;
    let (to, rows) = mpsc::channel(WAITING);
    let (out, bytes) = mpsc::channel(WAITING);
    let (store, made_at) = (Arc::clone(&server.store), server.clock.now());
    let reading = tokio::spawn(async move { store.snapshot(to).await });
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let written = backup::write(rows, &recipient, made_at, Pieces::new(out.clone()), || {
            // What was read may have ended early: then there is nothing to put sums under.
            runtime.block_on(reading).map_err(std::io::Error::other)?.map_err(std::io::Error::other)
        });
        if let Err(error) = written.and_then(|mut rest| rest.flush()) {
            tracing::error!(error = &error as &dyn std::error::Error, "a backup broke off");
            // The reader must see that it is not whole.
            drop(out.blocking_send(Err(error)));
        }
    });
    let body = Body::from_stream(ReceiverStream::new(bytes));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// How a rehearsed restore went.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drilled {
    ok: bool,
    /// The digest of the file.
    file: String,
    /// When the backup was made, and what was checked; nothing when it could not be restored.
    #[schema(value_type = Object)]
    restored: Option<Restored>,
    /// The problem's code, when it could not be restored.
    code: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Restored {
    made_at: model::Timestamp,
    version: String,
    tables: u64,
    rows: u64,
    log_size: u64,
    log_root: Option<String>,
    ms: u64,
}

/// Record how a rehearsed restore went
#[utoipa::path(post, path = "/api/v1/backup/drills", request_body = Drilled, responses((status = 200, description = "the event that says so", body = Object)))]
pub(crate) async fn drilled(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let drilled: Drilled = asked.json()?;
    let permit = server.allowed(&asked, RecordDrill { tenant: server.tenant.clone() }).await?;
    let outcome = if drilled.ok { store::Outcome::Allowed } else { store::Outcome::Failed };
    let committed = server.store.record(permit, outcome, json!(drilled)).await;
    let committed = committed.map_err(|error| Refusal(error.problem()))?;
    ok(json!({ "event": committed.event, "ok": drilled.ok }))
}
