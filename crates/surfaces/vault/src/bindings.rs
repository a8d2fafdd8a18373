//! Bindings: which secret an app's variable stands for, towards which destinations, in which version; as rows and in
//! this node's memory.
//!
//! Refuses, in memory and at once, what was cut or revoked; what is read late does not bring it back.

mod sql;

use crate::{Error, entry::Entry, secrets};
use arc_swap::ArcSwap;
use authority::{AppRef, Ask};
use model::{AppId, Env, Manifest, SecretId, TenantId};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use store::{Row, Store, Tx, params};
use tokio::sync::Mutex;

/// One variable of one app.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) secret: SecretId,
    /// The entry's version when the release was opened.
    pub(crate) version: u64,
    /// `host:port` of each destination that names the variable.
    pub(crate) endpoints: Vec<String>,
    /// What was put; nothing yet, it may be.
    pub(crate) entry: Option<Arc<Entry>>,
}

/// What an app has bound.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    pub(crate) variables: BTreeMap<String, Binding>,
    pub(crate) credential_epoch: u64,
}

/// Every app's bindings.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    bound: ArcSwap<HashMap<AppRef, Arc<Bound>>>,
    /// Credentials up to this epoch were cut.
    cut: ArcSwap<HashMap<AppRef, u64>>,
    /// Values up to this number were revoked.
    dead: ArcSwap<HashMap<(SecretId, Env), u64>>,
    /// One reader of rows at a time, so that older rows never replace newer ones. A cut does not wait for it.
    reading: Mutex<()>,
}

impl Memory {
    pub(crate) fn find(&self, app: &AppRef) -> Option<Arc<Bound>> {
        self.bound.load().get(app).cloned()
    }

    pub(crate) async fn load_all(&self, store: &Store, tenant: &TenantId) -> Result<(), Error> {
        self.renew(Bound::all(store, tenant), |all| self.put_all(all)).await
    }

    pub(crate) async fn refresh(&self, store: &Store, tenant: &TenantId, app: &AppRef) -> Result<(), Error> {
        self.renew(Bound::of_app(store, tenant, app), |bound| self.put(app, bound)).await
    }

    /// Reads and puts, with no other reader between.
    async fn renew<T>(&self, read: impl Future<Output = Result<T, Error>>, put: impl FnOnce(T)) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        put(read.await?);
        Ok(())
    }

    fn put_all(&self, all: HashMap<AppRef, Bound>) {
        let known: Vec<AppRef> = self.bound.load().keys().cloned().collect();
        for app in known.iter().filter(|app| !all.contains_key(app)) {
            self.put(app, Bound::default());
        }
        for (app, bound) in all {
            self.put(&app, bound);
        }
    }

    fn put(&self, app: &AppRef, bound: Bound) {
        let bound = Arc::new(bound);
        self.bound.rcu(|all| {
            let mut next = HashMap::clone(all);
            // Asked within the swap: a cut that comes meanwhile makes it run again, and is seen then.
            let was_cut = self.cut.load().get(app).is_some_and(|cut| bound.credential_epoch <= *cut);
            if bound.variables.is_empty() || was_cut {
                next.remove(app);
            } else {
                next.insert(app.clone(), Arc::clone(&bound));
            }
            next
        });
    }

    /// Takes the app's bindings back now; what they were.
    pub(crate) fn cut(&self, app: &AppRef) -> Option<Arc<Bound>> {
        let epoch = self.find(app)?.credential_epoch;
        self.cut.rcu(|cut| {
            let mut next = HashMap::clone(cut);
            next.entry(app.clone()).and_modify(|known| *known = epoch.max(*known)).or_insert(epoch);
            next
        });
        let before = self.bound.rcu(|all| {
            let mut next = HashMap::clone(all);
            next.remove(app);
            next
        });
        before.get(app).cloned()
    }

    /// Makes the value that is known here, and all before it, unusable.
    pub(crate) fn kill(&self, id: &SecretId, env: Env) {
        let all = self.bound.load();
        let known =
            entries(&all, id, env).filter_map(|binding| binding.entry.as_ref()).map(|entry| entry.value_number).max();
        let Some(number) = known else { return };
        self.dead.rcu(|dead| {
            let mut next = HashMap::clone(dead);
            next.insert((id.clone(), env), number);
            next
        });
    }

    pub(crate) fn is_dead(&self, entry: &Entry) -> bool {
        let dead = self.dead.load();
        dead.get(&(entry.id.clone(), entry.env)).is_some_and(|number| entry.value_number <= *number)
    }

    /// The version that a live app has bound.
    pub(crate) fn bound_version(&self, id: &SecretId, env: Env) -> Option<u64> {
        entries(&self.bound.load(), id, env).map(|binding| binding.version).max()
    }
}

