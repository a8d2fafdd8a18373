//! Collections: what the manifest declares, as rows and in this node's memory.
//!
//! Refuses, in memory and at once, what was cut; rows of credentials that were cut never come back, however late they
//! are read. A collection that a newer manifest leaves out is closed: no call reaches it, and retention ends its records.

mod sql;

use crate::{Error, noted::Noted, places::Places};
use arc_swap::ArcSwap;
use authority::{AppRef, Ask};
use model::{AppId, Class, Group, Manifest, TenantId, manifest::FieldType};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use store::{Row, Store, Tx, params};
use tokio::sync::{Mutex, watch};

/// One collection of one app in one environment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Collection {
    pub(crate) name: String,
    pub(crate) declared: Declared,
}

/// What the approved manifest says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Declared {
    pub(crate) fields: BTreeMap<String, Field>,
    pub(crate) retain_ms: u64,
    /// Whose people may take all of it out.
    #[serde(default)]
    pub(crate) export: Vec<Group>,
    /// The most that one list returns.
    pub(crate) rows: u32,
    /// Of all the app's collections together.
    pub(crate) storage_bytes: u64,
    /// Of its section in the manifest.
    pub(crate) line: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) class: Class,
    #[serde(rename = "type", default, deserialize_with = "field_type")]
    pub(crate) kind: Option<FieldType>,
}

fn field_type<'de, D: Deserializer<'de>>(from: D) -> Result<Option<FieldType>, D::Error> {
    let Some(word) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let kind = FieldType::ALL.into_iter().find(|kind| kind.as_str() == word);
    kind.map(Some).ok_or_else(|| D::Error::custom("not a field's type"))
}

impl Collection {
    pub(crate) fn field(&self, name: &str) -> Option<Field> {
        self.declared.fields.get(name).copied()
    }

    pub(crate) const fn retain(&self) -> Duration {
        Duration::from_millis(self.declared.retain_ms)
    }

    /// What a manifest declares.
    pub(crate) fn declared_by(manifest: &Manifest) -> Vec<Self> {
        let fields = |kept: &model::manifest::Collection| {
            kept.fields
                .iter()
                .map(|(name, field)| (name.clone(), Field { class: field.class, kind: field.kind }))
                .collect()
        };
        let collection = |(name, kept): (&String, &model::manifest::Collection)| Self {
            name: name.clone(),
            declared: Declared {
                fields: fields(kept),
                retain_ms: u64::try_from(kept.retain.as_millis()).unwrap_or(u64::MAX),
                export: kept.export.clone(),
                rows: manifest.limits.rows,
                storage_bytes: manifest.runtime.limits.storage_bytes,
                line: kept.line,
            },
        };
        manifest.data.iter().map(collection).collect()
    }

    fn of(name: &str, declared: &str) -> Result<Self, Error> {
        Ok(Self { name: name.to_owned(), declared: serde_json::from_str(declared)? })
    }

    /// What was declared before, whatever its state.
    pub(crate) async fn before(
        tx: &mut Tx,
        tenant: &TenantId,
        app: &AppRef,
        name: &str,
    ) -> Result<Option<Self>, Error> {
        let row = tx.query_one(sql::ONE, params![tenant, &app.id, app.env, name]).await?;
        row.map(|row| Self::of(name, row.text(0)?)).transpose()
    }

    /// Writes what was approved; what it no longer holds is closed.
    pub(crate) async fn close_all(tx: &mut Tx, tenant: &TenantId, app: &AppRef) -> Result<(), Error> {
        tx.execute(sql::CLOSE, params![tenant, &app.id, app.env]).await?;
        Ok(())
    }

    pub(crate) async fn open(&self, tx: &mut Tx, tenant: &TenantId, ask: &Ask<'_>) -> Result<(), Error> {
        let declared = serde_json::to_string(&self.declared)?;
        let row = params![tenant, &ask.app.id, ask.app.env, &self.name, declared, ask.credential_epoch];
        tx.execute(sql::OPEN, row).await?;
        Ok(())
    }

