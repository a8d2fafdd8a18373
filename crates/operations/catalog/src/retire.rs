//! Retire: the end of an app. Its data goes, its name stays taken, a certificate says what was deleted.

use crate::{Catalog, Error, Retired, apps, jobs, requests};
use authority::{Act, AppState, Permit, Rule, Target, change, rules};
use model::{AppId, Group, TenantId};
use store::{left_to_feed, params};

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
        let envs = self.environments(&id);
        let (act, mut tx) = self.store.write(permit).await?;
        let (tenant, now, event) = (tx.tenant().clone(), tx.now(), tx.event().clone());
        let mut deleted = Vec::new();
        for app in &envs {
            for surface in &self.surfaces {
                deleted.extend(surface.retire(&mut tx, app).await?);
            }
            tx.execute(jobs::sql::CUT, params![&tenant, &app.id, app.env.as_str(), now]).await?;
            tx.feed(change::APP, change::app_key(app));
        }
        tx.execute(apps::sql::RETIRE, params![&tenant, &act.app, now]).await?;
        tx.execute(requests::sql::VOID_OF_APP, params![&tenant, &act.app, now]).await?;
        self.end_waivers(&mut tx, Some(&name)).await?;
        let retired = Retired { app: name.to_string(), app_id: id.clone(), retired_at: now, deleted, event };
        let certificate = serde_json::to_string(&retired).map_err(|_| Error::Manifest)?;
        tx.execute(apps::sql::TOMBSTONE, params![&tenant, &act.app, now, certificate]).await?;
        tx.commit(serde_json::json!({ "deleted": retired.deleted }), None).await?;
        self.deny_in_memory(&id, AppState::Retired);
        self.cut(&envs).await;
        left_to_feed(self.load_app(&id).await);
        left_to_feed(self.load_waivers().await);
        self.heard_everywhere().await;
        Ok(retired)
    }
}
