//! Revoke: one act, every surface cut at once, a receipt with the moment at which each went dead.
//!
//! Cut first, record after: taking authority away never waits for the record.

use crate::{Catalog, Error, Receipt, approve::reason, apps, jobs, requests};
use authority::{Act, AppRef, AppState, Cut, Permit, Rule, Target, change, rules};
use model::{AppId, Env, EventId, Group, TenantId};
use std::sync::Arc;
use store::{Also, Outcome, StoreError, Tx, params};

/// Switch an app off, in every environment.
#[derive(Debug, Clone)]
pub struct RevokeApp {
    pub tenant: TenantId,
    pub app: AppId,
    pub team: Group,
    pub why: String,
}

impl Act for RevokeApp {
    const RULE: &'static Rule = &rules::APP_REVOKE;
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
    /// No such app; no reason.
    pub fn plan_revoke(&self, name: &str, why: &str) -> Result<RevokeApp, Error> {
        let (app, team) = self.find(name)?;
        Ok(RevokeApp { tenant: self.tenant.clone(), app, team, why: reason(why)? })
    }

    /// Cuts every surface in memory, then writes that it is so.
    ///
    /// # Errors
    /// Only what keeps it from knowing the app. A record that cannot be written is told by the receipt.
    pub async fn revoke(&self, permit: Permit<RevokeApp>) -> Result<Receipt, Error> {
        let asked_at = self.clock.now();
        let act = permit.act().clone();
        let name = self.name_of(&act.app).ok_or_else(|| Error::Refused(apps::unknown(act.app.as_str())))?;
        let envs = self.environments(&act.app);
        self.deny_in_memory(&act.app, AppState::Revoked);
        let surfaces = self.cut(&envs).await;
        let mut receipt = Receipt {
            app: name.to_string(),
            app_id: act.app.clone(),
            why: act.why.clone(),
            asked_at,
            done_at: self.clock.now(),
            event: EventId::generate(),
            recorded: true,
            surfaces,
        };
        match self.record_revoke(permit, &envs, &mut receipt).await {
            Ok(()) => {}
            Err(Error::Store(error @ (StoreError::Unwritable { .. } | StoreError::Busy { .. }))) => {
                tracing::error!(error = &error as &dyn std::error::Error, app = %receipt.app, "revoked, not yet recorded");
                receipt.recorded = false;
            }
            Err(error) => return Err(error),
        }
        Ok(receipt)
    }

    async fn record_revoke(
        &self,
        permit: Permit<RevokeApp>,
        envs: &[AppRef],
        receipt: &mut Receipt,
    ) -> Result<(), Error> {
        let (act, mut tx) = self.store.write(permit).await?;
        receipt.event = tx.event().clone();
        let (tenant, now) = (tx.tenant().clone(), tx.now());
        let by = tx.spent().caller().chain().join(" ");
        for app in envs {
            let row = params![&tenant, &app.id, app.env.as_str(), by.as_str(), now];
            tx.execute(apps::sql::REVOKE, row).await?;
            self.cut_rows(&mut tx, app).await?;
            tx.feed(change::APP, change::app_key(app));
        }
        tx.execute(requests::sql::VOID_WAITING, params![&tenant, &act.app, now]).await?;
        tx.also(Also {
            id: EventId::generate(),
            action: rules::APP_REVOKE_DONE.name,
            outcome: Outcome::Allowed,
            detail: stored(receipt),
            why: Some(act.why.clone()),
        });
        tx.commit(
            serde_json::json!({ "environments": envs.iter().map(|app| app.env).collect::<Vec<_>>() }),
            Some(&act.why),
        )
        .await?;
        self.load_apps().await
    }

    pub(crate) fn environments(&self, app: &AppId) -> Vec<AppRef> {
        let apps = self.apps.all();
        let envs = apps.get(app).map(|record| record.envs.keys().copied().collect::<Vec<Env>>()).unwrap_or_default();
        envs.into_iter().map(|env| AppRef { id: app.clone(), env }).collect()
    }

    /// From here on every permit for the app is refused on this node.
    pub(crate) fn deny_in_memory(&self, app: &AppId, state: AppState) {
        self.authority.narrow(&self.tenant, |facts| {
            for ((id, _), known) in &mut facts.apps {
                if id == app {
                    Arc::make_mut(known).state = state;
                }
            }
        });
    }

    /// Every surface, all at once; lines in the order of the surfaces.
    pub(crate) async fn cut(&self, envs: &[AppRef]) -> Vec<Cut> {
        let cuts = self.surfaces.iter().flat_map(|surface| envs.iter().map(move |app| surface.cut(app)));
        let mut lines: Vec<Cut> = futures_util::future::join_all(cuts).await.into_iter().flatten().collect();
        lines.sort_by_key(|line| line.surface);
        lines
    }

    pub(crate) async fn cut_rows(&self, tx: &mut Tx, app: &AppRef) -> Result<(), Error> {
        for surface in &self.surfaces {
            surface.cut_rows(tx, app).await?;
        }
        let (tenant, now) = (tx.tenant().clone(), tx.now());
        tx.execute(jobs::sql::CUT, params![&tenant, &app.id, app.env.as_str(), now]).await?;
        Ok(())
    }
}

/// The receipt as it is stored: without the free text, which stands sealed beside it, and with ids for names.
fn stored(receipt: &Receipt) -> serde_json::Value {
    serde_json::json!({
        "app_id": receipt.app_id,
        "asked_at": receipt.asked_at,
        "done_at": receipt.done_at,
        "event": receipt.event,
        "recorded": receipt.recorded,
        "surfaces": receipt.surfaces,
    })
}
