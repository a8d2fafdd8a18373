//! Whether this node may serve: always with one node, else only while its lease in the database runs.

use model::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};

/// Renewed by the assembly; looked at before each write to a client.
#[derive(Debug)]
pub struct Lease(AtomicI64);

impl Default for Lease {
    /// For one node: never runs out.
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Lease {
    /// This node may serve until then; a moment in the past cuts it off.
    pub fn renew(&self, until: Timestamp) {
        self.0.store(until.as_ms(), Ordering::Release);
    }

    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        now.as_ms() < self.0.load(Ordering::Acquire)
    }
}
