//! Records: how one is checked, sealed, stored and read back; what it adds to the collection's use.
//!
//! Refuses undeclared fields, values of another type, and what is too large. Fields of class personal and above are
//! sealed each on its own, for their row and field alone, so that a class can change later and no value can be moved.

mod rewrite;
mod sql;

use crate::{
    Error,
    act::Scope,
    collections::{Collection, Field},
    value::{Key, fits},
};
use authority::AppRef;
use model::{PersonId, TenantId, Timestamp};
use seal::{Context, INDEX_BYTES, Purpose, PurposeKey, TenantKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use store::{Row, Store, Tx, params};

pub(crate) type Fields = Map<String, Value>;

/// A record as JSON: what a person could have typed into a form, and room to spare.
pub(crate) const RECORD_BYTES_MAX: usize = 256 << 10;
/// What a record takes beside its body: its row, its key, its place in two indexes.
const ROW_BYTES: usize = 128;
/// What each of its fields takes in `data_index` beside name and key; there is a row for each that is declared.
const FIELD_BYTES: usize = 64;
/// One text of a record: some thirty pages.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// What one tenant's data is sealed and found with.
#[derive(Debug)]
pub(crate) struct Keys {
    fields: PurposeKey,
    index: PurposeKey,
    pub(crate) cursors: PurposeKey,
}

impl Keys {
    pub(crate) fn of(tenant: &TenantKey) -> Self {
        Self {
            fields: tenant.purpose(Purpose::DataField),
            index: tenant.purpose(Purpose::DataIndex),
            cursors: tenant.purpose(Purpose::Cursor),
        }
    }

    /// A value of a field as `data_index` holds it.
    pub(crate) fn key(&self, scope: &Scope, name: &str, field: Field, value: &Value) -> Vec<u8> {
        let key = Key::of(value, field.kind);
        if !field.class.encrypted() {
            return key.indexed();
        }
        let context = place(Context::table("data_index"), scope).column(name);
        Key::keyed(&self.index.index(&context, key.bytes()))
    }

    /// How long `key` would be.
    fn key_len(field: Field, value: &Value) -> usize {
        if field.class.encrypted() { 1 + INDEX_BYTES } else { Key::indexed_len(value, field.kind) }
    }
}

/// App, environment and collection; the tenant is the key's.
pub(crate) fn place(context: Context, scope: &Scope) -> Context {
    let AppRef { id, env } = &scope.app;
    context.with("app", id.as_str()).with("env", env.as_str()).with("collection", &scope.collection)
}

/// The columns that every statement begins with.
macro_rules! at {
    ($scope:expr $(, $value:expr)* $(,)?) => {
        store::params![&$scope.tenant, &$scope.app.id, $scope.app.env, &$scope.collection $(, $value)*]
    };
}
pub(crate) use at;

/// What is stored of the fields.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Body {
    #[serde(rename = "p", default, skip_serializing_if = "Map::is_empty")]
    plain: Fields,
    #[serde(rename = "s", default, skip_serializing_if = "BTreeMap::is_empty")]
    sealed: BTreeMap<String, String>,
}

/// One record of one collection; `fields` may hold some that are no longer declared.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) fields: Fields,
}

/// Whether a text could be the id of a record.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Collection {
    /// Checks what an app sent: names, types, sizes.
    pub(crate) fn checked(&self, value: Value) -> Result<Fields, Error> {
        let Value::Object(fields) = value else {
            return Err(crate::refusal::malformed("the fields of a record must be one JSON object").into());
        };
        for (name, value) in &fields {
            let field = self.field(name).ok_or_else(|| self.unknown_field(name))?;
            if !fits(value, field.kind) {
                return Err(self.wrong_type(name, field.kind.map_or("", |kind| kind.as_str())).into());
            }
            if longest_text(value) > TEXT_BYTES_MAX {
                return Err(self.text_too_large(name, TEXT_BYTES_MAX).into());
            }
        }
        self.fitting(&fields)?;
        Ok(fields)
    }

    fn fitting(&self, fields: &Fields) -> Result<(), Error> {
        if serde_json::to_vec(fields)?.len() > RECORD_BYTES_MAX {
            return Err(self.record_too_large(RECORD_BYTES_MAX).into());
        }
        Ok(())
    }
}

