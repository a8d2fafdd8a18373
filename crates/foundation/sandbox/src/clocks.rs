//! Coarse clocks: 1 ms, so that a guest cannot time its neighbours' use of caches and processor.

use model::{Clock as _, SystemClock};
use std::time::{Duration, Instant};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

pub(crate) const GRAIN_NS: u64 = 1_000_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct CoarseWall;

#[derive(Debug, Clone, Copy)]
pub(crate) struct CoarseMonotonic(Instant);

impl CoarseMonotonic {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn nanoseconds(self) -> u64 {
        let exact = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        exact - exact % GRAIN_NS
    }
}

impl CoarseWall {
    pub(crate) fn since_epoch() -> Duration {
        Duration::from_millis(u64::try_from(SystemClock.now().as_ms()).unwrap_or(0))
    }
}

impl HostWallClock for CoarseWall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(GRAIN_NS)
    }

    fn now(&self) -> Duration {
        Self::since_epoch()
    }
}

impl HostMonotonicClock for CoarseMonotonic {
    fn resolution(&self) -> u64 {
        GRAIN_NS
    }

    fn now(&self) -> u64 {
        self.nanoseconds()
    }
}
