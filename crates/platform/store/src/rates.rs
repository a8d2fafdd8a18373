//! Rate limits that all nodes of a database share: a node draws what it uses from there, in blocks.
//!
//! What was drawn may be used for a moment only (`hold`), and counts for the limit's span and that moment, so that no span
//! sees more than the limit, whichever node uses it and when. What a lost node had drawn is lost. Refuses to guess: where
//! the database does not answer in time, nothing is drawn.

use crate::{
    Allowance, FreeWrite, Store, StoreError, Table, Window,
    engine::{Engine, GroupEnd},
    params, sql,
};
use model::TenantId;
use seal::{Context, Purpose};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

const HOLD: FreeWrite = FreeWrite::new(Table::RateDraws, sql::HOLD_DRAWS);
const PUT: FreeWrite = FreeWrite::new(Table::RateDraws, sql::PUT_DRAWS);
const PRUNE: FreeWrite = FreeWrite::new(Table::RateDraws, sql::PRUNE_DRAWS);
/// Longer than the longest span, an hour.
const KEPT: Duration = Duration::from_secs(2 * 3_600);
/// Draws at once on one node: further ones wait, so that acts always find a connection.
const DRAWS: usize = 6;
/// The same for strangers, who can come from as many addresses as they like: they wait for each other.
const DRAWS_OF_STRANGERS: usize = 2;
/// The longest that a block may be used.
const HOLD_MAX: Duration = Duration::from_millis(500);
/// A block is at most this part of what is left: near the limit the nodes draw one by one.
const BLOCK_SHARE: u32 = 8;

/// For whom is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawer {
    Known,
    /// A key of somebody who is not signed in.
    Stranger,
}

/// Turns at drawing.
#[derive(Debug)]
pub(crate) struct Turns {
    known: Semaphore,
    strangers: Semaphore,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { known: Semaphore::new(DRAWS), strangers: Semaphore::new(DRAWS_OF_STRANGERS) }
    }

    async fn take(&self, drawer: Drawer) -> Result<SemaphorePermit<'_>, StoreError> {
        let turns = match drawer {
            Drawer::Known => &self.known,
            Drawer::Stranger => &self.strangers,
        };
        turns.acquire().await.map_err(|_| StoreError::Closed)
    }
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawn {
    /// So many uses, until `hold` has passed since it was asked.
    Some(u32),
    /// The limit is reached; there is something to draw after this wait.
    Over(Duration),
}

/// For how long what was drawn may be used, from before it was asked for.
#[must_use]
pub fn hold(per: Duration) -> Duration {
    (per / 4).min(HOLD_MAX)
}

/// The most that is drawn at once.
fn block(allowance: Allowance, left: u32) -> u32 {
    let under_one_a_second = u128::from(allowance.count) * 1_000 < allowance.per.as_millis();
    if under_one_a_second { 1 } else { (left / BLOCK_SHARE).max(1) }
}

impl Store {
    /// Draws up to `wanted` uses of what `key` may have; on a database that other nodes share. Whoever calls bounds the
    /// wait by `hold`.
    ///
    /// # Errors
    /// As a write; nothing may be used then.
    pub async fn draw(
        &self,
        tenant: &TenantId,
        key: &str,
        allowance: Allowance,
        wanted: u32,
        drawer: Drawer,
    ) -> Result<Drawn, StoreError> {
        let digest =
            self.root.tenant(tenant).purpose(Purpose::Rate).index(&Context::table("rate_draws"), key.as_bytes());
        let _turn = self.draws.take(drawer).await?;
        let counted = Allowance { per: allowance.per + hold(allowance.per), ..allowance };
        let mut tx = self.engine.begin().await?;
        let held = tx.query(HOLD.sql(), params![tenant, digest.to_vec(), Vec::<u8>::new()]).await?;
        let row = held.first().ok_or(StoreError::Ended)?;
        let now = row.uint(1)?;
        let mut window = Window::from_bytes(row.bytes(0)?, counted, now);
        let most = block(allowance, window.left(counted, now));
        let drawn = match window.take(counted, wanted.clamp(1, most), now) {
            Ok(granted) => Drawn::Some(granted),
            Err(wait) => Drawn::Over(wait),
        };
        let used = window.to_bytes();
        if used == row.bytes(0)? {
            // Nothing was changed, and the row is let go.
            return Ok(drawn);
        }
        tx.execute(PUT.sql(), params![tenant, digest.to_vec(), used]).await?;
        tx.commit(GroupEnd::Join).await?;
        Ok(drawn)
    }

    /// Forgets what no limit counts any more.
    ///
    /// # Errors
    /// As a write.
    pub async fn prune_draws(&self) -> Result<u64, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(0),
            Engine::Postgres(_) => {
                let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
                self.housekeeping().execute(PRUNE, params![kept]).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_large_far_from_the_limit_and_one_near_it() {
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        let of = |count, per, left| block(Allowance { count, per }, left);
        assert_eq!(of(59, minute, 59), 1);
        assert_eq!(of(60, minute, 60), 7);
        assert_eq!(of(60, minute, 8), 1);
        assert_eq!(of(10_000, second, 10_000), 1_250);
        assert_eq!(of(10_000, second, 0), 1);
    }

    #[tokio::test]
    async fn strangers_who_wait_for_a_turn_keep_nobody_else_from_one() {
        let turns = Turns::new();
        let mut held = Vec::new();
        for _ in 0..DRAWS_OF_STRANGERS {
            held.push(turns.take(Drawer::Stranger).await.unwrap());
        }
        let further = tokio::time::timeout(Duration::from_millis(10), turns.take(Drawer::Stranger)).await;
        assert!(further.is_err(), "strangers wait for each other");
        for _ in 0..DRAWS {
            let known = tokio::time::timeout(Duration::from_secs(10), turns.take(Drawer::Known)).await;
            held.push(known.expect("others do not").unwrap());
        }
    }
}