fn longest_text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(longest_text).max().unwrap_or(0),
        Value::Object(entries) => {
            entries.iter().map(|(name, value)| name.len().max(longest_text(value))).max().unwrap_or(0)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

impl Record {
    pub(crate) fn new(fields: Fields) -> Self {
        Self { id: uuid::Uuid::now_v7().simple().to_string(), version: 1, fields }
    }

    /// With changes on top. Fields that are not declared stay as they were.
    pub(crate) fn changed(mut self, collection: &Collection, changes: &Fields) -> Result<Self, Error> {
        for (name, value) in changes {
            self.fields.insert(name.clone(), value.clone());
        }
        collection.fitting(&self.fields)?;
        self.version += 1;
        Ok(self)
    }

    /// `id`, `version` and the fields that the manifest declares.
    pub(crate) fn shown(mut self, collection: &Collection) -> Value {
        let mut shown = Map::new();
        shown.insert("id".to_owned(), self.id.into());
        shown.insert("version".to_owned(), self.version.into());
        self.fields.retain(|name, _| collection.declared.fields.contains_key(name));
        shown.append(&mut self.fields);
        Value::Object(shown)
    }

    fn sealed(&self, keys: &Keys, scope: &Scope, collection: &Collection) -> Result<Vec<u8>, Error> {
        let mut body = Body::default();
        for (name, value) in &self.fields {
            // What was stored and is no longer declared stays out of sight: sealed, whatever it was.
            if collection.field(name).is_none_or(|field| field.class.encrypted()) {
                let text = serde_json::to_string(value)?;
                body.sealed.insert(name.clone(), keys.fields.seal_text(&context(scope, &self.id, name), &text));
            } else {
                body.plain.insert(name.clone(), value.clone());
            }
        }
        Ok(serde_json::to_vec(&body)?)
    }

    fn opened(keys: &Keys, scope: &Scope, id: &str, version: u64, body: &[u8]) -> Result<Self, Error> {
        let Body { plain: mut fields, sealed } = serde_json::from_slice(body)?;
        for (name, text) in sealed {
            let value = keys.fields.open_text(&context(scope, id, &name), &text)?;
            fields.insert(name, serde_json::from_str(&value)?);
        }
        Ok(Self { id: id.to_owned(), version, fields })
    }

    /// From columns `id`, `version`, `body`.
    pub(crate) fn of_row(keys: &Keys, scope: &Scope, row: &Row) -> Result<Self, Error> {
        Self::opened(keys, scope, row.text(0)?, row.uint(1)?, row.bytes(2)?)
    }

    /// The record and what it takes, unless it is gone or past its retention.
    pub(crate) async fn find(
        store: &Store,
        keys: &Keys,
        scope: &Scope,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<(Self, i64)>, Error> {
        let Some(row) = store.read_one(sql::ONE, at!(scope, id, now)).await? else { return Ok(None) };
        Ok(Some((Self::opened(keys, scope, id, row.uint(0)?, row.bytes(1)?)?, row.int(2)?)))
    }

    /// What the record adds to its app's storage: its body, and what is kept to find it by. INVARIANT: counted as it is
    /// written into `bytes`, and taken away from there, so that the total comes back to what it was.
    fn takes(&self, collection: &Collection, body: &[u8]) -> usize {
        let field = |(name, field): (&String, &Field)| {
            FIELD_BYTES + name.len() + Keys::key_len(*field, self.fields.get(name).unwrap_or(&Value::Null))
        };
        ROW_BYTES + body.len() + collection.declared.fields.iter().map(field).sum::<usize>()
    }

    async fn index(
        &self,
        tx: &mut Tx,
        keys: &Keys,
        scope: &Scope,
        fields: impl Iterator<Item = (&String, &Field)>,
    ) -> Result<(), Error> {
        for (name, field) in fields {
            let key = keys.key(scope, name, *field, self.fields.get(name).unwrap_or(&Value::Null));
            tx.execute(sql::INDEX, at!(scope, &self.id, name, key)).await?;
        }
        Ok(())
    }

    pub(crate) async fn insert(
        &self,
        tx: &mut Tx,
        keys: &Keys,
        scope: &Scope,
        collection: &Collection,
        person: Option<&PersonId>,
    ) -> Result<(), Error> {
        let now = tx.now();
        let body = self.sealed(keys, scope, collection)?;
        let bytes = self.takes(collection, &body);
        let expires_at = now.plus(collection.retain());
        tx.execute(sql::INSERT, at!(scope, &self.id, now, expires_at, person, bytes, body)).await?;
        self.index(tx, keys, scope, collection.declared.fields.iter()).await?;
        used(tx, scope, 1, signed(bytes)).await?;
        within_storage(tx, scope, collection).await
    }

    /// Whether it was still at the version that this one follows. `bytes`: what it took before.
    pub(crate) async fn update(
        &self,
        tx: &mut Tx,
        keys: &Keys,
        scope: &Scope,
        collection: &Collection,
        changes: &Fields,
        bytes: i64,
    ) -> Result<bool, Error> {
        let body = self.sealed(keys, scope, collection)?;
        let takes = self.takes(collection, &body);
        let more = signed(takes) - bytes;
        let row = at!(scope, &self.id, self.version.saturating_sub(1), tx.now(), takes, body);
        if tx.execute(sql::UPDATE, row).await? == 0 {
            return Ok(false);
        }
        let changed = collection.declared.fields.iter().filter(|(name, _)| changes.contains_key(*name));
        self.index(tx, keys, scope, changed).await?;
        used(tx, scope, 0, more).await?;
        if more > 0 {
            within_storage(tx, scope, collection).await?;
        }
        Ok(true)
    }

    /// Whether there was one.
    pub(crate) async fn delete(tx: &mut Tx, scope: &Scope, id: &str) -> Result<bool, Error> {
        let now = tx.now();
        let Some(row) = tx.query_one(sql::DELETE, at!(scope, id, now)).await? else { return Ok(false) };
        used(tx, scope, -1, -row.int(0)?).await?;
        Ok(true)
    }
}

fn context(scope: &Scope, id: &str, field: &str) -> Context {
    place(Context::table("data_records"), scope).row(id).column(field)
}

pub(crate) fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Counts what was added or taken. INVARIANT: after the records themselves, so that locks are taken in one order.
async fn used(tx: &mut Tx, scope: &Scope, records: i64, bytes: i64) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(sql::USE, at!(scope, records, bytes, now)).await?;
    Ok(())
}

async fn within_storage(tx: &mut Tx, scope: &Scope, collection: &Collection) -> Result<(), Error> {
    let total = tx.query_one(sql::TOTAL, params![&scope.tenant, &scope.app.id, scope.app.env]).await?;
    let total = total.map_or(Ok(0), |row| row.uint(0))?;
    if total > collection.declared.storage_bytes {
        return Err(collection.storage_full().into());
    }
    Ok(())
}

/// What one collection takes, and when it was last written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) collection: String,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) last_at: Option<Timestamp>,
}