    pub(crate) async fn cut(tx: &mut Tx, tenant: &TenantId, app: &AppRef) -> Result<(), Error> {
        tx.execute(sql::CUT, params![tenant, &app.id, app.env]).await?;
        Ok(())
    }

    pub(crate) async fn delete_all(tx: &mut Tx, tenant: &TenantId, app: &AppRef) -> Result<(), Error> {
        tx.execute(sql::DELETE, params![tenant, &app.id, app.env]).await?;
        Ok(())
    }
}

/// What an app has open in this node's memory.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) collections: BTreeMap<String, Arc<Collection>>,
    pub(crate) credential_epoch: u64,
    pub(crate) places: Arc<Places>,
    pub(crate) noted: Arc<Noted>,
    closed: watch::Sender<bool>,
}

impl Opened {
    /// Returns once it is closed.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        // An error would mean that the sender is gone, which `self` holds.
        drop(closed.wait_for(|closed| *closed).await);
    }

    /// Calls under way.
    fn under_way(&self) -> usize {
        self.closed.receiver_count()
    }
}

/// Every app's entry.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    open: ArcSwap<HashMap<AppRef, Arc<Opened>>>,
    /// Credentials up to this epoch were cut.
    cut: ArcSwap<HashMap<AppRef, u64>>,
    /// One reader of rows at a time, so that older rows never replace newer ones. A cut does not wait for it.
    reading: Mutex<()>,
}

/// What the rows of an app say: under which credentials, and what is open.
type Rows = (u64, BTreeMap<String, Arc<Collection>>);

impl Memory {
    pub(crate) fn find(&self, app: &AppRef) -> Option<Arc<Opened>> {
        self.open.load().get(app).cloned()
    }

    pub(crate) async fn load_all(&self, store: &Store, tenant: &TenantId) -> Result<(), Error> {
        self.renew(rows_of_all(store, tenant), |rows| self.put_all(rows)).await
    }

    pub(crate) async fn refresh(&self, store: &Store, tenant: &TenantId, app: &AppRef) -> Result<(), Error> {
        self.renew(rows_of(store, tenant, app), |rows| self.put(app, rows)).await
    }

    /// Reads and puts, with no other reader between.
    async fn renew<T>(&self, read: impl Future<Output = Result<T, Error>>, put: impl FnOnce(T)) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        put(read.await?);
        Ok(())
    }

    fn put_all(&self, all: HashMap<AppRef, Rows>) {
        for app in self.open.load().keys().filter(|app| !all.contains_key(app)) {
            self.take(app);
        }
        for (app, rows) in all {
            self.put(&app, rows);
        }
    }

    /// Puts in what the rows say; an app without rows is forgotten, and its calls end.
    fn put(&self, app: &AppRef, (credential_epoch, collections): Rows) {
        let was_cut = self.cut.load().get(app).is_some_and(|cut| credential_epoch <= *cut);
        if collections.is_empty() || was_cut {
            self.take(app);
            return;
        }
        let known = self.find(app);
        let (places, noted) =
            known.as_ref().map(|known| (Arc::clone(&known.places), Arc::clone(&known.noted))).unwrap_or_default();
        // Calls under way go on when only the declaration changed. Newer credentials say that there was a cut, which
        // this node may hear of with what opened the app again.
        let closed = match known {
            Some(known) if known.credential_epoch == credential_epoch => known.closed.clone(),
            Some(known) => {
                known.closed.send_replace(true);
                watch::Sender::new(false)
            }
            None => watch::Sender::new(false),
        };
        let opened = Arc::new(Opened { collections, credential_epoch, places, noted, closed });
        self.open.rcu(|open| {
            let mut next = HashMap::clone(open);
            next.insert(app.clone(), Arc::clone(&opened));
            next
        });
    }

    fn take(&self, app: &AppRef) -> Option<Arc<Opened>> {
        let before = self.open.rcu(|open| {
            let mut next = HashMap::clone(open);
            next.remove(app);
            next
        });
        let opened = before.get(app).cloned()?;
        opened.closed.send_replace(true);
        Some(opened)
    }

    /// Closes the app's collections now; what was open, and how many calls were under way.
    pub(crate) fn cut(&self, app: &AppRef) -> Option<(Arc<Opened>, usize)> {
        let opened = self.find(app)?;
        let (epoch, under_way) = (opened.credential_epoch, opened.under_way());
        self.cut.rcu(|cut| {
            let mut next = HashMap::clone(cut);
            next.entry(app.clone()).and_modify(|known| *known = epoch.max(*known)).or_insert(epoch);
            next
        });
        self.take(app);
        Some((opened, under_way))
    }
}

