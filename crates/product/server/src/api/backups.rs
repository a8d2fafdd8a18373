//! Backups: everything, encrypted to a recovery key; and how a rehearsed restore went.

use super::lasting::{Lasting, download, seat_for_download};
use crate::{
    Bailiwick, backup,
    reply::{Params, Part, Refusal, Reply, ok},
    who::Asked,
};
use authority::{Act, Rule, Target, rules};
use axum::{body::Body, extract::State, http::header, response::IntoResponse};
use model::{Problem, ProblemKind, TenantId};
use seal::Recipient;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

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
#[into_params(parameter_in = Query)]
pub(crate) struct For {
    /// Whose recovery key opens it: `age1…`
    recipient: Option<String>,
    /// `data`, unless said; or `config`: configuration and policies of the machine that answers.
    #[serde(default)]
    #[param(inline)]
    only: Only,
}

/// One part of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Only {
    #[default]
    Data,
    Config,
}

/// A backup of everything but the root key, as it is at this moment, or of the configuration; encrypted (age) to the recipient
#[utoipa::path(get, path = "/api/v1/backup", params(For), responses((status = 200, description = "the backup", body = Vec<u8>), (status = 400, description = "not a recipient", body = Object)))]
pub(crate) async fn create(State(server): State<Arc<Bailiwick>>, Params(wanted): Params<For>, asked: Asked) -> Reply {
    let act = backup::CreateBackup { tenant: server.tenant.clone() };
    // Nobody has a seat who may not.
    drop(server.allowed(&asked, act.clone()).await?);
    let seat = seat_for_download(&server, &asked.caller)?;
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
    let detail = json!({ "recipient": recipient.to_string(), "parts": wanted.only });
    let record = |permit| server.store.record(permit, store::Outcome::Allowed, detail.clone());
    server.recorded(&asked, act.clone(), record).await?;
    let body = match wanted.only {
        Only::Data => {
            let writing = backup::begin(&server, recipient).await.map_err(Refusal)?;
            download(Lasting::new(server, asked.caller, act, seat), |out| writing.write(out).map(drop))?
        }
        Only::Config => Body::from(server.packed_configuration(&recipient).map_err(Refusal)?),
    };
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// See which backups there are.
#[derive(Debug, Clone)]
struct ListBackups {
    tenant: TenantId,
}

impl Act for ListBackups {
    const RULE: &'static Rule = &rules::BACKUP_LIST;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "platform")
    }
}

/// What goes into a backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(default)]
    parts: backup::Parts,
}

/// Make a backup now, where `[backup]` of the configuration says
#[utoipa::path(post, path = "/api/v1/backups", request_body = Wanted, responses((status = 200, description = "what was made, and the event that says so", body = Object), (status = 503, description = "the place cannot be used", body = Object)))]
pub(crate) async fn make(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let wanted: Wanted = asked.json()?;
    // It goes on, and says in the record how it ended, when whoever asked has gone.
    let working = tokio::spawn(async move { server.back_up(&asked.caller, wanted.parts).await });
    let (made, event) = working.await.map_err(|_| Refusal(Problem::internal()))?.map_err(Refusal)?;
    let mut document = json!(made);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("event".to_owned(), json!(event));
    }
    ok(document)
}

/// The backups that lie where `[backup]` of the configuration says, newest first
#[utoipa::path(get, path = "/api/v1/backups", params(Part), responses((status = 200, description = "names, sizes and times", body = Object)))]
pub(crate) async fn list(State(server): State<Arc<Bailiwick>>, Params(part): Params<Part>, asked: Asked) -> Reply {
    let permit = server.allowed(&asked, ListBackups { tenant: server.tenant.clone() }).await?;
    server.store.access(permit, store::Outcome::Allowed, json!({})).map_err(|error| Refusal(error.problem()))?;
    let (_, depot) = server.backup_depot().map_err(Refusal)?;
    let mut there = depot.list().await.map_err(|error| Refusal(error.problem()))?;
    there.retain(|one| one.name.ends_with(backup::ENDING));
    there.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.name.cmp(&a.name)));
    let line = |one: &store::Stored| json!({ "name": one.name, "bytes": one.size_bytes, "at": one.at });
    let (there, next) = part.of(there, |one| one.name.clone())?;
    let backups: Vec<_> = there.iter().map(line).collect();
    ok(json!({ "to": depot.to_string(), "backups": backups, "next": next }))
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