impl Usage {
    pub(crate) async fn of(store: &Store, tenant: &TenantId, app: &AppRef) -> Result<Vec<Self>, Error> {
        let rows = store.read(sql::USED, params![tenant, &app.id, app.env]).await?;
        let usage = |row: &Row| {
            Ok(Self {
                collection: row.text(0)?.to_owned(),
                records: row.uint(1)?,
                bytes: row.uint(2)?,
                last_at: row.opt_time(3)?,
            })
        };
        rows.iter().map(usage).collect()
    }
}

/// Deletes everything that an app keeps; what each collection held.
pub(crate) async fn delete_all(tx: &mut Tx, tenant: &TenantId, app: &AppRef) -> Result<Vec<Usage>, Error> {
    let rows = tx.query(sql::COUNT_ALL, params![tenant, &app.id, app.env]).await?;
    tx.execute(sql::DELETE_ALL, params![tenant, &app.id, app.env]).await?;
    tx.execute(sql::DELETE_USED, params![tenant, &app.id, app.env]).await?;
    let gone = |row: &Row| {
        let (records, bytes) = (row.uint(1)?, row.uint(2)?);
        Ok(Usage { collection: row.text(0)?.to_owned(), records, bytes, last_at: None })
    };
    rows.iter().map(gone).collect()
}
