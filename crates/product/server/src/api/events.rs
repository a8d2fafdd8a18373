//! The record: search, one event, its proof, and the export. Names and addresses are filled in from the directory.

use crate::{
    Bailiwick,
    record::{Record, entry},
    reply::{Params, Refusal, Reply, ok},
    who::Asked,
};
use authority::{Act, Rule, Target, rules};
use axum::{
    body::Body,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
};
use bytes::Bytes;
use ledger::{EventProof, write_export};
use model::{AppId, EventId, PersonId, Problem, ProblemKind, TenantId, Timestamp, TraceId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{io::Write, sync::Arc};
use store::{Event, EventFilter, Outcome};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

/// Pieces of an export that may wait for a slow reader.
const EXPORT_PIECES: usize = 16;
const PIECE_BYTES: usize = 64 << 10;

/// Read the record.
#[derive(Debug, Clone)]
struct ReadAudit {
    tenant: TenantId,
    resource: String,
}

impl Act for ReadAudit {
    const RULE: &'static Rule = &rules::AUDIT_READ;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), self.resource.clone())
    }
}

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

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
pub(crate) struct Which {
    /// Name of an app.
    pub(crate) app: Option<String>,
    /// E-mail of a person.
    pub(crate) person: Option<String>,
    pub(crate) action: Option<String>,
    /// `allowed`, `denied` or `failed`.
    pub(crate) outcome: Option<String>,
    pub(crate) trace: Option<String>,
    /// Id of a secret.
    pub(crate) secret: Option<String>,
    /// What it was on, exactly, as events have it: `request/ID`. Changes and uses alone.
    pub(crate) resource: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) limit: Option<u32>,
    pub(crate) after: Option<u64>,
}

/// A page of the record, as it is shown.
pub(crate) struct Found {
    pub(crate) events: Vec<Value>,
    /// Pass as `after` for the next one.
    pub(crate) next: Option<u64>,
}

impl Which {
    fn filter(self, server: &Bailiwick) -> Result<EventFilter, Refusal> {
        let time = |text: Option<String>| {
            text.map(|text| text.parse::<Timestamp>().map_err(|_| not_a_time(&text))).transpose()
        };
        // Nobody of that address: a filter that nothing meets.
        let person = self.person.as_deref().map(|email| {
            server.identity.person_by_email(email).map_or_else(|| PersonId::new(""), |found| found.id.clone())
        });
        let app = match self.app.as_deref() {
            Some(name) => Some(server.catalog.find(name)?.0),
            None => None,
        };
        let (resource, or_resource) = match &self.secret {
            Some(id) => (Some(format!("secret/{id}/prod")), Some(format!("secret/{id}/staging"))),
            None => (self.resource, None),
        };
        Ok(EventFilter {
            resource,
            or_resource,
            person,
            app,
            action: self.action,
            trace: self.trace.map(TraceId::new),
            outcome: self.outcome,
            since: time(self.since)?,
            until: time(self.until)?,
            after: self.after,
            limit: self.limit,
        })
    }
}

fn not_a_time(text: &str) -> Refusal {
    let what = format!("`{text}` is not a time");
    let fix = "write it as `2026-11-23T08:00:00Z`";
    Refusal(Problem::new(ProblemKind::Invalid, "request.time", what, "times are RFC 3339", fix))
}

impl Bailiwick {
    async fn reading(&self, asked: &Asked, resource: String) -> Result<(), Refusal> {
        let act = ReadAudit { tenant: self.tenant.clone(), resource };
        let permit = self.allowed(asked, act).await?;
        self.store.record(permit, Outcome::Allowed, Value::Null).await.map_err(|error| Refusal(error.problem()))?;
        Ok(())
    }

    /// An event as it is shown: ids become names where the directory knows them.
    async fn shown(&self, event: &Event) -> Result<Value, Refusal> {
        let mut shown = self.store.show(event).await.map_err(|error| Refusal(error.problem()))?;
        if let Some(fields) = shown.as_object_mut() {
            if let Some(name) = event.app.as_ref().and_then(|id| self.catalog.name_of(id)) {
                let id = event.app.as_ref().map(ToString::to_string).unwrap_or_default();
                fields.insert("app".to_owned(), json!(name));
                fields.insert("resource".to_owned(), json!(event.resource.replace(&id, &name)));
            }
            if let Some(person) = event.person.as_ref().and_then(|id| self.identity.person(id)) {
                fields.insert("user".to_owned(), json!(person.email));
            }
            if let Some(Value::Array(actors)) = fields.get_mut("actor") {
                for actor in actors {
                    let named = actor.as_str().and_then(|actor| self.named(actor));
                    if let Some(named) = named {
                        *actor = Value::String(named);
                    }
                }
            }
        }
        Ok(shown)
    }

    /// `person:ID` and `app:ID/ENV` by their names, where they are known.
    fn named(&self, actor: &str) -> Option<String> {
        match actor.split_once(':')? {
            ("person", id) => Some(self.identity.person(&PersonId::new(id))?.email.clone()),
            ("app", place) => {
                let (id, env) = place.split_once('/')?;
                Some(format!("app/{} ({env})", self.catalog.name_of(&AppId::new(id))?))
            }
            _ => None,
        }
    }

