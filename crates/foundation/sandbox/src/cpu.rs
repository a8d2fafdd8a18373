//! CPU time of one guest: what its thread spends while it is polled, summed over its life.

use rustix::time::{ClockId, clock_gettime};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

/// The guest is over its limit.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("out of CPU time")]
pub(crate) struct CpuSpent;

/// Counts while the guest is polled. One thread at a time writes, so relaxed order is enough.
#[derive(Debug)]
pub(crate) struct Meter {
    limit_ns: u64,
    spent_ns: AtomicU64,
    since_ns: AtomicU64,
}

impl Meter {
    pub(crate) fn new(limit: Duration) -> Arc<Self> {
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Arc::new(Self { limit_ns, spent_ns: AtomicU64::new(0), since_ns: AtomicU64::new(0) })
    }

    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Relaxed))
    }

    /// Called by the guest's own thread, in the middle of a poll.
    pub(crate) fn check_running(&self) -> Result<(), CpuSpent> {
        let now = self.spent_ns.load(Relaxed) + thread_ns().saturating_sub(self.since_ns.load(Relaxed));
        if now > self.limit_ns { Err(CpuSpent) } else { Ok(()) }
    }

    fn begin(&self) {
        self.since_ns.store(thread_ns(), Relaxed);
    }

    fn end(&self) -> Result<(), CpuSpent> {
        let spent = thread_ns().saturating_sub(self.since_ns.load(Relaxed));
        if self.spent_ns.fetch_add(spent, Relaxed) + spent > self.limit_ns { Err(CpuSpent) } else { Ok(()) }
    }
}

fn thread_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// A future whose polls are counted; it ends with [`CpuSpent`] when it would go on over its limit.
pub(crate) struct Metered<F> {
    meter: Arc<Meter>,
    inner: Pin<Box<F>>,
}

impl<F> Metered<F> {
    pub(crate) fn new(meter: Arc<Meter>, inner: F) -> Self {
        Self { meter, inner: Box::pin(inner) }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = Result<F::Output, CpuSpent>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.meter.begin();
        let polled = self.inner.as_mut().poll(context);
        let within = self.meter.end();
        match (polled, within) {
            (Poll::Ready(output), _) => Poll::Ready(Ok(output)),
            (Poll::Pending, Ok(())) => Poll::Pending,
            (Poll::Pending, Err(spent)) => Poll::Ready(Err(spent)),
        }
    }
}
