//! Expiry: on its date an app is suspended. Requests are refused from that very moment; this writes it down and cuts. What
//! becomes of its data stands in `remove.rs`.

use crate::{Catalog, Error};
use authority::{Act, AppRef, AppState, Caller, Rule, Target, rules};
use futures_util::future::join_all;
use model::TenantId;
use store::{CutOf, Cutting};

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
    /// When it may not, of one of them. A record that cannot be written is no error: the journal has it.
    pub async fn expire_due(&self, caller: &Caller) -> Result<usize, Error> {
        let now = self.clock.now();
        let apps = self.apps.all();
        let due = apps.values().flat_map(|app| app.envs.iter().map(move |(env, record)| (app, *env, record)));
        let due: Vec<AppRef> = due
            .filter(|(.., record)| record.state == AppState::Live && now >= record.expires_at)
            .map(|(app, env, _)| AppRef { id: app.id.clone(), env })
            .collect();
        // Dates end at the same midnight: all are cut before the first is written, and other nodes are waited for once.
        let begun = join_all(due.iter().map(|app| self.suspend(caller, app))).await;
        let (mut told, mut waits, mut refused) = (false, false, None);
        for one in begun {
            match one {
                // The first that could not be written waited for all of them: these are written late, as it is.
                Ok(cutting) if waits => drop(cutting),
                Ok(cutting) => {
                    let recorded = cutting.record(self).await;
                    (told, waits) = (told || recorded.is_written(), !recorded.is_written());
                }
                Err(error) => refused = Some(error),
            }
        }
        if told {
            self.store.told_everywhere(&self.tenant).await;
        }
        refused.map_or(Ok(due.len()), Err)
    }

    /// Cut on this node; to be recorded.
    async fn suspend(&self, caller: &Caller, app: &AppRef) -> Result<Cutting, Error> {
        let act = ExpireApp { tenant: self.tenant.clone(), app: app.clone() };
        let permit = self.authority.permit(caller, act).await?;
        let envs = [app.clone()];
        let (_, mut cutting) = self.store.cut(permit, CutOf::Apps(envs.to_vec()));
        self.deny_until_written(cutting.event(), &envs, AppState::Expired);
        // Of the last environment: its people are told of the day.
        let removed_from = self.removal_from(&app.id, self.clock.now());
        cutting.note().detail = serde_json::json!({ "surfaces": self.cut(&envs).await, "removed_from": removed_from });
        Ok(cutting)
    }
}
