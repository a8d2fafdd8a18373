//! Service accounts: one per app and environment, `app-{team}-{name}-{env}`, with an id that never changes.

mod sql;

use crate::{Error, Identity};
use authority::{AppRef, Ask};
use model::{AppId, Env, ProblemKind};
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use store::Tx;
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
    by_app: RwLock<HashMap<AppRef, Arc<Account>>>,
    /// One reader of rows at a time, so that older rows never replace newer ones.
    reading: Mutex<()>,
}

impl Accounts {
    pub(crate) fn get(&self, app: &AppRef) -> Option<Arc<Account>> {
        self.by_app.read().unwrap_or_else(PoisonError::into_inner).get(app).cloned()
    }

    /// Switches the account off in memory; says whether it was on.
    pub(crate) fn cut(&self, app: &AppRef) -> Option<Arc<Account>> {
        let mut accounts = self.by_app.write().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.get_mut(app)?;
        Arc::make_mut(account).live = false;
        Some(Arc::clone(account))
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
        let mut by_app = self.accounts.by_app.write().unwrap_or_else(PoisonError::into_inner);
        // Within the lock: a cut that begins meanwhile stands already, or edits what is put in here.
        for app in self.store.standing().iter().flat_map(|note| note.apps()) {
            if let Some(account) = accounts.get_mut(app) {
                Arc::make_mut(account).live = false;
            }
        }
        *by_app = accounts;
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
