//! Reading the record: lists, newest first, and sealed text opened for those who may read it.
//!
//! Who may is the caller's question (`audit.read` is an act with a permit); what a deleted key sealed opens for nobody.

use crate::{
    Store, StoreError,
    event::{Outcome, context},
    params,
    row::Row,
    sql,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::{AppId, EventId, PersonId, TenantId, Timestamp, TraceId};
use seal::SubjectKey;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, btree_map::Entry};

/// The most that one list gives.
const LIST_MAX: u32 = 1000;

/// One event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where the list goes on: pass the last one's as `after`.
    pub cursor: u64,
    pub id: EventId,
    pub tenant: TenantId,
    /// Its place in the log; `None` until sequenced.
    pub index: Option<u64>,
    pub at: Timestamp,
    pub action: String,
    pub app: Option<AppId>,
    pub person: Option<PersonId>,
    pub resource: String,
    pub outcome: String,
    pub trace: Option<TraceId>,
    pub subject: String,
    /// Dies with the body.
    pub salt: Option<Vec<u8>>,
    /// The exact bytes that the log commits to; `None` once erased.
    pub body: Option<Vec<u8>>,
}

/// Which events; all that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    pub person: Option<PersonId>,
    pub app: Option<AppId>,
    pub action: Option<String>,
    pub trace: Option<TraceId>,
    /// `allowed`, `denied` or `failed`.
    pub outcome: Option<String>,
    /// What it was on, exactly: `secret/people-ops/slack-bot/prod`. Changes and uses; requests, calls and reads are found
    /// by app, person or trace.
    pub resource: Option<String>,
    /// Another form of the same thing, such as its other environment.
    pub or_resource: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// The cursor of the last event of the page before.
    pub after: Option<u64>,
    /// 100 when not given; 1000 at most.
    pub limit: Option<u32>,
}

/// Sealed text, opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled {
    pub why: Option<String>,
    /// `{"ip": …, "device": …}`.
    pub from: Option<Json>,
}

impl Event {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            cursor: row.uint(0)?,
            id: EventId::new(row.text(1)?),
            tenant: TenantId::new(row.text(2)?),
            index: row.opt_int(3)?.and_then(|index| u64::try_from(index).ok()),
            at: row.time(4)?,
            action: row.text(5)?.to_owned(),
            app: row.opt_text(6)?.map(AppId::new),
            person: row.opt_text(7)?.map(PersonId::new),
            resource: row.text(8)?.to_owned(),
            outcome: row.text(9)?.to_owned(),
            trace: row.opt_text(10)?.map(TraceId::new),
            subject: row.text(11)?.to_owned(),
            salt: row.opt_bytes(12)?.map(<[u8]>::to_vec),
            body: row.opt_bytes(13)?.map(<[u8]>::to_vec),
        })
    }

    /// The body as JSON, as it was stored; an erased one is `null`.
    ///
    /// # Errors
    /// `StoreError::Json` when it was altered.
    pub fn json(&self) -> Result<Json, StoreError> {
        self.body.as_deref().map_or(Ok(Json::Null), |body| serde_json::from_slice(body).map_err(StoreError::json))
    }

    fn filled(&self, body: &Json, key: Option<&SubjectKey>) -> Filled {
        let Some(key) = key else { return Filled::default() };
        Filled {
            why: self.sealed(body, "why", key).and_then(|plain| String::from_utf8(plain).ok()),
            from: self.sealed(body, "from", key).and_then(|plain| serde_json::from_slice(&plain).ok()),
        }
    }

    fn shown(&self, key: Option<&SubjectKey>) -> Result<Json, StoreError> {
        let mut shown = self.json()?;
        let filled = self.filled(&shown, key);
        let Some(fields) = shown.as_object_mut() else {
            return Ok(json!({ "id": self.id, "index": self.index, "erased": true }));
        };
        fields.shift_remove("why_sealed");
        fields.shift_remove("from_sealed");
        fields.insert("index".to_owned(), json!(self.index));
        fields.insert("why".to_owned(), json!(filled.why));
        fields.insert("from".to_owned(), json!(filled.from));
        Ok(shown)
    }

    fn sealed(&self, body: &Json, field: &str, key: &SubjectKey) -> Option<Vec<u8>> {
        let sealed = BASE64_STANDARD.decode(body.get(format!("{field}_sealed"))?.as_str()?).ok()?;
        key.open(&context(&self.id, field), &sealed).ok().map(|plain| plain.to_vec())
    }
}

impl Store {
    /// When the newest event was made, of any tenant; `None` before the first.
    ///
    /// # Errors
    /// As `read`.
    pub async fn newest_event(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read_one(sql::NEWEST_EVENT, &[]).await?.map_or(Ok(None), |row| row.opt_time(0))
    }

