//! The record: search, one event and its proof. Names and addresses are filled in from the directory.

use crate::{
    Bailiwick,
    reply::{PART_DEFAULT, PART_MAX, Params, Refusal, Reply, ok},
    watched::actor_named,
    who::Asked,
};
use authority::{Act, Rule, Target, rules};
use axum::extract::{Path, State};
use ledger::EventProof;
use model::{EventId, PersonId, Problem, ProblemKind, TenantId, Timestamp, TraceId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Event, EventFilter, Outcome, Record};
use utoipa::IntoParams;

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

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
// A filter that is misspelt would be every event.
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Name of an app.
    pub(crate) app: Option<String>,
    /// E-mail of a person: what they did, and what was done about them.
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
    /// How many at most: a page is full at what it may hold, not at what was asked for.
    fn most(&self) -> u32 {
        self.limit.unwrap_or(PART_DEFAULT).clamp(1, PART_MAX)
    }

    fn filter(self, server: &Bailiwick) -> Result<EventFilter, Refusal> {
        let most = self.most();
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
            limit: Some(most),
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
        self.recorded(asked, act, |permit| self.store.record(permit, Outcome::Allowed, Value::Null)).await?;
        Ok(())
    }

    /// An event as it is shown: ids become names where the directory knows them.
    fn with_names(&self, event: &Event, mut shown: Value) -> Value {
        if let Some(fields) = shown.as_object_mut() {
            if let Some(name) = event.app.as_ref().and_then(|id| self.catalog.name_of(id)) {
                let id = event.app.as_ref().map(ToString::to_string).unwrap_or_default();
                fields.insert("app".to_owned(), json!(name));
                fields.insert("resource".to_owned(), json!(event.resource.replace(&id, &name)));
            }
            if let Some(person) = event.person.as_ref().and_then(|id| self.identity.person(id)) {
                fields.insert("user".to_owned(), json!(person.email));
            }
            let about = fields.get("about").and_then(Value::as_str).map(PersonId::new);
            if let Some(person) = about.and_then(|id| self.identity.person(&id)) {
                fields.insert("about".to_owned(), json!(person.email));
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
        shown
    }

    /// `person:ID` and `app:ID/ENV` by their names, where they are known.
    pub(crate) fn named(&self, actor: &str) -> Option<String> {
        actor_named(&self.identity, &self.catalog, actor)
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
        let most = which.most();
        let filter = which.filter(self)?;
        let events = self.store.events(&self.tenant, &filter).await.map_err(say)?;
        let full = u32::try_from(events.len()).is_ok_and(|count| count >= most);
        let next = events.last().filter(|_| full).map(|event| event.cursor);
        let shown = self.store.show_all(&events).await.map_err(say)?;
        let events = events.iter().zip(shown).map(|(event, shown)| self.with_names(event, shown)).collect();
        Ok(Found { events, next })
    }

    /// One event.
    pub(crate) async fn read_event(&self, asked: &Asked, id: &str) -> Result<Value, Refusal> {
        self.reading(asked, format!("event/{id}")).await?;
        let event = self.one(&EventId::new(id)).await?;
        let shown = self.store.show(&event).await.map_err(|error| Refusal(error.problem()))?;
        Ok(self.with_names(&event, shown))
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
        let made = tokio::task::spawn_blocking(move || EventProof::new(&key, &head, index, &event.into(), &record));
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{extract::Query, http::Uri};

    #[test]
    fn a_filter_that_there_is_not_is_refused() {
        let asked =
            |query: &str| Query::<Which>::try_from_uri(&format!("/api/v1/events?{query}").parse::<Uri>().unwrap());
        assert_eq!(asked("action=app.revoke&limit=7").unwrap().0.limit, Some(7));
        assert!(asked("").is_ok());
        assert!(asked("acton=app.revoke").is_err());
    }

    #[test]
    fn a_page_is_full_at_what_it_may_hold() {
        for (limit, most) in [
            (None, 100),
            (Some(0), 1),
            (Some(7), 7),
            (Some(1_000), 1_000),
            (Some(5_000), 1_000),
            (Some(u32::MAX), 1_000),
        ] {
            assert_eq!(Which { limit, ..Which::default() }.most(), most, "{limit:?}");
        }
    }
}
