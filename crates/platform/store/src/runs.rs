//! Runs of this node: one that did not end cleanly leaves a `gap` event with its range.
//!
//! What the buffer of `access` events held at a crash is lost; the record says from when to when.

use crate::{FreeWrite, Outcome, Store, StoreError, Table, event::Draft, params, sql};
use authority::{Caller, Target};
use model::{EventId, TenantId};
use serde_json::json;
use std::borrow::Cow;

const START: FreeWrite = FreeWrite::new(Table::Runs, sql::START_RUN);
const END: FreeWrite = FreeWrite::new(Table::Runs, sql::END_RUN);

impl Store {
    pub(crate) async fn start_run(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        if let Some(row) = self.read_one(sql::RUN, params![self.node.as_str()]).await?
            && row.opt_time(1)?.is_none()
        {
            let caller = Caller::system("record");
            let target = Target::new(TenantId::main(), format!("node/{}", self.node));
            let gap = Draft {
                id: EventId::generate(),
                at: now,
                caller: &caller,
                target: &target,
                action: "record.gap",
                durability: "use",
                exception: None,
                outcome: Outcome::Failed,
                detail: Cow::Owned(json!({ "class": "access", "from": row.time(0)?, "until": now })),
                why: None,
                about: None,
            };
            self.write_event(gap).await?;
        }
        self.housekeeping().execute(START, params![self.node.as_str(), now]).await.map(drop)
    }

    pub(crate) async fn end_run(&self) -> Result<(), StoreError> {
        self.housekeeping().execute(END, params![self.node.as_str(), self.clock.now()]).await.map(drop)
    }
}