    /// Newest first.
    ///
    /// # Errors
    /// As `read`.
    pub async fn events(&self, tenant: &TenantId, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        // The rarest leads: what is refused is rarer than what an app or a person did, most acts are rarer than both.
        let statement = match filter {
            EventFilter { resource: Some(_), .. } => sql::EVENTS_BY_RESOURCE,
            EventFilter { trace: Some(_), .. } => sql::EVENTS_BY_TRACE,
            EventFilter { outcome: Some(outcome), .. } if outcome != Outcome::Allowed.as_str() => sql::EVENTS_REFUSED,
            EventFilter { person: Some(_), .. } => sql::EVENTS_BY_PERSON,
            EventFilter { app: Some(_), .. } => sql::EVENTS_BY_APP,
            EventFilter { action: Some(_), .. } => sql::EVENTS_BY_ACTION,
            EventFilter { .. } => sql::EVENTS,
        };
        let mut until = filter.until.map_or(i64::MAX, Timestamp::as_ms);
        let mut below = i64::MAX;
        if let Some(after) = filter.after {
            let Some(row) = self.read_one(sql::EVENT_AT, params![tenant, after]).await? else { return Ok(vec![]) };
            below = row.int(0)?;
            until = until.min(below);
        }
        let mut values = params![
            tenant,
            filter.person.as_ref(),
            filter.app.as_ref(),
            filter.action.as_deref(),
            filter.trace.as_ref(),
            filter.since.map_or(i64::MIN, Timestamp::as_ms),
            until,
            filter.after.unwrap_or(u64::MAX),
            filter.limit.unwrap_or(100).min(LIST_MAX),
            filter.outcome.as_deref(),
            below,
        ]
        .to_vec();
        if filter.trace.is_none()
            && let Some(resource) = &filter.resource
        {
            // A second form that nothing has, when there is none.
            let other = filter.or_resource.as_deref().unwrap_or_default();
            values.push(resource.as_str().into());
            values.push(other.into());
        }
        self.read(statement, &values).await?.iter().map(Event::read).collect()
    }

    /// # Errors
    /// As `read`.
    pub async fn event(&self, tenant: &TenantId, id: &EventId) -> Result<Option<Event>, StoreError> {
        self.read_one(sql::EVENT, params![tenant, id]).await?.as_ref().map(Event::read).transpose()
    }

    /// Events of the log in its order, from index `from`, below `to`: what an export walks.
    ///
    /// # Errors
    /// As `read`.
    pub async fn events_by_index(&self, tenant: &TenantId, from: u64, to: u64) -> Result<Vec<Event>, StoreError> {
        let rows = self.read(sql::EVENTS_BY_INDEX, params![tenant, from, to, LIST_MAX]).await?;
        rows.iter().map(Event::read).collect()
    }

    /// Opens sealed text; what has no key any more stays `None`.
    ///
    /// # Errors
    /// As `read`.
    pub async fn fill(&self, event: &Event) -> Result<Filled, StoreError> {
        let key = self.subject_key(&event.tenant, &event.subject).await?;
        Ok(event.filled(&event.json()?, key.as_ref()))
    }

    /// `None` when it is gone: its person was erased.
    async fn subject_key(&self, tenant: &TenantId, subject: &str) -> Result<Option<SubjectKey>, StoreError> {
        let row = self.read_one(sql::SUBJECT_KEY, params![tenant, subject]).await?;
        row.map(|row| self.subjects.unwrap(tenant, subject, &row)).transpose()
    }

    /// The event as the API and `audit show` give it: index, `why` and `from` filled in, sealed forms left out.
    ///
    /// # Errors
    /// As `fill`.
    pub async fn show(&self, event: &Event) -> Result<Json, StoreError> {
        let key = self.subject_key(&event.tenant, &event.subject).await?;
        event.shown(key.as_ref())
    }

    /// Each as `show` shows it; the key of a subject is read once, however many of its events there are.
    ///
    /// # Errors
    /// As `fill`.
    pub async fn show_all(&self, events: &[Event]) -> Result<Vec<Json>, StoreError> {
        let mut keys = BTreeMap::new();
        for event in events {
            if let Entry::Vacant(place) = keys.entry((&event.tenant, &event.subject)) {
                place.insert(self.subject_key(&event.tenant, &event.subject).await?);
            }
        }
        let shown = |event: &Event| {
            let key = keys.get(&(&event.tenant, &event.subject)).and_then(Option::as_ref);
            event.shown(key)
        };
        events.iter().map(shown).collect()
    }
}
