//! Remove: an app that nobody keeps is ended when the grace after its date is over, as `retire` ends it.
//!
//! Refuses an app that serves, that a person switched off, or of which a release waits that could still serve. The grace
//! begins anew whenever somebody has asked for a release of it and got no yes.

use crate::{
    Catalog, Error, Grace, Retired,
    apps::{AppRecord, EnvRecord},
};
use authority::{Act, AppState, Caller, Rule, Target, rules};
use model::{AppId, TenantId, Timestamp};
use std::time::Duration;
use store::StoreError;

/// From the last date of an app to the end of its data, unless the configuration says another.
pub const GRACE: Duration = Duration::from_secs(30 * 86_400);

/// End an app that nobody keeps.
#[derive(Debug, Clone)]
struct RemoveApp {
    tenant: TenantId,
    app: AppId,
}

impl Act for RemoveApp {
    const RULE: &'static Rule = &rules::APP_REMOVE;
    fn target(&self) -> Target {
        Target::app(self.tenant.clone(), &self.app)
    }
}

/// An app that is removed, unless somebody keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub app: AppId,
    /// When its grace began.
    pub since: Timestamp,
    /// When its grace is over.
    pub at: Timestamp,
}

impl EnvRecord {
    /// Until when what waits would serve; of what cannot be read, for ever.
    fn asked_until(&self) -> Option<Timestamp> {
        let until = || self.asks.as_ref().map_or(Timestamp::from_ms(i64::MAX), |asks| asks.until);
        self.request.as_ref().map(|_| until())
    }
}

impl AppRecord {
    /// The last moment at which somebody kept it, if nobody does: the date of its last environment, and when that was
    /// recorded; the decision on its last request; the date of what waits.
    fn kept_until(&self) -> Option<Timestamp> {
        let mut until = None;
        for env in self.envs.values() {
            match env.state {
                AppState::Live | AppState::Revoked | AppState::Retired => return None,
                AppState::Expired => until = until.max(Some(env.expires_at.max(env.changed_at))),
                AppState::Waiting => {}
            }
        }
        let asked = self.envs.values().flat_map(|env| [env.decided_at, env.asked_until()]).flatten().max();
        until.map(|until| asked.map_or(until, |asked| asked.max(until)))
    }
}

impl Catalog {
    /// Every app that nobody keeps, and when its grace is over: past, or to come.
    #[must_use]
    pub fn removals(&self) -> Vec<Removal> {
        self.apps.all().values().filter_map(|app| self.removal_of(app)).collect()
    }

    pub(crate) fn removal_of(&self, app: &AppRecord) -> Option<Removal> {
        let since = app.kept_until()?;
        Some(Removal { app: app.id.clone(), since, at: since.plus(self.grace?) })
    }

    /// When the grace of an app is over that is suspended at this moment.
    pub(crate) fn removal_from(&self, app: &AppId, now: Timestamp) -> Option<Timestamp> {
        let since = self.apps.all().get(app)?.kept_until()?;
        Some(since.max(now).plus(self.grace?))
    }

    /// Ends an app whose grace is over. Nothing when somebody keeps it after all, or has ended it.
    ///
    /// # Errors
    /// A record that cannot be written: then nothing was deleted.
    pub async fn remove(&self, caller: &Caller, app: &AppId) -> Result<Option<Retired>, Error> {
        let act = RemoveApp { tenant: self.tenant.clone(), app: app.clone() };
        let permit = self.authority.permit(caller, act).await?;
        let removed = async {
            let (_, mut tx) = self.store.write(permit).await?;
            // INVARIANT: the rows decide, within the transaction: memory may not have heard yet of whoever keeps it.
            let Some(record) = self.record_in(&mut tx, app).await? else { return Ok(None) };
            let over = self.removal_of(&record).filter(|removal| removal.at <= tx.now());
            let Some(Removal { since, at, .. }) = over else { return Ok(None) };
            let grace = Grace { began_at: since, ended_at: at };
            self.end(tx, app, &record.name, Some(grace)).await.map(Some)
        };
        match removed.await {
            // Authority moved meanwhile: the next look does it, if it is still to be done.
            Err(Error::Store(StoreError::Moved { .. })) => Ok(None),
            Ok(Some(retired)) => {
                self.store.told_everywhere(&self.tenant).await;
                Ok(Some(retired))
            }
            removed => removed,
        }
    }
}
