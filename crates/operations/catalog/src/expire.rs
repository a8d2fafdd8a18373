//! Expiry: on its date an app is suspended. Requests are refused from that very moment; this writes it down and cuts.

use crate::{Catalog, Error, apps};
use authority::{Act, AppRef, AppState, Caller, Rule, Target, change, rules};
use model::TenantId;
use store::params;

/// Suspend an app that is past its date.
#[derive(Debug, Clone)]
struct ExpireApp {
    tenant: TenantId,
    app: AppRef,
}

impl Act for ExpireApp {
    const RULE: &'static Rule = &rules::APP_EXPIRE;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}", self.app.id))
    }
}

impl Catalog {
    /// Suspends every app that is past its date; says how many.
    ///
    /// # Errors
    /// When the record cannot be written: such an app is refused by authority all the same.
    pub async fn expire_due(&self, caller: &Caller) -> Result<usize, Error> {
        let now = self.clock.now();
        let apps = self.apps.all();
        let due = apps.values().flat_map(|app| app.envs.iter().map(move |(env, record)| (app, *env, record)));
        let due: Vec<AppRef> = due
            .filter(|(.., record)| record.state == AppState::Live && now >= record.expires_at)
            .map(|(app, env, _)| AppRef { id: app.id.clone(), env })
            .collect();
        for app in &due {
            self.store.again(|| self.expire(caller, app)).await?;
        }
        Ok(due.len())
    }

    async fn expire(&self, caller: &Caller, app: &AppRef) -> Result<(), Error> {
        let act = ExpireApp { tenant: self.tenant.clone(), app: app.clone() };
        let permit = self.authority.permit(caller, act).await?;
        let cuts = self.cut(std::slice::from_ref(app)).await;
        let (act, mut tx) = self.store.write(permit).await?;
        let now = tx.now();
        tx.execute(apps::sql::EXPIRE, params![&act.tenant, &app.id, app.env.as_str(), now]).await?;
        self.cut_rows(&mut tx, app).await?;
        tx.feed(change::APP, change::app_key(app));
        tx.commit(serde_json::json!({ "surfaces": cuts }), None).await?;
        self.load_apps().await
    }
}
