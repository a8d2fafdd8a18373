//! How long instances wait for a thread before they begin: the one number that says whether there is more work than the
//! machine can do.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What was measured longer ago says nothing of now.
const FRESH: Duration = Duration::from_millis(200);
/// Enough of them that their middle is the queue's length and not one instance's luck: threads take turns in no order.
const LAST: usize = 31;

#[derive(Debug)]
struct Last {
    waits: [Duration; LAST],
    next: usize,
    noted: Instant,
}

#[derive(Debug)]
pub(crate) struct Waited(Mutex<Last>);

impl Default for Waited {
    fn default() -> Self {
        Self(Mutex::new(Last { waits: [Duration::ZERO; LAST], next: 0, noted: Instant::now() }))
    }
}

impl Waited {
    /// An instance begins, so long after it was handed over.
    pub(crate) fn note(&self, waited: Duration) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut *last;
        if last.noted.elapsed() >= FRESH {
            last.waits.fill(Duration::ZERO);
        }
        if let Some(oldest) = last.waits.get_mut(last.next) {
            *oldest = waited;
        }
        (last.next, last.noted) = ((last.next + 1) % LAST, Instant::now());
    }

    /// The middle one of the last: half of them waited longer.
    pub(crate) fn now(&self) -> Duration {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.noted.elapsed() >= FRESH {
            return Duration::ZERO;
        }
        let mut waits = last.waits;
        drop(last);
        *waits.select_nth_unstable(LAST / 2).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_instances_are_a_queue_once_they_are_most_of_them() {
        let waited = Waited::default();
        for _ in 0..LAST / 2 {
            waited.note(Duration::from_secs(1));
        }
        assert_eq!(waited.now(), Duration::ZERO);
        for _ in 0..LAST / 2 {
            waited.note(Duration::from_secs(2));
        }
        assert_eq!(waited.now(), Duration::from_secs(1), "quick ones among them hide no queue");
        for _ in 0..LAST {
            waited.note(Duration::ZERO);
        }
        assert_eq!(waited.now(), Duration::ZERO);
    }
}
