//! The clock by which everything expires: carried on from the wall clock at the start, or from the database's whenever that
//! is asked, on a clock that nobody can set.
//!
//! Refuses to follow the machine's wall clock once it runs: setting that, by a day or by a year, lengthens no session, no
//! lease and no grant, and ends none. The clock that carries it counts the time that a machine sleeps.

use model::{Clock, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// What is later than we thought by no more than this is a slow answer, not another time.
const SLOW_ANSWER_MS: i64 = 1_000;
/// How far one answer takes it back then: less than passes between two answers, so that it never runs backwards.
const BACK_MS: i64 = 1;

/// Milliseconds that passed since the machine was switched on, asleep or not: the same for all of its processes.
#[must_use]
pub fn running_ms() -> i64 {
    let since = clock_gettime(ClockId::Boottime);
    since.tv_sec.saturating_mul(1_000).saturating_add(since.tv_nsec / 1_000_000)
}

/// How long a machine may be asleep between two looks before somebody notices.
#[derive(Debug)]
pub struct Awake {
    began: std::time::Instant,
    running_ms: i64,
}

impl Default for Awake {
    fn default() -> Self {
        Self { began: std::time::Instant::now(), running_ms: running_ms() }
    }
}

impl Awake {
    /// How long the machine has slept since this was made. What counts on the monotonic clock alone, such as a lease, did
    /// not count it.
    #[must_use]
    pub fn slept(&self) -> Duration {
        let awake = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let slept = (running_ms() - self.running_ms).saturating_sub(awake);
        Duration::from_millis(u64::try_from(slept).unwrap_or(0))
    }
}

/// See the file's head.
#[derive(Debug)]
pub struct CarriedClock {
    wall: Arc<dyn Clock>,
    /// Added to `running_ms`.
    offset_ms: AtomicI64,
}

impl CarriedClock {
    /// Begins with what `wall` shows now.
    #[must_use]
    pub fn from_wall(wall: Arc<dyn Clock>) -> Self {
        let offset_ms = AtomicI64::new(wall.now().as_ms() - running_ms());
        Self { wall, offset_ms }
    }

    /// By how much the machine's wall clock differs: positive when it is ahead.
    #[must_use]
    pub fn wall_ahead_ms(&self) -> i64 {
        self.wall.now().as_ms() - self.now().as_ms()
    }
}

impl Clock for CarriedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(running_ms() + self.offset_ms.load(Ordering::Acquire))
    }

    fn told(&self, now: Timestamp) {
        let (told, known) = (now.as_ms() - running_ms(), self.offset_ms.load(Ordering::Acquire));
        let next = if told < known && known - told <= SLOW_ANSWER_MS { told.max(known - BACK_MS) } else { told };
        self.offset_ms.store(next, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ManualClock;

    const DAY: Duration = Duration::from_secs(86_400);

    fn near(clock: &CarriedClock, at_ms: i64) -> bool {
        (clock.now().as_ms() - at_ms).abs() < 500
    }

    #[test]
    fn a_wall_clock_that_is_set_changes_nothing() {
        let wall = Arc::new(ManualClock::at(Timestamp::from_ms(1_000_000_000)));
        let clock = CarriedClock::from_wall(wall.clone());
        wall.advance(DAY);
        assert!(near(&clock, 1_000_000_000), "{:?}", clock.now());
        assert!((clock.wall_ahead_ms() - 86_400_000).abs() < 500);
    }

    #[test]
    fn what_the_database_says_is_followed_both_ways_and_a_slow_answer_never_backwards() {
        let clock = CarriedClock::from_wall(Arc::new(ManualClock::at(Timestamp::from_ms(1_000_000_000))));
        clock.told(Timestamp::from_ms(1_086_400_000));
        assert!(near(&clock, 1_086_400_000));
        clock.told(Timestamp::from_ms(1_000_000_000));
        assert!(near(&clock, 1_000_000_000));
        let before = clock.now();
        clock.told(Timestamp::from_ms(before.as_ms() - 300));
        assert!(clock.now().as_ms() >= before.as_ms() - BACK_MS);
    }

    #[test]
    fn a_machine_that_is_awake_has_not_slept() {
        assert!(Awake::default().slept() < Duration::from_millis(100));
    }
}
