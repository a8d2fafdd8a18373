//! Service accounts: one per app and environment, `app-{team}-{name}-{env}`, with an id that never changes.
//!
//! Refuses, in memory and at once, what was cut; a row of credentials that were cut never comes back, however late it
//! is read.

mod sql;

use crate::{Error, Identity};
use authority::{AppRef, Ask};
use model::{AppId, Env, ProblemKind, Timestamp};
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use store::{Store, Tx};
use tokio::sync::Mutex;

/// The account of one app in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Immutable; the `sub` of its tokens.
    pub id: String,
    pub name: String,
    /// What was issued under a lower one is dead.
    pub credential_epoch: u64,
    pub live: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Accounts {
    known: RwLock<Known>,
    /// One reader of rows at a time, so that older rows never replace newer ones.
    reading: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    by_app: HashMap<AppRef, Arc<Account>>,
    /// The newest credentials that were cut here, and when.
    cut: HashMap<AppRef, (u64, Timestamp)>,
}

impl Accounts {
    pub(crate) fn get(&self, app: &AppRef) -> Option<Arc<Account>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).by_app.get(app).cloned()
    }

    /// Switches the account off in memory; says whether it was on.
    pub(crate) fn cut(&self, app: &AppRef, now: Timestamp) -> Option<Arc<Account>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let account = known.by_app.get_mut(app)?;
        Arc::make_mut(account).live = false;
        let account = Arc::clone(account);
        let newest = known.cut.get(app).map_or(0, |(epoch, _)| *epoch).max(account.credential_epoch);
        known.cut.insert(app.clone(), (newest, now));
        Some(account)
    }

    /// Whether a session that began then is one with what is open now. Its row may be read before it says that it is over.
    pub(crate) fn admits(&self, app: &AppRef, began: Timestamp) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let live = known.by_app.get(app).is_some_and(|account| account.live);
        live && known.cut.get(app).is_none_or(|(_, at)| began > *at)
    }

    /// What the rows say, but for accounts of credentials that were cut meanwhile.
    fn put(&self, mut accounts: HashMap<AppRef, Arc<Account>>, store: &Store) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Within the lock: a cut that begins meanwhile stands already, or edits what is put in here.
        for app in store.standing().iter().flat_map(|note| note.apps()) {
            if let Some(account) = accounts.get_mut(app) {
                Arc::make_mut(account).live = false;
            }
        }
        for (app, (cut, _)) in &known.cut {
            if let Some(account) = accounts.get_mut(app).filter(|account| account.credential_epoch <= *cut) {
                Arc::make_mut(account).live = false;
            }
        }
        known.by_app = accounts;
    }
}

impl Identity {
    pub(crate) async fn load_accounts(&self) -> Result<(), Error> {
        let _reading = self.accounts.reading.lock().await;
        let mut accounts = HashMap::new();
        for row in self.store.read(sql::ALL, &[(&self.config.tenant).into()]).await? {
            let Ok(env) = row.text(1)?.parse::<Env>() else { continue };
            let account = Account {
                id: row.text(2)?.to_owned(),
                name: row.text(3)?.to_owned(),
                credential_epoch: u64::try_from(row.int(4)?).unwrap_or_default(),
                live: row.text(5)? == "live",
            };
            accounts.insert(AppRef { id: AppId::new(row.text(0)?), env }, Arc::new(account));
        }
        self.accounts.put(accounts, &self.store);
        Ok(())
    }

    /// The account of an app, from memory.
    #[must_use]
    pub fn account(&self, app: &AppRef) -> Option<Arc<Account>> {
        self.accounts.get(app)
    }

    /// Opens the account: made once, then only its epoch rises.
    pub(crate) async fn open_account(&self, tx: &mut Tx, ask: &Ask<'_>) -> Result<(), Error> {
        let (tenant, app) = (&self.config.tenant, ask.app);
        let name = format!("app-{}-{}-{}", ask.manifest.app.team, ask.name, app.env);
        if let Some(row) = tx.query_one(sql::BY_NAME, &[tenant.into(), name.as_str().into()]).await?
            && (row.text(0)? != app.id.as_str() || row.text(1)? != app.env.as_str())
        {
            return Err(Error::refused(
                ProblemKind::Conflict,
                "account.name",
                format!("the service account `{name}` belongs to another app"),
                "team and name of two apps would join to the same account name",
                "choose another name for the app",
            ));
        }
        let id = format!("{}/{}", app.id, app.env);
        let epoch = i64::try_from(ask.credential_epoch).unwrap_or(i64::MAX);
        let row = [tenant.into(), (&app.id).into(), app.env.as_str().into(), id.into(), name.into(), epoch.into()];
        tx.execute(sql::OPEN, &row).await?;
        Ok(())
    }

    pub(crate) async fn cut_account(&self, tx: &mut Tx, app: &AppRef) -> Result<(), Error> {
        let row = [(&self.config.tenant).into(), (&app.id).into(), app.env.as_str().into()];
        tx.execute(sql::CUT, &row).await?;
        Ok(())
    }
}