    async fn one(&self, id: &EventId) -> Result<Event, Refusal> {
        let found = self.store.event(&self.tenant, id).await.map_err(|error| Refusal(error.problem()))?;
        found.ok_or_else(|| {
            let what = format!("there is no event `{id}`");
            let fix = "`bailiwick audit list` shows the newest";
            Refusal(Problem::new(ProblemKind::NotFound, "event.unknown", what, "no event has this id", fix))
        })
    }
}

impl Bailiwick {
    /// Searches the record; that it was read is on it first.
    pub(crate) async fn search(&self, asked: &Asked, which: Which) -> Result<Found, Refusal> {
        let say = |error: store::StoreError| Refusal(error.problem());
        self.reading(asked, "audit".to_owned()).await?;
        self.store.flush_access().await.map_err(say)?;
        let filter = which.filter(self)?;
        let limit = filter.limit.unwrap_or(100);
        let events = self.store.events(&self.tenant, &filter).await.map_err(say)?;
        let full = u32::try_from(events.len()).is_ok_and(|count| count >= limit);
        let next = events.last().filter(|_| full).map(|event| event.cursor);
        let mut shown = Vec::with_capacity(events.len());
        for event in &events {
            shown.push(self.shown(event).await?);
        }
        Ok(Found { events: shown, next })
    }

    /// One event.
    pub(crate) async fn read_event(&self, asked: &Asked, id: &str) -> Result<Value, Refusal> {
        self.reading(asked, format!("event/{id}")).await?;
        let event = self.one(&EventId::new(id)).await?;
        self.shown(&event).await
    }

    /// One event with its proof.
    pub(crate) async fn prove(&self, asked: &Asked, id: &str) -> Result<EventProof, Refusal> {
        self.reading(asked, format!("event/{id}")).await?;
        let say = |error: store::StoreError| Refusal(error.problem());
        self.store.sequence_now().await.map_err(say)?;
        let event = self.one(&EventId::new(id)).await?;
        let head = self.store.checkpoint(&self.tenant).await.map_err(say)?;
        let key = self.store.log_verifier(&self.tenant).map_err(say)?;
        let (Some(head), Some(index)) = (head, event.index) else { return Err(Refusal(Problem::internal())) };
        let record = Record::new(Arc::clone(&self.store), self.tenant.clone());
        let made = tokio::task::spawn_blocking(move || EventProof::new(&key, &head, index, &entry(event), &record));
        match made.await {
            Ok(Ok(proof)) => Ok(proof),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a proof could not be made");
                Err(Refusal(Problem::internal()))
            }
            Err(_) => Err(Refusal(Problem::internal())),
        }
    }
}

/// Events, newest first
#[utoipa::path(get, path = "/api/v1/events", params(Which), responses((status = 200, description = "events", body = Object)))]
pub(crate) async fn list(State(server): State<Arc<Bailiwick>>, Params(which): Params<Which>, asked: Asked) -> Reply {
    let Found { events, next } = server.search(&asked, which).await?;
    ok(json!({ "events": events, "next": next }))
}

/// One event
#[utoipa::path(get, path = "/api/v1/events/{id}", responses((status = 200, description = "the event", body = Object)))]
pub(crate) async fn show(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Reply {
    ok(server.read_event(&asked, &id).await?)
}

/// One event with its proof
#[utoipa::path(get, path = "/api/v1/events/{id}/proof", responses((status = 200, description = "the stored bytes, and the proof that the log holds them", body = Object)))]
pub(crate) async fn proof(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Reply {
    ok(server.prove(&asked, &id).await?)
}

/// Writes to whoever reads an answer, piece by piece. Off the async threads.
struct Pieces {
    to: mpsc::Sender<std::io::Result<Bytes>>,
    held: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.held));
        self.to.blocking_send(Ok(piece)).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

/// The whole record, in one file that verifies without this server
#[utoipa::path(get, path = "/api/v1/export", responses((status = 200, description = "the export", body = Vec<u8>)))]
pub(crate) async fn export(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let say = |error: store::StoreError| Refusal(error.problem());
    let act = ExportAudit { tenant: server.tenant.clone() };
    let permit = server.allowed(&asked, act).await?;
    server.store.flush_access().await.map_err(say)?;
    server.store.record(permit, Outcome::Allowed, Value::Null).await.map_err(say)?;
    server.store.sequence_now().await.map_err(say)?;
    let head = server.store.checkpoint(&server.tenant).await.map_err(say)?;
    let head = head.ok_or_else(|| Refusal(Problem::internal()))?;
    let key = server.store.log_verifier(&server.tenant).map_err(say)?;
    let record = Record::new(Arc::clone(&server.store), server.tenant.clone());
    let (to, pieces) = mpsc::channel(EXPORT_PIECES);
    tokio::task::spawn_blocking(move || {
        let mut out = Pieces { to: to.clone(), held: Vec::new() };
        let written = write_export(&mut out, &key, &head, &record).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|()| out.flush()) {
            tracing::error!(error = &error as &dyn std::error::Error, "an export broke off");
            // The reader must see that it is not whole.
            drop(to.blocking_send(Err(error)));
        }
    });
    let body = Body::from_stream(ReceiverStream::new(pieces));
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"record.txt\""),
    ];
    Ok((headers, body).into_response())
}
