//! Retention: what is past its time is deleted, in batches, each an act whose event says how many.
//!
//! Expired records are not returned even before this ran. Deletes alone; no record is read.

mod sql;

use crate::{
    Data, Error,
    act::{ExpireData, Scope},
    records::at,
};
use authority::{AppRef, Caller};
use model::AppId;
use serde_json::json;
use store::params;

/// Records deleted in one commit: few enough that other writers do not notice.
const BATCH: i64 = 500;
/// Commits of one collection in one run; the next minute goes on.
const BATCHES_MAX: u64 = 200;

/// What one run deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    pub records: u64,
    /// Commits, and so events.
    pub batches: u64,
}

impl Data {
    /// Deletes what is past its retention; for the system's job, each minute.
    ///
    /// # Errors
    /// When the caller may not, or the database cannot be written; what was deleted before stays deleted.
    pub async fn purge_due(&self, caller: &Caller) -> Result<Purged, Error> {
        let now = self.clock.now();
        let mut purged = Purged::default();
        for row in self.store.read(sql::DUE, params![&self.config.tenant, now]).await? {
            let app = AppRef { id: AppId::new(row.text(0)?), env: row.parse(1, "an environment")? };
            let scope = Scope { tenant: self.config.tenant.clone(), app, collection: row.text(2)?.to_owned() };
            for _ in 0..BATCHES_MAX {
                let gone = self.store.again(|| self.purge_batch(caller, &scope)).await?;
                purged.records += gone;
                purged.batches += u64::from(gone > 0);
                if gone < BATCH.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(purged)
    }

    async fn purge_batch(&self, caller: &Caller, scope: &Scope) -> Result<u64, Error> {
        let permit = self.permit(caller, ExpireData { scope: scope.clone() }).await?;
        let (_, mut tx) = self.store.write(permit).await?;
        let now = tx.now();
        let gone = tx.query(sql::DELETE_DUE, at!(scope, now, BATCH)).await?;
        if gone.is_empty() {
            return Ok(0);
        }
        let mut bytes = 0;
        for row in &gone {
            bytes += row.int(0)?;
        }
        tx.execute(sql::USE_LESS, at!(scope, gone.len(), bytes)).await?;
        tx.commit(json!({ "collection": scope.collection, "records": gone.len(), "bytes": bytes }), None).await?;
        Ok(gone.len() as u64)
    }
}
