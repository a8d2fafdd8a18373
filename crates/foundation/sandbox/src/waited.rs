//! How long instances wait for a thread before they begin: the one number that says whether there is more work than the
//! machine can do.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What was measured longer ago says nothing of now.
const FRESH: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub(crate) struct Waited(Mutex<[Option<(Instant, Duration)>; 2]>);

impl Waited {
    /// An instance begins, so long after it was handed over.
    pub(crate) fn note(&self, waited: Duration) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [newer, _] = *last;
        *last = [Some((Instant::now(), waited)), newer];
    }

    /// The shorter of the last two: one late instance is no queue.
    pub(crate) fn now(&self) -> Duration {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |(at, waited): (Instant, Duration)| if at.elapsed() < FRESH { waited } else { Duration::ZERO };
        last.map(|one| one.map_or(Duration::ZERO, fresh)).into_iter().min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_instance_is_no_queue_and_two_are() {
        let waited = Waited::default();
        waited.note(Duration::from_secs(1));
        assert_eq!(waited.now(), Duration::ZERO);
        waited.note(Duration::from_secs(2));
        assert_eq!(waited.now(), Duration::from_secs(1));
        waited.note(Duration::ZERO);
        assert_eq!(waited.now(), Duration::ZERO);
    }
}
