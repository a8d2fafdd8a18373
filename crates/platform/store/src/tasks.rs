//! What the store does by itself: flush, sequence, listen, prune, keep checkpoints.

use crate::{
    FreeWrite, Leadership, Store, StoreError, Table,
    engine::Engine,
    feed::KEPT,
    forever::{forever, or_crash},
    params, postgres, sql,
};
use model::Timestamp;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

/// The longest that a committed event waits for the sequencer.
const SEQUENCE_EVERY: Duration = Duration::from_millis(200);
/// How long a wake-up gathers further commits: one batch costs an fsync, and writes every page that it touched. With what
/// requests wait for their flush, an event has its place in well under a second.
const GATHER: Duration = Duration::from_millis(200);
const COUNT_EVERY: Duration = Duration::from_secs(1);
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// What was told to end when the process stops ends within moments; what does not is not waited for.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// A record that cannot be written does not keep the process from stopping: the next start notes the gap.
const STOP_WITHIN: Duration = Duration::from_secs(5);
const CLAIM: FreeWrite = FreeWrite::new(Table::LogHeads, sql::CLAIM_LOGS);
const PRUNE: FreeWrite = FreeWrite::new(Table::Feed, sql::PRUNE_FEED);

/// The running tasks; dropping it stops them as a crash would, `stop` as it should be.
#[derive(Debug)]
pub struct Tasks {
    store: Arc<Store>,
    running: JoinSet<()>,
    /// Of these, the one that ends by itself.
    flushing: JoinSet<()>,
    began: Timestamp,
}

impl Store {
    /// Starts what runs beside the acts, and records that this run began.
    pub async fn start_tasks(self: &Arc<Self>) -> Tasks {
        let mut tasks = self.run_tasks();
        tasks.record_start().await;
        tasks
    }

    /// The same, with its beginning yet to be recorded.
    #[must_use]
    pub fn run_tasks(self: &Arc<Self>) -> Tasks {
        let began = self.clock.now();
        let (mut running, mut flushing) = (JoinSet::new(), JoinSet::new());
        flushing.spawn(or_crash("access", Arc::clone(self).flush_access_loop(began)));
        let store = Arc::clone(self);
        running.spawn(forever("sequencer", move || Arc::clone(&store).sequence_loop()));
        let store = Arc::clone(self);
        running.spawn(forever("tidy", move || Arc::clone(&store).tidy_loop()));
        let store = Arc::clone(self);
        running.spawn(forever("cuts", move || Arc::clone(&store).cuts_loop()));
        if let Engine::Postgres(postgres) = &self.engine {
            let postgres = Arc::downgrade(postgres);
            running.spawn(forever("listen", move || postgres::listen(postgres.clone())));
        }
        Tasks { store: Arc::clone(self), running, flushing, began }
    }

    async fn start_run_later(self: Arc<Self>, began: Timestamp) {
        while let Err(error) = self.start_run(began).await {
            tracing::debug!(%error, "the start of this run could not be recorded yet");
            tokio::time::sleep(COUNT_EVERY).await;
        }
    }

    async fn sequence_loop(self: Arc<Self>) {
        let mut wake = self.engine.committed().subscribe();
        let mut leadership: Option<Leadership> = None;
        loop {
            // Closed, woken or out of time: each means to look.
            drop(tokio::time::timeout(SEQUENCE_EVERY, wake.changed()).await);
            tokio::time::sleep(GATHER).await;
            wake.mark_unchanged();
            if let Err(error) = self.sequence_turn(&mut leadership).await {
                tracing::error!(%error, "events could not be sequenced");
                leadership = None;
                tokio::time::sleep(SEQUENCE_EVERY).await;
            }
        }
    }

    async fn sequence_turn(&self, leadership: &mut Option<Leadership>) -> Result<(), StoreError> {
        if leadership.as_ref().is_none_or(|held| !held.is_held()) {
            *leadership = self.lead("sequencer").await?;
            if leadership.is_some() {
                self.housekeeping().execute(CLAIM, &[]).await?;
            }
        }
        if leadership.is_some() {
            self.sequence_now().await?;
        }
        // On SQLite the one node has made each of them itself.
        if self.is_shared()
            && let Err(error) = self.keep_newest().await
        {
            // Nobody leads any better for it.
            tracing::error!(%error, "the newest checkpoint could not be kept beside the database");
        }
        Ok(())
    }

    async fn tidy_loop(self: Arc<Self>) {
        let mut pruned: Option<Instant> = None;
        loop {
            tokio::time::sleep(COUNT_EVERY).await;
            if let Err(error) = self.write_counted(self.clock.now()).await {
                tracing::warn!(%error, "counted refusals could not be recorded");
            }
            if pruned.is_none_or(|at| at.elapsed() >= PRUNE_EVERY) {
                pruned = Some(Instant::now());
                if let Err(error) = self.housekeeping().execute(PRUNE, params![KEPT]).await {
                    tracing::warn!(%error, "the change feed could not be pruned");
                }
                if let Err(error) = self.prune_draws().await {
                    tracing::warn!(%error, "old counts of rate limits could not be pruned");
                }
            }
        }
    }
}

impl Tasks {
    /// Notes that this run began, and the gap that an earlier crash left: now, or as soon as it can be written. That
    /// nothing can be written now is no reason not to start.
    pub async fn record_start(&mut self) {
        if let Err(error) = self.store.start_run(self.began).await {
            tracing::error!(%error, "the start of this run could not be recorded yet");
            self.running.spawn(Arc::clone(&self.store).start_run_later(self.began));
        }
    }

    /// The same, once this node has a lease: until then another process of its name may have it, whose run is not to be
    /// taken for one that crashed.
    pub fn record_start_once(&mut self, leased: impl Future<Output = ()> + Send + 'static) {
        let (store, began) = (Arc::clone(&self.store), self.began);
        self.running.spawn(async move {
            leased.await;
            store.start_run_later(began).await;
        });
    }

    /// Waits a moment for what is under way; writes what is buffered and counted, sequences it, and ends the run cleanly.
    /// Nothing is noted from then on.
    ///
    /// # Errors
    /// As a write; when something was under way that nothing tells of. Then the next start notes a gap.
    pub async fn stop(mut self) -> Result<(), StoreError> {
        self.store.access.close(ENDS_WITHIN).await;
        let flushed = tokio::time::timeout(STOP_WITHIN, self.flushing.join_next()).await;
        if !matches!(flushed, Ok(Some(Ok(())))) {
            return Err(StoreError::unwritable("the record of requests cannot be written"));
        }
        self.store.write_counted(Timestamp::from_ms(i64::MAX)).await?;
        self.running.shutdown().await;
        self.store.sequence_now().await?;
        if !self.store.access.is_whole() {
            return Err(StoreError::unwritable("requests were under way when it was closed"));
        }
        self.store.end_run(self.began).await?;
        self.store.engine.settle().await
    }
}
