//! Runs of this node: one that did not end cleanly leaves a `gap` event with its range.
//!
//! What the buffer of `access` events held at a crash is lost; the record says from when to when.
//!
//! INVARIANT: what was noted before `flushed_at` is in the record. So only whoever empties the buffer moves it on.

use crate::{FreeWrite, Outcome, Store, StoreError, Table, event::Draft, params, sql};
use authority::{Caller, Target};
use model::{EventId, TenantId, Timestamp};
use serde_json::{Value as Json, json};
use std::borrow::Cow;

const START: FreeWrite = FreeWrite::new(Table::Runs, sql::START_RUN);
const END: FreeWrite = FreeWrite::new(Table::Runs, sql::END_RUN);

impl Store {
    /// `began` is the moment of the start, however late it can be recorded: the buffer has been filled since then.
    pub(crate) async fn start_run(&self, began: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.read_one(sql::RUN, params![self.node.as_str()]).await?
            && row.opt_time(1)?.is_none()
        {
            self.write_gap(json!({ "class": "access", "from": row.time(0)?, "until": began })).await?;
        }
        self.housekeeping().execute(START, params![self.node.as_str(), began]).await.map(drop)
    }

    pub(crate) async fn end_run(&self, began: Timestamp) -> Result<(), StoreError> {
        self.housekeeping().execute(END, params![self.node.as_str(), began, self.clock.now()]).await.map(drop)
    }

    /// Says what the record of this node lacks.
    pub(crate) async fn write_gap(&self, detail: Json) -> Result<(), StoreError> {
        let caller = Caller::system("record");
        let target = Target::new(TenantId::main(), format!("node/{}", self.node));
        let gap = Draft {
            id: EventId::generate(),
            at: self.clock.now(),
            caller: &caller,
            target: &target,
            action: "record.gap",
            durability: "use",
            exception: None,
            outcome: Outcome::Failed,
            detail: Cow::Owned(detail),
            why: None,
            about: None,
        };
        self.write_event(gap).await
    }
}
