//! Rate limits across nodes: what a key may use is drawn from the database in blocks, as `store::rates` says.
//!
//! INVARIANT: a use is one that was drawn less than `hold` ago. Refuses when the database does not answer within that: what
//! may have been drawn then is lost, not used. A block grows while it is used up in time, and begins at one again when it
//! was not, so that little of an allowance is lost.

use model::TenantId;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use store::{Allowance, Drawer, Drawn, Store, hold};

/// Keys that are remembered: those at rest make room.
const KEYS_MAX: usize = 100_000;
/// How long a request waits, with those that wait for the same key, until something was drawn for it.
const WAIT: Duration = Duration::from_secs(2);

/// What came of taking one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    One,
    Over(Duration),
    Unanswered,
}

/// One key on this node.
#[derive(Debug, Default)]
struct Key {
    block: Mutex<Block>,
    /// Whoever holds it draws, for all who wait.
    drawing: tokio::sync::Mutex<()>,
    waiting: AtomicU32,
}

#[derive(Debug, Default, Clone, Copy)]
struct Block {
    left: u32,
    /// How much was drawn last.
    size: u32,
    good_until: Option<Instant>,
    /// Nothing can be drawn before.
    over_until: Option<Instant>,
}

impl Block {
    fn take(&mut self, now: Instant) -> Option<Taken> {
        if let Some(wait) =
            self.over_until.and_then(|until| until.checked_duration_since(now)).filter(|wait| !wait.is_zero())
        {
            return Some(Taken::Over(wait));
        }
        self.left = if self.good_until.is_some_and(|until| now < until) { self.left } else { 0 };
        self.left = self.left.checked_sub(1)?;
        Some(Taken::One)
    }

    /// More than last time if that was used up in time; else as many as wait.
    fn next_size(&self, now: Instant, waiting: u32) -> u32 {
        let in_time = self.good_until.is_some_and(|until| now < until);
        let grown = if in_time { self.size.saturating_mul(2) } else { 1 };
        grown.max(waiting.saturating_add(1))
    }

    fn is_at_rest(&self, now: Instant) -> bool {
        let past = |until: Option<Instant>| until.is_none_or(|until| until <= now);
        past(self.good_until) && past(self.over_until)
    }
}

/// Every key of every limit that this node counts.
#[derive(Debug)]
pub(crate) struct Allowances {
    store: Arc<Store>,
    tenant: TenantId,
    keys: Mutex<HashMap<String, Arc<Key>>>,
}

impl Allowances {
    /// `None` where this is the only node.
    pub(crate) fn new(store: &Arc<Store>, tenant: &TenantId) -> Option<Self> {
        let (store, tenant) = (Arc::clone(store), tenant.clone());
        store.is_shared().then(|| Self { store, tenant, keys: Mutex::default() })
    }

    /// One use of what `key` may have.
    pub(crate) async fn take(&self, key: &str, allowance: Allowance, drawer: Drawer) -> Taken {
        let Some(known) = self.key(key) else { return Taken::Unanswered };
        if let Some(taken) = known.take() {
            return taken;
        }
        tokio::time::timeout(WAIT, self.draw(&known, key, allowance, drawer)).await.unwrap_or(Taken::Unanswered)
    }

    /// `None` when too many keys are in use at once.
    fn key(&self, key: &str) -> Option<Arc<Key>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.get(key) {
            return Some(Arc::clone(known));
        }
        if keys.len() >= KEYS_MAX {
            let now = Instant::now();
            keys.retain(|_, known| Arc::strong_count(known) > 1 || !known.block().is_at_rest(now));
        }
        (keys.len() < KEYS_MAX).then(|| Arc::clone(keys.entry(key.to_owned()).or_default()))
    }

    async fn draw(&self, known: &Key, key: &str, allowance: Allowance, drawer: Drawer) -> Taken {
        let waits = Waits::on(&known.waiting);
        let _drawing = known.drawing.lock().await;
        drop(waits);
        // Whoever drew before may have drawn for all.
        if let Some(taken) = known.take() {
            return taken;
        }
        // Counted from before it is asked: the database counts from after that.
        let asked = Instant::now();
        let wanted = known.block().next_size(asked, known.waiting.load(Ordering::Relaxed));
        let good_for = hold(allowance.per);
        let drawing = self.store.draw(&self.tenant, key, allowance, wanted, drawer);
        let drawn = tokio::time::timeout(good_for, drawing).await;
        let mut block = known.block.lock().unwrap_or_else(PoisonError::into_inner);
        match drawn {
            Ok(Ok(Drawn::Some(size))) => {
                *block = Block { left: size, size, good_until: Some(asked + good_for), over_until: None };
                block.take(Instant::now()).unwrap_or(Taken::Unanswered)
            }
            Ok(Ok(Drawn::Over(wait))) => {
                block.over_until = Some(Instant::now() + wait);
                Taken::Over(wait)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "nothing could be drawn of a rate limit");
                Taken::Unanswered
            }
            Err(_) => Taken::Unanswered,
        }
    }
}

impl Key {
    fn take(&self) -> Option<Taken> {
        self.block.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
    }

    fn block(&self) -> Block {
        *self.block.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counted while it lives.
struct Waits<'a>(&'a AtomicU32);

impl<'a> Waits<'a> {
    fn on(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_is_used_in_time_or_lost() {
        let began = Instant::now();
        let hold = Duration::from_millis(500);
        let mut block = Block { left: 2, size: 2, good_until: Some(began + hold), over_until: None };
        assert_eq!(block.take(began), Some(Taken::One));
        assert_eq!(block.take(began + hold), None);
        assert_eq!(block.left, 0, "what was left is lost");
        let mut over = Block { over_until: Some(began + hold), ..Block::default() };
        assert_eq!(over.take(began), Some(Taken::Over(hold)));
        assert_eq!(over.take(began + hold), None);
    }

    #[test]
    fn blocks_grow_while_they_are_used_up_in_time() {
        let began = Instant::now();
        let hold = Duration::from_millis(500);
        let block = Block { left: 0, size: 4, good_until: Some(began + hold), over_until: None };
        assert_eq!(block.next_size(began, 0), 8);
        assert_eq!(block.next_size(began, 20), 21);
        assert_eq!(block.next_size(began + hold, 2), 3);
        assert_eq!(Block::default().next_size(began, 0), 1);
    }
}
