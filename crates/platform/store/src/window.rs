//! How often within any span of time: exact for small limits, in steps of a sixty-fourth of the span for large ones.
//!
//! INVARIANT: no more than the limit lies within any span of its length, wherever it begins. What is rounded is rounded
//! towards refusing.

use std::{collections::VecDeque, time::Duration};

/// Moments that are remembered one by one; beyond, they are gathered into as many steps.
const STEPS: u32 = 64;
/// Of one entry as it is stored: the moment, and how many.
const ENTRY_BYTES: usize = 12;

/// So many in any span so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub count: u32,
    pub per: Duration,
}

/// What was used of one allowance. Moments are microseconds on whichever clock its owner uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Oldest first; each stands for the end of its step.
    used: VecDeque<(u64, u32)>,
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// What moments are rounded up to.
fn step(allowance: Allowance) -> u64 {
    if allowance.count <= STEPS { 1 } else { (micros(allowance.per) / u64::from(STEPS)).max(1) }
}

impl Window {
    fn forget_before(&mut self, allowance: Allowance, now: u64) {
        while self.used.front().is_some_and(|(at, _)| at.saturating_add(micros(allowance.per)) <= now) {
            self.used.pop_front();
        }
    }

    /// How many may be used now.
    pub fn left(&mut self, allowance: Allowance, now: u64) -> u32 {
        self.forget_before(allowance, now);
        let used: u64 = self.used.iter().map(|(_, count)| u64::from(*count)).sum();
        u32::try_from(u64::from(allowance.count).saturating_sub(used)).unwrap_or(0)
    }

    /// Uses up to `wanted`. How many; if none, how long until there is one.
    ///
    /// # Errors
    /// The wait.
    pub fn take(&mut self, allowance: Allowance, wanted: u32, now: u64) -> Result<u32, Duration> {
        let granted = self.left(allowance, now).min(wanted);
        if granted == 0 {
            let free = self.used.front().map_or(now, |(at, _)| at.saturating_add(micros(allowance.per)));
            return Err(Duration::from_micros(free.saturating_sub(now)));
        }
        let step = step(allowance);
        let end = (now / step).saturating_add(1).saturating_mul(step);
        match self.used.back_mut() {
            Some((at, count)) if *at >= end => *count = count.saturating_add(granted),
            Some(_) | None => self.used.push_back((end, granted)),
        }
        Ok(granted)
    }

    /// Whether nothing of it matters any more.
    #[must_use]
    pub fn is_at_rest(&self, allowance: Allowance, now: u64) -> bool {
        self.used.back().is_none_or(|(at, _)| at.saturating_add(micros(allowance.per)) <= now)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.used.iter().flat_map(|(at, count)| [&at.to_be_bytes()[..], &count.to_be_bytes()[..]].concat()).collect()
    }

    /// As it was stored. What lies further ahead of `now` than what is used now would, since the clock was set back, counts
    /// as used now. INVARIANT: whoever reads it so stores it so, or it counts as used now at each look, and never leaves.
    pub(crate) fn from_bytes(bytes: &[u8], allowance: Allowance, now: u64) -> Self {
        let read = |entry: &[u8]| {
            let (at, count) = entry.split_first_chunk::<8>()?;
            Some((u64::from_be_bytes(*at), u32::from_be_bytes(*count.first_chunk::<4>()?)))
        };
        let entries = bytes.chunks_exact(ENTRY_BYTES).filter_map(read);
        let latest = now.saturating_add(step(allowance));
        Self { used: entries.map(|(at, count)| (at.min(latest), count)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: u64 = 1_000_000;

    #[test]
    fn the_eleventh_in_a_minute_waits_for_the_first_to_leave() {
        let (ten, mut window) = (Allowance { count: 10, per: MINUTE }, Window::default());
        for second in 0..10 {
            assert_eq!(window.take(ten, 1, second * SECOND), Ok(1));
        }
        let wait = window.take(ten, 1, 30 * SECOND).unwrap_err();
        assert!(wait > Duration::from_secs(29) && wait <= Duration::from_millis(30_001), "{wait:?}");
        assert_eq!(window.take(ten, 1, 60 * SECOND + 1), Ok(1));
        assert!(window.take(ten, 1, 60 * SECOND + 2).is_err());
    }

    #[test]
    fn it_is_stored_and_read_again_and_a_clock_set_back_locks_nobody_out() {
        let (ten, mut window) = (Allowance { count: 10, per: MINUTE }, Window::default());
        assert_eq!(window.take(ten, 4, 90_000 * SECOND), Ok(4));
        assert_eq!(Window::from_bytes(&window.to_bytes(), ten, 90_000 * SECOND), window);
        // By a day, and by less than an hour.
        for set_to in [SECOND, 88_200 * SECOND] {
            let mut back = Window::from_bytes(&window.to_bytes(), ten, set_to);
            assert_eq!(back.left(ten, set_to), 6);
            let later = set_to + 61 * SECOND;
            let mut again = Window::from_bytes(&back.to_bytes(), ten, later);
            assert_eq!(again.left(ten, later), 10);
        }
    }

    #[test]
    fn what_is_used_in_large_steps_is_read_as_it_was_stored() {
        let (many, mut window) = (Allowance { count: 600, per: MINUTE }, Window::default());
        assert_eq!(window.take(many, 50, SECOND), Ok(50));
        assert_eq!(Window::from_bytes(&window.to_bytes(), many, SECOND), window);
    }

    proptest! {
        #[test]
        fn no_span_ever_holds_more(
            count in 1_u32..400,
            asks in prop::collection::vec((0_u64..3_000_000, 1_u32..60), 1..400),
        ) {
            let (allowance, mut window) = (Allowance { count, per: MINUTE }, Window::default());
            let (mut now, mut granted) = (0, Vec::new());
            for (later, wanted) in asks {
                now += later;
                if let Ok(taken) = window.take(allowance, wanted, now) {
                    granted.push((now, u64::from(taken)));
                }
                let span: u64 = granted.iter().filter(|(at, _)| at + 60 * SECOND > now).map(|(_, taken)| taken).sum();
                prop_assert!(span <= u64::from(count), "{span} of {count} at {now}");
            }
        }
    }
}
