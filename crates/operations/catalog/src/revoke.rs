//! Revoke: one act, every surface cut at once, a receipt with the moment at which each went dead.
//!
//! Cut first, record after: taking authority away never waits for the record.

use crate::{
    Catalog, Error, Kept, Receipt,
    approve::reason,
    apps, due, jobs,
    receipts::{over, together},
    requests,
};
use async_trait::async_trait;
use authority::{Act, AppRef, AppState, Cut, Permit, Rule, Target, change, rules};
use model::{AppId, Env, EventId, Group, TenantId};
use std::sync::Arc;
use store::{Also, CutNote, CutOf, CutRows, Outcome, Tx, params};

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

    /// Cuts every surface in memory, then writes that it is so. What cannot be written stands in the journal. Other nodes
    /// are `expiring` in what it answers: `told` waits for them.
    ///
    /// # Errors
    /// Only what keeps it from knowing the app. A record that cannot be written is told by the receipt.
    pub async fn revoke(&self, permit: Permit<RevokeApp>) -> Result<Receipt, Error> {
        let asked_at = self.clock.now();
        let id = permit.act().app.clone();
        let name = self.name_of(&id).ok_or_else(|| Error::Refused(apps::unknown(id.as_str())))?;
        let envs = self.environments(&id);
        // Those as well that this node has not heard of, or that are deployed at this moment.
        let all = Env::ALL.map(|env| AppRef { id: id.clone(), env }).to_vec();
        let was_off = self.is_off(&id);
        let (act, mut cutting) = self.store.cut(permit, CutOf::Apps(all.clone()));
        // Whatever happens from here on, it is known why.
        cutting.note().why = Some(act.why.clone());
        self.deny_until_written(cutting.event(), &all, AppState::Revoked);
        let mut surfaces = self.cut(&all).await;
        if was_off {
            surfaces = together(self.cut_before(&id).await, surfaces);
        }
        let promised = cutting.same().and_then(|same| same.promised().next()).map(|done| done.id.clone());
        let mut receipt = Receipt {
            app: name.to_string(),
            app_id: act.app,
            why: act.why,
            asked_at,
            done_at: self.clock.now(),
            event: cutting.event().clone(),
            done_event: promised.unwrap_or_else(EventId::generate),
            recorded: true,
            kept: Kept::Record,
            surfaces,
        };
        let note = cutting.note();
        note.detail = serde_json::json!({ "environments": envs.iter().map(|app| app.env).collect::<Vec<_>>() });
        let done = |receipt: &Receipt| Also {
            id: receipt.done_event.clone(),
            action: rules::APP_REVOKE_DONE.name,
            outcome: Outcome::Allowed,
            detail: stored(receipt),
            why: Some(receipt.why.clone()),
        };
        if self.store.is_shared() {
            // Other nodes may be there by the time that this is written: the receipt is whole when each has said so.
            receipt.surfaces = together(receipt.surfaces, self.untold(&envs));
            note.owed = Some(done(&receipt));
        } else {
            note.also.push(done(&receipt));
        }
        receipt.kept = cutting.record(self).await.into();
        receipt.recorded = receipt.kept == Kept::Record;
        if receipt.recorded {
            receipt.surfaces = self.recorded(receipt.surfaces);
        }
        Ok(receipt)
    }

    /// Waits until every other node has said so, or its lease has run out, and records what the revoke came to. Whoever
    /// is not waited for any longer leaves the receipt due.
    pub async fn told(&self, mut receipt: Receipt) -> Receipt {
        if receipt.kept != Kept::Record || !self.store.is_shared() {
            return receipt;
        }
        match self.everywhere(&self.environments(&receipt.app_id), receipt.asked_at).await {
            Ok(told) => receipt.surfaces = together(over(receipt.surfaces), told),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "whether the other nodes have heard of a cut is not known");
                return receipt;
            }
        }
        receipt.done_at = self.clock.now();
        if receipt.is_open() {
            return receipt;
        }
        match self.record_done(&receipt).await {
            Ok(recorded) => receipt.kept = recorded.into(),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a receipt could not be recorded");
                receipt.kept = Kept::Memory;
            }
        }
        receipt.recorded = receipt.kept == Kept::Record;
        receipt
    }

    /// A cut that was made before this process began, or on the way to its record: memory shows it again. At start,
    /// after everything was read and before anything is served.
    pub async fn stand(&self, note: &CutNote) {
        self.deny_until_written(&note.event, note.apps(), taken(note));
        self.cut(note.apps()).await;
    }

    /// Whether nothing of it serves.
    pub(crate) fn is_off(&self, app: &AppId) -> bool {
        let apps = self.apps.all();
        apps.get(app).is_some_and(|record| record.envs.values().all(|env| env.state == AppState::Revoked))
    }

    pub(crate) fn environments(&self, app: &AppId) -> Vec<AppRef> {
        let apps = self.apps.all();
        let envs = apps.get(app).map(|record| record.envs.keys().copied().collect::<Vec<Env>>()).unwrap_or_default();
        envs.into_iter().map(|env| AppRef { id: app.clone(), env }).collect()
    }

    /// From here on every permit for the app is refused on this node, whatever is read, until the rows say it.
    pub(crate) fn deny_until_written(&self, event: &EventId, envs: &[AppRef], state: AppState) {
        self.apps.mark(envs, state);
        let envs = envs.to_vec();
        self.authority.hold(&self.tenant, event, move |facts| {
            for app in &envs {
                if let Some(known) = facts.apps.get_mut(&(app.id.clone(), app.env)) {
                    let known = Arc::make_mut(known);
                    known.state = apps::cut(known.state, state);
                }
            }
        });
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

/// Which state a cut leaves its apps in.
pub(crate) fn taken(note: &CutNote) -> AppState {
    if note.rule() == &rules::APP_EXPIRE { AppState::Expired } else { AppState::Revoked }
}

#[async_trait]
impl CutRows for Catalog {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (tenant, at, by) = (tx.tenant().clone(), note.at, note.by());
        for app in note.apps() {
            if taken(note) == AppState::Expired {
                tx.execute(apps::sql::EXPIRE, params![&tenant, &app.id, app.env.as_str(), at]).await?;
            } else {
                let row = params![&tenant, &app.id, app.env.as_str(), by.as_str(), at];
                tx.execute(apps::sql::REVOKE, row).await?;
                tx.execute(requests::sql::VOID_WAITING, params![&tenant, &app.id, at]).await?;
            }
            self.cut_rows(tx, app).await?;
            tx.feed(change::APP, change::app_key(app));
        }
        due::owed(note, self.store.node(), self.clock.now(), tx).await?;
        due::paid(note, tx).await?;
        Ok(())
    }

    async fn settled(&self, note: &CutNote, epoch: u64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for app in note.apps() {
            self.load_app(&app.id).await?;
        }
        self.authority.release(&note.event, epoch);
        Ok(())
    }
}

/// The receipt as it is stored: without the free text, which stands sealed beside it, and with ids for names.
pub(crate) fn stored(receipt: &Receipt) -> serde_json::Value {
    serde_json::json!({
        "app_id": receipt.app_id,
        "asked_at": receipt.asked_at,
        "done_at": receipt.done_at,
        "event": receipt.event,
        "done_event": receipt.done_event,
        "recorded": true,
        "surfaces": receipt.surfaces,
    })
}
