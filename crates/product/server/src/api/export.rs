//! The export of the record, piece by piece, and how far it is: for whoever watches the page meanwhile.

use super::lasting::{Lasting, download, seat_for_download};
use crate::{
    Bailiwick,
    reply::{Params, Refusal, Reply},
    who::Asked,
};
use authority::{Act, Rule, Target, rules};
use axum::{extract::State, http::header, response::IntoResponse};
use ledger::write_export;
use model::{Problem, TenantId, Timestamp};
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use store::{Outcome, Record};
use utoipa::IntoParams;

/// Exports that are watched at once; the oldest is forgotten.
const WATCHED_MAX: usize = 64;
const WATCHED_FOR: Duration = Duration::from_secs(6 * 3_600);

/// Export the record.
#[derive(Debug, Clone)]
struct ExportAudit {
    tenant: TenantId,
}

impl Act for ExportAudit {
    const RULE: &'static Rule = &rules::AUDIT_EXPORT;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "audit/export")
    }
}

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody has begun to download it.
    Ready,
    Underway {
        since: Timestamp,
    },
    Whole,
    /// The reader went away, or the record could not be read.
    BrokenOff,
}

#[derive(Debug)]
struct Watched {
    /// Whose it is; nobody else sees it.
    by: String,
    made_at: Timestamp,
    total: u64,
    sent: Arc<AtomicU64>,
    stage: Stage,
}

/// What a page shows of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) stage: Stage,
    pub(crate) sent: u64,
    pub(crate) total: u64,
}

/// Exports that somebody watches, on this node.
#[derive(Debug, Default)]
pub(crate) struct Exports(Mutex<HashMap<String, Watched>>);

impl Exports {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, by: &str, total: u64, now: Timestamp) -> String {
        let id = model::EventId::generate().to_string();
        let mut all = self.all();
        all.retain(|_, watched| now.since(watched.made_at) < WATCHED_FOR);
        if all.len() >= WATCHED_MAX {
            let oldest = all.iter().min_by_key(|(_, watched)| watched.made_at).map(|(id, _)| id.clone());
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        let watched = Watched { by: by.to_owned(), made_at: now, total, sent: Arc::default(), stage: Stage::Ready };
        all.insert(id.clone(), watched);
        id
    }

    fn progress(&self, id: &str, by: &str) -> Option<Progress> {
        let all = self.all();
        let watched = all.get(id).filter(|watched| watched.by == by)?;
        Some(Progress { stage: watched.stage, sent: watched.sent.load(Ordering::Relaxed), total: watched.total })
    }

    /// It begins, anew if it was begun before.
    fn begin(&self, id: &str, by: &str, total: u64, since: Timestamp) -> Option<Arc<AtomicU64>> {
        let mut all = self.all();
        let watched = all.get_mut(id).filter(|watched| watched.by == by)?;
        watched.sent = Arc::default();
        watched.total = total;
        watched.stage = Stage::Underway { since };
        Some(Arc::clone(&watched.sent))
    }

    fn end(&self, id: &str, stage: Stage) {
        if let Some(watched) = self.all().get_mut(id) {
            watched.stage = stage;
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Watch {
    /// What the page of an export calls it.
    watch: Option<String>,
}

impl Bailiwick {
    /// A name under which an export can be watched; it is made when it is downloaded.
    pub(crate) async fn watch_export(&self, asked: &Asked) -> Result<String, Refusal> {
        let act = ExportAudit { tenant: self.tenant.clone() };
        // Whether they may is judged again, and recorded, when it is downloaded.
        drop(self.allowed(asked, act).await?);
        let head = self.store.checkpoint(&self.tenant).await.map_err(|error| Refusal(error.problem()))?;
        let total = head.map_or(0, |head| head.checkpoint().size());
        Ok(self.exports.watch(&asked.caller.subject(), total, self.clock.now()))
    }

    pub(crate) fn export_progress(&self, asked: &Asked, id: &str) -> Option<Progress> {
        self.exports.progress(id, &asked.caller.subject())
    }
}

/// The whole record, in one file that verifies without this server
#[utoipa::path(get, path = "/api/v1/export", params(Watch), responses((status = 200, description = "the export", body = Vec<u8>)))]
pub(crate) async fn export(State(server): State<Arc<Bailiwick>>, Params(watch): Params<Watch>, asked: Asked) -> Reply {
    let say = |error: store::StoreError| Refusal(error.problem());
    let act = ExportAudit { tenant: server.tenant.clone() };
    // Nobody has a seat who may not.
    drop(server.allowed(&asked, act.clone()).await?);
    let seat = seat_for_download(&server, &asked.caller)?;
    server.store.flush_access().await.map_err(say)?;
    let record = |permit| server.store.record(permit, Outcome::Allowed, serde_json::Value::Null);
    server.recorded(&asked, act.clone(), record).await?;
    server.store.sequence_now().await.map_err(say)?;
    let head = server.store.checkpoint(&server.tenant).await.map_err(say)?;
    let head = head.ok_or_else(|| Refusal(Problem::internal()))?;
    let key = server.store.log_verifier(&server.tenant).map_err(say)?;
    let id = watch.watch.unwrap_or_default();
    let (total, now) = (head.checkpoint().size(), server.clock.now());
    let sent = server.exports.begin(&id, &asked.caller.subject(), total, now).unwrap_or_default();
    let record = Record::new(Arc::clone(&server.store), server.tenant.clone()).counted(sent);
    let watching = Arc::clone(&server);
    let body = download(Lasting::new(server, asked.caller, act, seat), move |out| {
        let written = write_export(out, &key, &head, &record).map_err(std::io::Error::other);
        watching.exports.end(&id, if written.is_ok() { Stage::Whole } else { Stage::BrokenOff });
        written
    })?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"record.txt\""),
    ];
    Ok((headers, body).into_response())
}
