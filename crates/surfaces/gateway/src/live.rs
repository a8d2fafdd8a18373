//! What runs of one app in one environment, so that a cut ends it: requests, jobs, responses under way.
//!
//! INVARIANT: a request enters under the same lock under which a cut closes the door, so none slips in between. Whoever
//! entered before sees `is_cut` at each piece of its response.

use crate::shares::Share;
use model::Timestamp;
use sandbox::{Stop, Switch};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const NEVER: i64 = i64::MIN;
/// How long a cut waits for responses under way to end by themselves; then their connections are closed.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// One opening of an app: from its first release under these credentials to the cut.
#[derive(Debug)]
pub(crate) struct Live {
    switch: Mutex<Switch>,
    cut_at: AtomicI64,
    running: Mutex<Runs>,
    left: Notify,
    served: AtomicU64,
    last_at: AtomicI64,
}

#[derive(Debug, Default)]
struct Runs {
    next: u64,
    /// With the connection of those whose response is on its way.
    all: HashMap<u64, Option<CancellationToken>>,
}

/// One request or job under way; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    live: Arc<Live>,
    id: u64,
    stop: Stop,
    /// Of what the node can do at once; none for a job.
    share: Option<Arc<Share>>,
}

impl Live {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            switch: Mutex::default(),
            cut_at: AtomicI64::new(NEVER),
            running: Mutex::default(),
            left: Notify::new(),
            served: AtomicU64::new(0),
            last_at: AtomicI64::new(NEVER),
        })
    }

    /// One that opens again what was cut: what was used before stays used.
    pub(crate) fn after(cut: &Self) -> Arc<Self> {
        let new = Self::new();
        new.served.store(cut.served.load(Ordering::Relaxed), Ordering::Relaxed);
        new.last_at.store(cut.last_at.load(Ordering::Relaxed), Ordering::Relaxed);
        new
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when the app was cut.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Running> {
        let mut runs = self.runs();
        if self.is_cut() {
            return None;
        }
        let id = runs.next;
        runs.next += 1;
        runs.all.insert(id, None);
        // Within the lock: whoever is in hears of what stops those who are in.
        let stop = self.switch().signal();
        Some(Running { live: Arc::clone(self), id, stop, share: None })
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut_at().is_some()
    }

    pub(crate) fn cut_at(&self) -> Option<Timestamp> {
        let at = self.cut_at.load(Ordering::Acquire);
        (at != NEVER).then(|| Timestamp::from_ms(at))
    }

    /// Lets nothing in any more, and tells what runs to end. How many ran; `None` when it was cut before.
    pub(crate) fn cut(&self, at: Timestamp) -> Option<usize> {
        let runs = self.runs();
        if self.is_cut() {
            return None;
        }
        self.cut_at.store(at.as_ms(), Ordering::Release);
        let count = runs.all.len();
        drop(runs);
        self.switch().stop();
        Some(count)
    }

    fn switch(&self) -> MutexGuard<'_, Switch> {
        self.switch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops what runs, and closes what is on its way; lets in what comes next. How many ran.
    pub(crate) fn interrupt(&self) -> usize {
        let runs = self.runs();
        if self.is_cut() {
            return 0;
        }
        std::mem::take(&mut *self.switch()).stop();
        runs.all.values().flatten().for_each(CancellationToken::cancel);
        runs.all.len()
    }

    fn under_way(&self) -> usize {
        self.runs().all.len()
    }

    /// Waits until all have left; the connections of those that have not by then are closed under them.
    pub(crate) async fn drain(&self, patience: Duration) {
        let all_left = async {
            loop {
                let left = self.left.notified();
                if self.under_way() == 0 {
                    return;
                }
                left.await;
            }
        };
        if tokio::time::timeout(patience, all_left).await.is_err() {
            for connection in self.runs().all.values().flatten() {
                connection.cancel();
            }
        }
    }

    pub(crate) fn count(&self, at: Timestamp) {
        self.served.fetch_add(1, Ordering::Relaxed);
        self.last_at.fetch_max(at.as_ms(), Ordering::Relaxed);
    }

    /// A use that the record knows, from before this node started.
    pub(crate) fn seen(&self, at: Timestamp) {
        self.last_at.fetch_max(at.as_ms(), Ordering::Relaxed);
    }

    /// How many requests were let in since this node started, and when the last.
    pub(crate) fn used(&self) -> (u64, Option<Timestamp>) {
        let last = self.last_at.load(Ordering::Relaxed);
        (self.served.load(Ordering::Relaxed), (last != NEVER).then(|| Timestamp::from_ms(last)))
    }
}

impl Running {
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.live.is_cut()
    }

    /// It holds this for as long as it is under way.
    pub(crate) fn holds(&mut self, share: Share) {
        self.share = Some(Arc::new(share));
    }

    /// What it holds, for as long as it holds it.
    pub(crate) fn share(&self) -> Weak<Share> {
        self.share.as_ref().map(Arc::downgrade).unwrap_or_default()
    }

    /// Its response does not go on: ends the connection that it is on, with what lies in its buffers.
    pub(crate) fn breaks_off(&self) {
        if let Some(Some(connection)) = self.live.runs().all.get(&self.id) {
            connection.cancel();
        }
    }

    /// It goes on, and what it held is for others.
    pub(crate) fn lets_go(&mut self) {
        self.share = None;
    }

    /// From now on a response is on its way over this connection.
    pub(crate) fn streams_over(&self, connection: Option<CancellationToken>) {
        if let Some(run) = self.live.runs().all.get_mut(&self.id) {
            *run = connection;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut runs = self.live.runs();
        runs.all.remove(&self.id);
        let none = runs.all.is_empty();
        drop(runs);
        if none {
            self.live.left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_interruption_ends_what_runs_and_lets_the_next_in() {
        let live = Live::new();
        let one = live.enter().unwrap();
        let connection = CancellationToken::new();
        one.streams_over(Some(connection.clone()));
        assert_eq!(live.interrupt(), 1);
        one.stop().stopped().await;
        assert!(connection.is_cancelled() && !one.is_cut());
        let two = live.enter().unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(5), async { two.stop().stopped().await });
        assert!(waits.await.is_err());
        assert_eq!(live.cut(Timestamp::from_ms(5)), Some(2));
    }

    #[tokio::test]
    async fn a_cut_ends_what_runs_and_lets_nothing_in() {
        let live = Live::new();
        let (one, two) = (live.enter().unwrap(), live.enter().unwrap());
        assert_eq!(live.cut(Timestamp::from_ms(5)), Some(2));
        assert_eq!((live.cut(Timestamp::from_ms(9)), live.cut_at()), (None, Some(Timestamp::from_ms(5))));
        assert!(live.enter().is_none() && one.is_cut());
        one.stop().stopped().await;
        let connection = CancellationToken::new();
        two.streams_over(Some(connection.clone()));
        drop(one);
        live.drain(Duration::from_millis(5)).await;
        assert!(connection.is_cancelled());
        drop(two);
        live.drain(Duration::from_secs(60)).await;
    }
}
