//! Whether this node may serve: always with one node, else only while its lease in the database runs.
//!
//! Counted on the monotonic clock: no clock that is set can lengthen it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Never runs out.
const FOR_EVER: u64 = u64::MAX;

/// Renewed by the assembly; looked at before each write to a client.
#[derive(Debug)]
pub struct Lease {
    began: Instant,
    /// Milliseconds after `began`.
    until: AtomicU64,
}

impl Default for Lease {
    /// For one node: never runs out.
    fn default() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(FOR_EVER) }
    }
}

impl Lease {
    /// This node may serve until then; a moment in the past cuts it off.
    pub fn renew(&self, until: Instant) {
        let after = until.saturating_duration_since(self.began).as_millis();
        self.until.store(u64::try_from(after).unwrap_or(FOR_EVER - 1), Ordering::Release);
    }

    /// How long it still runs; `None` for one node.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        let until = self.until.load(Ordering::Acquire);
        let until = (until != FOR_EVER).then(|| Duration::from_millis(until))?;
        Some(until.saturating_sub(self.began.elapsed()))
    }

    #[must_use]
    pub fn holds(&self) -> bool {
        self.left().is_none_or(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_until_its_end_and_one_node_for_ever() {
        let lease = Lease::default();
        assert!(lease.holds() && lease.left().is_none());
        lease.renew(Instant::now() + Duration::from_secs(60));
        assert!(lease.holds() && lease.left().unwrap() > Duration::from_secs(50));
        lease.renew(Instant::now());
        assert!(!lease.holds());
    }
}
