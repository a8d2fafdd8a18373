//! When the database is in doubt: every app off, every approval void. Each app is restored by itself, with credentials
//! that nothing of before has.

use crate::{Catalog, Error, apps, requests};
use authority::{AppRef, AppState, change};
use model::{AppId, EventId};
use std::sync::Arc;
use store::{Tx, params};

impl Catalog {
    /// In memory, whatever is read, until `Authority::release` of this event.
    pub async fn void_in_memory(&self, event: &EventId) {
        self.authority.hold(&self.tenant, event, |facts| {
            for known in facts.apps.values_mut() {
                let known = Arc::make_mut(known);
                known.state = apps::cut(known.state, AppState::Revoked);
            }
        });
        let apps = self.apps.all();
        let all: Vec<AppRef> = apps.keys().flat_map(|id| self.environments(id)).collect();
        self.cut(&all).await;
    }

    /// The rows of it, in the transaction of the act that accepts the database. How many environments were open.
    ///
    /// # Errors
    /// As `Tx::execute`.
    pub async fn void_rows(&self, tx: &mut Tx) -> Result<usize, Error> {
        let (tenant, now) = (tx.tenant().clone(), tx.now());
        let by = tx.spent().caller().chain().join(" ");
        let mut open = Vec::new();
        for row in tx.query(apps::sql::OPEN, params![&tenant]).await? {
            if let Ok(env) = row.text(1)?.parse() {
                open.push(AppRef { id: AppId::new(row.text(0)?), env });
            }
        }
        tx.execute(apps::sql::REVOKE_ALL, params![&tenant, by, now]).await?;
        for app in &open {
            self.cut_rows(tx, app).await?;
            tx.feed(change::APP, change::app_key(app));
        }
        for row in tx.query(requests::sql::WAIT_ANYWHERE, params![&tenant]).await? {
            if let Ok(env) = row.text(1)?.parse() {
                tx.feed(change::APP, change::app_key(&AppRef { id: AppId::new(row.text(0)?), env }));
            }
        }
        tx.execute(requests::sql::VOID_ALL, params![&tenant, now]).await?;
        self.end_waivers(tx, None).await?;
        Ok(open.len())
    }
}
