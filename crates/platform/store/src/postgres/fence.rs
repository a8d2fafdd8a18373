//! Until when this process may write: while its node's lease runs.
//!
//! Refuses to begin a transaction, and to commit one, past that: whoever was asleep does not know what was decided
//! meanwhile, be it that a newer version changed the tables. Counted on the clock that a sleeping machine goes on with, and
//! from before the lease was asked for, so that this end comes before the database's.

use crate::{StoreError, clock::running_ms};
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

#[derive(Debug)]
pub(crate) struct Fence(AtomicI64);

impl Default for Fence {
    /// Without end: whoever migrates, restores or looks has no lease.
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Fence {
    /// The lease runs for `lasts` since `asked_ms`.
    pub(crate) fn renew(&self, asked_ms: i64, lasts: Duration) {
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        self.0.store(asked_ms.saturating_add(lasts), Ordering::Release);
    }

    /// What a process writes at its end, it writes without its lease.
    pub(crate) fn lift(&self) {
        self.0.store(i64::MAX, Ordering::Release);
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if running_ms() < self.0.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(StoreError::unwritable("this node's lease ran out, and it was not renewed yet"))
    }
}
