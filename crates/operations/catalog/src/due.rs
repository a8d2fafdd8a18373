//! Receipts that wait for other nodes: until each of them has said so, or its lease has run out, what is known stands in
//! a row. The event is written once, whole: by whoever waited; or later, by the same node when the cut came into the record
//! late or it starts again, or by another.
//!
//! The revoke itself stands by then; what is finished here is what the record says of it.

pub(crate) mod sql;

use crate::{
    Catalog, Error, Kept, Receipt,
    receipts::{ReceiptRead, Since, Stored, over, together},
};
use authority::Cut;
use model::{AppId, EventId, Timestamp};
use std::{mem::take, sync::Arc, time::Duration};
use store::{CutNote, CutOf, Row, StoreError, Tx, params};

/// Far longer than a revoke waits for other nodes: by then, whoever asked has an answer, or never will.
const OVERDUE: Duration = Duration::from_secs(15);

/// What was known when the revoke was committed.
struct Due {
    app: AppId,
    done_event: EventId,
    begun: Stored,
}

impl Due {
    fn of(row: &Row) -> Result<Self, StoreError> {
        let begun = serde_json::from_str(row.text(2)?).map_err(|error| StoreError::Json(Arc::new(error)))?;
        Ok(Self { app: AppId::new(row.text(0)?), done_event: EventId::new(row.text(1)?), begun })
    }
}

/// In the transaction of a revoke that will wait for other nodes: what it came to is due.
pub(crate) async fn owed(note: &CutNote, node: &str, now: Timestamp, tx: &mut Tx) -> Result<(), StoreError> {
    let (Some(done), [app, ..]) = (&note.owed, note.apps()) else { return Ok(()) };
    // Due from when others can hear of it, which may be long after the cut.
    let (tenant, receipt) = (tx.tenant().clone(), done.detail.to_string());
    tx.execute(sql::INSERT, params![&tenant, &note.event, &done.id, &app.id, node, now, receipt]).await.map(drop)
}

/// In the transaction of the receipt itself.
pub(crate) async fn paid(note: &CutNote, tx: &mut Tx) -> Result<(), StoreError> {
    let tenant = tx.tenant().clone();
    if matches!(note.of, CutOf::Done(_)) {
        tx.execute(sql::DONE, params![&tenant, &note.event]).await?;
    }
    Ok(())
}

impl Catalog {
    /// Writes the receipts that this node owes from before it started, and those that nobody waits for any more.
    ///
    /// # Errors
    /// When they cannot be read, or the record takes no more.
    pub async fn finish_receipts(&self, started: Timestamp) -> Result<(), Error> {
        let _one = self.finishing.lock().await;
        let overdue = self.clock.now().minus(OVERDUE);
        let due = params![&self.tenant, self.store.node(), started, overdue];
        for row in self.store.read(sql::DUE, due).await? {
            if !self.finish(Due::of(&row)?).await? {
                // Whoever holds up one holds up the others: all of them stay due.
                break;
            }
        }
        Ok(())
    }

    /// Writes the receipt of a revoke that came into the record late: whoever asked was answered before that.
    ///
    /// # Errors
    /// As `finish_receipts`.
    pub async fn finish_receipt(&self, revoke: &EventId) -> Result<(), Error> {
        let _one = self.finishing.lock().await;
        if let Some(row) = self.store.read_one(sql::OF_EVENT, params![&self.tenant, revoke]).await? {
            self.finish(Due::of(&row)?).await?;
        }
        Ok(())
    }

    /// Whether nothing was open any more.
    async fn finish(&self, mut due: Due) -> Result<bool, Error> {
        if !self.has_followed().await? {
            tracing::warn!(event = %due.begun.event, "a receipt waits until this node has followed the feed");
            return Ok(false);
        }
        let envs = self.environments(&due.app);
        // What was said of other nodes then was said before they could have heard.
        let known = together(over(take(&mut due.begun.surfaces)), self.here(&envs));
        let lines = together(known, self.everywhere(&envs, due.begun.asked_at).await?);
        let now = self.clock.now();
        let receipt = self.receipt_of(due, lines, now);
        if receipt.is_open() {
            tracing::warn!(event = %receipt.event, "a receipt waits for a node that has a lease, and does not say so");
            return Ok(false);
        }
        tracing::warn!(event = %receipt.event, "nobody waited for the receipt of a revoke; it is written now");
        self.record_done(&receipt).await.map(|_| true)
    }

    fn receipt_of(&self, due: Due, surfaces: Vec<Cut>, done_at: Timestamp) -> Receipt {
        Receipt {
            app: self.name_of(&due.app).map_or_else(|| due.app.to_string(), |name| name.to_string()),
            app_id: due.app,
            why: String::new(),
            asked_at: due.begun.asked_at,
            done_at,
            event: due.begun.event,
            done_event: due.done_event,
            recorded: true,
            kept: Kept::Record,
            surfaces,
        }
    }

    /// A receipt that is due, as far as it has come by now.
    pub(crate) async fn due_receipt(&self, app: &AppId, which: Option<&EventId>) -> Result<Option<ReceiptRead>, Error> {
        let rows = self.store.read(sql::OF_APP, params![&self.tenant, app]).await?;
        let due: Vec<Due> = rows.iter().map(Due::of).collect::<Result<_, _>>()?;
        let is_asked = |due: &Due| which.is_none_or(|event| *event == due.begun.event);
        // The newest as it was asked: which of two was written first is another matter.
        let newest = due.into_iter().filter(is_asked).max_by_key(|due| due.begun.asked_at);
        let Some(mut due) = newest else { return Ok(None) };
        let told = self.everywhere_by_now(&self.environments(app), due.begun.asked_at).await?;
        let lines = together(over(take(&mut due.begun.surfaces)), told);
        let last = lines.iter().filter_map(|line| line.dead_at).max().unwrap_or(due.begun.done_at);
        let receipt = self.receipt_of(due, lines, last);
        let (by, why) = self.asked(&receipt.event).await?.unwrap_or_default();
        Ok(Some(ReceiptRead { receipt: Receipt { why, ..receipt }, by, written: false, since: Since::Off }))
    }
}
