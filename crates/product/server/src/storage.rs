//! What becomes of content outside the database: what lies in it is moved out, what nothing names is deleted there.

use crate::Bailiwick;
use authority::{Act, Caller, Rule, Target, rules};
use model::{Problem, TenantId};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use store::StoreError;

/// An act that named what it put has long ended by then.
const GRACE: Duration = Duration::from_secs(86_400);
pub(crate) const JOB: &str = "storage";

/// Move bundles out of the database.
#[derive(Debug, Clone)]
struct MoveContent {
    tenant: TenantId,
}

impl Act for MoveContent {
    const RULE: &'static Rule = &rules::STORAGE_MOVE;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "platform")
    }
}

impl Bailiwick {
    /// Moves and collects, as long as there is something to.
    pub(crate) async fn tidy_content(self: &Arc<Self>) -> Result<(), Problem> {
        let say = |error: StoreError| error.problem();
        let caller = Caller::system(JOB);
        loop {
            let carried = self.store.carry_out(&self.tenant).await.map_err(say)?;
            if carried.is_empty() {
                break;
            }
            self.store
                .again(|| async {
                    let act = MoveContent { tenant: self.tenant.clone() };
                    let permit = self.permit(&caller, act).await.map_err(catalog::Error::from)?;
                    let (_, mut tx) = self.store.write(permit).await?;
                    tx.name_carried(&carried).await?;
                    tx.commit(json!({ "bundles": carried.len() }), None).await.map_err(catalog::Error::from)
                })
                .await
                .map_err(|error| Problem::from(&error))?;
        }
        while self.store.move_tiles(&self.tenant).await.map_err(say)? > 0 {}
        while self.store.collect_content(&self.tenant, GRACE).await.map_err(say)? > 0 {}
        Ok(())
    }
}