async fn rows_of_all(store: &Store, tenant: &TenantId) -> Result<HashMap<AppRef, Rows>, Error> {
    let mut all: HashMap<AppRef, Rows> = HashMap::new();
    for row in store.read(sql::ALL, params![tenant]).await? {
        let app = AppRef { id: AppId::new(row.text(3)?), env: row.parse(4, "an environment")? };
        note(all.entry(app).or_default(), &row)?;
    }
    Ok(all)
}

async fn rows_of(store: &Store, tenant: &TenantId, app: &AppRef) -> Result<Rows, Error> {
    let mut rows = Rows::default();
    for row in store.read(sql::OF_APP, params![tenant, &app.id, app.env]).await? {
        note(&mut rows, &row)?;
    }
    Ok(rows)
}

fn note(entry: &mut Rows, row: &Row) -> Result<(), Error> {
    let collection = Collection::of(row.text(0)?, row.text(1)?)?;
    entry.0 = entry.0.max(row.uint(2)?);
    entry.1.insert(collection.name.clone(), Arc::new(collection));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Env;
    use tokio::sync::oneshot;

    fn app() -> AppRef {
        AppRef { id: AppId::new("0190poll"), env: Env::Prod }
    }

    /// One collection that returns at most so many rows, under the first credentials.
    fn rows(rows: u32) -> Rows {
        let (fields, export) = (BTreeMap::new(), vec![]);
        let declared = Declared { fields, retain_ms: 1, export, rows, storage_bytes: 1, line: 1 };
        let collection = Collection { name: "notes".to_owned(), declared };
        (1, [("notes".to_owned(), Arc::new(collection))].into())
    }

    #[tokio::test]
    async fn rows_that_were_read_first_never_replace_newer_ones() {
        let (memory, app) = (Memory::default(), app());
        let (go_on, held_up) = oneshot::channel();
        let older = async {
            held_up.await.unwrap();
            Ok(HashMap::from([(app.clone(), rows(1))]))
        };
        let older = memory.renew(older, |all| memory.put_all(all));
        let newer = memory.renew(async { Ok(rows(2)) }, |rows| memory.put(&app, rows));
        // Looked at in this order: the older one waits for its rows when the newer one comes.
        let (older, newer, ()) = tokio::join!(older, newer, async { go_on.send(()).unwrap() });
        older.unwrap();
        newer.unwrap();
        assert_eq!(memory.find(&app).unwrap().collections["notes"].declared.rows, 2);
    }

    #[tokio::test]
    async fn newer_credentials_end_the_calls_of_older_ones() {
        let (memory, app) = (Memory::default(), app());
        memory.put(&app, rows(1));
        let before = memory.find(&app).unwrap();
        memory.put(&app, rows(2));
        let after = memory.find(&app).unwrap();
        assert!(!*before.closed.borrow() && !*after.closed.borrow(), "only the declaration changed");
        let (_, collections) = rows(2);
        memory.put(&app, (2, collections));
        assert!(*before.closed.borrow() && *after.closed.borrow());
        assert!(!*memory.find(&app).unwrap().closed.borrow());
    }
}