fn entries<'a>(all: &'a HashMap<AppRef, Arc<Bound>>, id: &'a SecretId, env: Env) -> impl Iterator<Item = &'a Binding> {
    let of_env = all.iter().filter(move |(app, _)| app.env == env);
    of_env.flat_map(|(_, bound)| bound.variables.values()).filter(move |binding| binding.secret == *id)
}

impl Bound {
    async fn all(store: &Store, tenant: &TenantId) -> Result<HashMap<AppRef, Self>, Error> {
        let mut all: HashMap<AppRef, Self> = HashMap::new();
        for row in store.read(sql::ALL, params![tenant]).await? {
            let app = AppRef { id: AppId::new(row.text(0)?), env: row.parse(1, "an environment")? };
            all.entry(app).or_default().note(&row)?;
        }
        Ok(all)
    }

    async fn of_app(store: &Store, tenant: &TenantId, app: &AppRef) -> Result<Self, Error> {
        let mut bound = Self::default();
        for row in store.read(sql::OF_APP, params![tenant, &app.id, app.env]).await? {
            bound.note(&row)?;
        }
        Ok(bound)
    }

    fn note(&mut self, row: &Row) -> Result<(), Error> {
        let entry = match row.opt_text(7)? {
            Some(_) => Some(Arc::new(Entry::read(row, 7)?)),
            None => None,
        };
        let binding = Binding {
            secret: SecretId::new(row.text(3)?),
            version: row.uint(4)?,
            endpoints: serde_json::from_str(row.text(5)?)?,
            entry,
        };
        self.credential_epoch = self.credential_epoch.max(row.uint(6)?);
        self.variables.insert(row.text(2)?.to_owned(), binding);
        Ok(())
    }
}

/// Replaces the app's rows by what the release asks for.
pub(crate) async fn open(tx: &mut Tx, tenant: &TenantId, ask: &Ask<'_>) -> Result<(), Error> {
    delete(tx, tenant, ask.app).await?;
    for (variable, used) in &ask.manifest.secrets {
        secrets::take(tx, tenant, &used.id, &ask.app.id, ask.name, &ask.manifest.app.team)
            .await
            .map_err(|error| at(error, used.line))?;
        let version = secrets::version(tx, tenant, &used.id, ask.app.env).await?;
        let endpoints = serde_json::to_string(&endpoints(ask.manifest, variable))?;
        let row = params![
            tenant,
            &ask.app.id,
            ask.app.env,
            variable,
            &used.id,
            version,
            endpoints,
            ask.release,
            ask.credential_epoch,
            ask.at,
        ];
        tx.execute(sql::INSERT, row).await?;
    }
    Ok(())
}

/// A refusal names its line of the manifest.
fn at(error: Error, line: u32) -> Error {
    match error {
        Error::Refused(problem) => Error::from(problem.at(format!("bailiwick.toml:{line}"))),
        Error::Store(_) | Error::Denied(_) | Error::Seal(_) | Error::Json(_) => error,
    }
}

fn endpoints(manifest: &Manifest, variable: &str) -> Vec<String> {
    let named = manifest.connect.values().filter(|connect| connect.secret.as_deref() == Some(variable));
    named.map(|connect| format!("{}:{}", connect.host, connect.port)).collect()
}

pub(crate) async fn cut_rows(tx: &mut Tx, tenant: &TenantId, app: &AppRef) -> Result<(), Error> {
    tx.execute(sql::CUT, params![tenant, &app.id, app.env, tx.now()]).await?;
    Ok(())
}

/// How many there were.
pub(crate) async fn delete(tx: &mut Tx, tenant: &TenantId, app: &AppRef) -> Result<u64, Error> {
    Ok(tx.execute(sql::DELETE, params![tenant, &app.id, app.env]).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    fn bound(version: u64) -> Bound {
        let binding =
            Binding { secret: SecretId::new("people-ops/slack-bot"), version, endpoints: vec![], entry: None };
        Bound { variables: [("SLACK_TOKEN".to_owned(), binding)].into(), credential_epoch: 1 }
    }

    #[tokio::test]
    async fn rows_that_were_read_first_never_replace_newer_ones() {
        let (memory, app) = (Memory::default(), AppRef { id: AppId::new("0190poll"), env: Env::Prod });
        let (go_on, held_up) = oneshot::channel();
        let older = async {
            held_up.await.unwrap();
            Ok(HashMap::from([(app.clone(), bound(1))]))
        };
        let older = memory.renew(older, |all| memory.put_all(all));
        let newer = memory.renew(async { Ok(bound(2)) }, |bound| memory.put(&app, bound));
        // Looked at in this order: the older one waits for its rows when the newer one comes.
        let (older, newer, ()) = tokio::join!(older, newer, async { go_on.send(()).unwrap() });
        older.unwrap();
        newer.unwrap();
        assert_eq!(memory.bound_version(&SecretId::new("people-ops/slack-bot"), Env::Prod), Some(2));
    }
}
