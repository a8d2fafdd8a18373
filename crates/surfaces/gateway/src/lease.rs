//! Whether this node may serve: always with one node, else only while its lease in the database runs.
//!
//! Counted on the monotonic clock: no clock that is set can lengthen it.

use crate::unshared::Company;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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
    company: Mutex<Company>,
}

impl Default for Lease {
    /// For one node: never runs out.
    fn default() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(FOR_EVER), company: Mutex::default() }
    }
}

impl Lease {
    /// This node may serve until then, as one of so many that have a lease at this moment.
    pub fn renew(&self, until: Instant, nodes: u32) {
        let now = Instant::now();
        let mut company = self.company.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.holds() {
            // Who came and went meanwhile, it cannot know.
            *company = Company::default();
        }
        company.saw(nodes, now);
        self.ends(until);
    }

    /// This node may not serve any more.
    pub fn cut_off(&self) {
        self.ends(self.began);
    }

    fn ends(&self, until: Instant) {
        let after = until.saturating_duration_since(self.began).as_millis();
        self.until.store(u64::try_from(after).unwrap_or(FOR_EVER - 1), Ordering::Release);
    }

    /// How many nodes there were at most, at once, within `span`; `None` when this one has not been among them without a
    /// break for as long.
    pub(crate) fn nodes_within(&self, span: Duration) -> Option<u32> {
        let mut company = self.company.lock().unwrap_or_else(PoisonError::into_inner);
        self.holds().then(|| company.most(span, Instant::now())).flatten()
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
        lease.cut_off();
        assert!(!lease.holds());
        lease.renew(Instant::now() + Duration::from_secs(60), 1);
        assert!(lease.holds() && lease.left().unwrap() > Duration::from_secs(50));
        lease.renew(Instant::now(), 1);
        assert!(!lease.holds());
    }

    #[test]
    fn whoever_was_cut_off_does_not_know_who_was_there_meanwhile() {
        let (lease, later) = (Lease::default(), || Instant::now() + Duration::from_secs(60));
        lease.cut_off();
        lease.renew(later(), 3);
        assert_eq!(lease.nodes_within(Duration::ZERO), Some(3));
        lease.cut_off();
        assert_eq!(lease.nodes_within(Duration::ZERO), None);
        lease.renew(later(), 2);
        assert_eq!(lease.nodes_within(Duration::ZERO), Some(2));
        assert_eq!(lease.nodes_within(Duration::from_secs(60)), None, "only just back");
    }
}
