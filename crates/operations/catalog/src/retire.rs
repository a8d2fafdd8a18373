//! Retire: the end of an app. Its data goes, its name stays taken, a certificate says what was deleted. The system does
//! the same to an app that nobody keeps, when its grace is over (`remove.rs`).

use crate::{Catalog, Error, Grace, Retired, apps, jobs, requests};
use authority::{Act, AppState, Permit, Rule, Target, change, rules};
use model::{AppId, Group, TenantId};
use store::{Tx, left_to_feed, params};

/// End an app for good.
#[derive(Debug, Clone)]
pub struct RetireApp {
    pub tenant: TenantId,
    pub app: AppId,
    pub team: Group,
}

impl Act for RetireApp {
    const RULE: &'static Rule = &rules::APP_RETIRE;
    fn target(&self) -> Target {
        Target::app(self.tenant.clone(), &self.app)
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
}

impl Catalog {
    /// Names the act.
    ///
    /// # Errors
    /// No such app.
    pub fn plan_retire(&self, name: &str) -> Result<RetireApp, Error> {
        let (app, team) = self.find(name)?;
        Ok(RetireApp { tenant: self.tenant.clone(), app, team })
    }

    /// Deletes what every surface holds of the app, and keeps the certificate.
    ///
    /// # Errors
    /// A record that cannot be written: then nothing was deleted.
    pub async fn retire(&self, permit: Permit<RetireApp>) -> Result<Retired, Error> {
        let id = permit.act().app.clone();
        let name = self.name_of(&id).ok_or_else(|| Error::Refused(apps::unknown(id.as_str())))?;
        let (_, tx) = self.store.write(permit).await?;
        let retired = self.end(tx, &id, &name, None).await?;
        Ok(Retired { everywhere: Some(self.store.told_everywhere(&self.tenant).await), ..retired })
    }

    /// What both ends of an app come to: by a person, or by the system at the end of its grace. Other nodes are to be
    /// waited for.
    pub(crate) async fn end(&self, mut tx: Tx, id: &AppId, name: &str, grace: Option<Grace>) -> Result<Retired, Error> {
        let envs = self.environments(id);
        let (tenant, now, event) = (tx.tenant().clone(), tx.now(), tx.event().clone());
        let mut deleted = Vec::new();
        for app in &envs {
            for surface in &self.surfaces {
                deleted.extend(surface.retire(&mut tx, app).await?);
            }
            tx.execute(jobs::sql::CUT, params![&tenant, &app.id, app.env.as_str(), now]).await?;
            tx.feed(change::APP, change::app_key(app));
        }
        tx.execute(apps::sql::RETIRE, params![&tenant, id, now]).await?;
        tx.execute(requests::sql::VOID_OF_APP, params![&tenant, id, now]).await?;
        self.end_waivers(&mut tx, Some(name)).await?;
        let (app, app_id, retired_at, everywhere) = (name.to_owned(), id.clone(), now, None);
        let retired = Retired { app, app_id, retired_at, deleted, event, grace, everywhere };
        let certificate = serde_json::to_string(&retired).map_err(|_| Error::Manifest)?;
        tx.execute(apps::sql::TOMBSTONE, params![&tenant, id, now, certificate]).await?;
        let detail = match &retired.grace {
            Some(grace) => serde_json::json!({ "deleted": retired.deleted, "grace": grace }),
            None => serde_json::json!({ "deleted": retired.deleted }),
        };
        tx.commit(detail, None).await?;
        self.deny_in_memory(id, AppState::Retired);
        self.cut(&envs).await;
        left_to_feed(self.load_app(id).await);
        left_to_feed(self.load_waivers().await);
        Ok(retired)
    }
}
