//! Events of class `access`: into a bounded buffer, durable within a second, in batches.
//!
//! Refuses new ones when the buffer is full, cannot be written, or is not written in time: then no new request may begin.
//! And all of them once it is closed, at the end of a run: what comes then is lost, and the run did not end cleanly.

use crate::{
    Outcome, Store, StoreError,
    engine::{GroupEnd, Statement},
    event::{self, Draft},
    params, sql,
};
use authority::{Act, Caller, Denied, Permit, Spent, Target};
use model::{EventId, TenantId, Timestamp};
use seal::SubjectKey;
use serde_json::{Value as Json, json};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{
    Mutex, Notify,
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// Events in the buffer: at 1 KiB each, 16 MiB; some seconds of a busy node.
const BUFFERED_MAX: usize = 16_384;
/// Events written in one commit.
const BATCH: usize = 512;
/// How long the first of a batch waits for others; far below the promised second. A commit writes every page that it
/// touched, those of seven indexes among them, however few rows are new: four of these a second cost a quarter of twenty.
const GATHER: Duration = Duration::from_millis(200);
/// A disk that stalls refuses nothing: what is not written by then is as good as refused, until it is.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// Between attempts while the record cannot be written.
const RETRY: Duration = Duration::from_millis(250);
/// How long whoever reads the record waits for what is buffered: as long as an act waits for a connection.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);
const UNWRITABLE: &str = "the record of requests cannot be written";

#[derive(Debug)]
struct Pending {
    id: EventId,
    at: Timestamp,
    spent: Spent,
    outcome: Outcome,
    detail: Json,
}

impl Pending {
    /// Borrowed: what cannot be written now is tried again.
    fn draft(&self) -> Draft<'_> {
        Draft::of(&self.spent, self.id.clone(), self.at, self.outcome, Cow::Borrowed(&self.detail))
    }
}

#[derive(Debug)]
enum Item {
    Event(Box<Pending>),
    /// Answered once everything before it is durable.
    Flush(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(crate) struct AccessBuffer {
    send: mpsc::Sender<Item>,
    receive: Mutex<mpsc::Receiver<Item>>,
    /// Whoever waits for the record ends the gathering: a page of it must not take as long as one lasts.
    hurry: Notify,
    stuck: AtomicBool,
    expected: TaskTracker,
    closing: CancellationToken,
    /// Something came when it was closed.
    late: AtomicBool,
    /// Events that were not taken, and that nothing tells of yet.
    untold: AtomicU64,
}

/// The event of something that is under way, and will be noted when that ends: a run that stops waits for it. Let go of
/// it once it is noted.
#[must_use]
pub struct Expected {
    _token: TaskTrackerToken,
}

impl AccessBuffer {
    pub(crate) fn new() -> Self {
        let (send, receive) = mpsc::channel(BUFFERED_MAX);
        Self {
            send,
            receive: Mutex::new(receive),
            hurry: Notify::new(),
            stuck: AtomicBool::new(false),
            expected: TaskTracker::new(),
            closing: CancellationToken::new(),
            late: AtomicBool::new(false),
            untold: AtomicU64::new(0),
        }
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    /// Waits for what is expected, so long; from then on nothing is noted any more. The loop ends once it has written
    /// what was.
    pub(crate) async fn close(&self, patience: Duration) {
        self.expected.close();
        if tokio::time::timeout(patience, self.expected.wait()).await.is_err() {
            tracing::warn!(events = self.expected.len(), "what was under way did not come to its end");
        }
        self.closing.cancel();
        self.hurry.notify_one();
    }

    /// Whether nothing came too late, nothing is still to come, and what was not taken is told.
    pub(crate) fn is_whole(&self) -> bool {
        // INVARIANT: whoever expects an event notes it first: once nothing is expected, it is known what came late.
        self.expected.is_empty() && !self.late.load(Ordering::Acquire) && self.untold.load(Ordering::Acquire) == 0
    }
}

impl Store {
    /// Notes a request or a brokered call; durable within a second. Never waits.
    ///
    /// # Errors
    /// `StoreError::Unwritable` while the record cannot be written, `StoreError::Busy` when the buffer is full,
    /// `StoreError::Param` for an id that no row holds, `StoreError::Closed` when the tasks have stopped: the request
    /// must be refused.
    pub fn access<A: Act>(&self, permit: Permit<A>, outcome: Outcome, detail: Json) -> Result<EventId, StoreError> {
        self.may_begin()?;
        self.access_late(permit, outcome, detail)
    }

    /// Whether something may begin whose event is noted when it ends.
    ///
    /// # Errors
    /// `StoreError::Unwritable` while the record cannot be written.
    pub fn may_begin(&self) -> Result<(), StoreError> {
        if self.access.is_stuck() { Err(StoreError::unwritable(UNWRITABLE)) } else { Ok(()) }
    }

    /// The same as `access`, of what took place already, or of a look at what waits for the record itself: it waits too,
    /// with a place in the buffer.
    ///
    /// # Errors
    /// `StoreError::Busy` when the buffer is full, `StoreError::Param` for an id that no row holds, `StoreError::Closed`
    /// when the tasks have stopped.
    pub fn access_late<A: Act>(
        &self,
        permit: Permit<A>,
        outcome: Outcome,
        detail: Json,
    ) -> Result<EventId, StoreError> {
        let (_, spent) = permit.spend();
        event::check(spent.caller(), spent.target())?;
        let id = EventId::generate();
        let place = self.access.send.try_reserve().map_err(|refused| match refused {
            TrySendError::Full(()) => StoreError::busy("too many requests wait for their record"),
            TrySendError::Closed(()) => {
                self.access.late.store(true, Ordering::Release);
                StoreError::Closed
            }
        })?;
        self.tallies.add(spent.rule().name, (spent.caller(), spent.target()), outcome, &detail);
        place.send(Item::Event(Box::new(Pending { id: id.clone(), at: self.clock.now(), spent, outcome, detail })));
        Ok(id)
    }

    /// So many events of what took place were not taken, and nothing tells of them yet.
    pub fn miss_access(&self, events: u64) {
        self.access.untold.fetch_add(events, Ordering::AcqRel);
    }

    /// An event was noted that tells of so many of them.
    pub fn tell_missed(&self, events: u64) {
        self.access.untold.fetch_sub(events, Ordering::AcqRel);
    }

    /// Something begins whose event is noted when it ends.
    pub fn expect_access(&self) -> Expected {
        Expected { _token: self.access.expected.token() }
    }

    /// Waits until everything noted so far is durable. Needs the tasks (`start_tasks`).
    ///
    /// # Errors
    /// `StoreError::Closed` when the tasks have stopped, `StoreError::Unwritable` when it takes more than ten seconds.
    pub async fn flush_access(&self) -> Result<(), StoreError> {
        let flushed = tokio::time::timeout(FLUSH_WITHIN, self.flushed()).await;
        flushed.unwrap_or_else(|_| Err(StoreError::unwritable(UNWRITABLE)))
    }

    async fn flushed(&self) -> Result<(), StoreError> {
        let (done, flushed) = oneshot::channel();
        self.access.send.send(Item::Flush(done)).await.map_err(|_| StoreError::Closed)?;
        self.access.hurry.notify_one();
        flushed.await.map_err(|_| StoreError::Closed)
    }

    /// A refusal is an event too. Strangers' refusals are counted: one event for each source, act and minute.
    ///
    /// # Errors
    /// As `Store::record`.
    pub async fn denied(&self, denied: &Denied, caller: &Caller, target: &Target) -> Result<(), StoreError> {
        let at = self.clock.now();
        if matches!(caller.who, authority::Who::Stranger) {
            self.count(caller, denied.act, target, Outcome::Denied);
            return Ok(());
        }
        self.write_event(Draft::refusal(denied, caller, target, at), None).await
    }

    /// Writes an event that no transaction of an act holds, with one statement more in its commit, and counts it.
    pub(crate) async fn write_event(&self, draft: Draft<'_>, more: Option<Statement>) -> Result<(), StoreError> {
        let drafts = [draft];
        self.write_events(&drafts, more).await?;
        let [draft] = &drafts;
        self.tallies.add(draft.action, (draft.caller, draft.target), draft.outcome, &draft.detail);
        Ok(())
    }

    /// Writes what is buffered until the buffer is closed and empty, in the run that began then.
    pub(crate) async fn flush_access_loop(self: Arc<Self>, began: Timestamp) {
        let mut receive = self.access.receive.lock().await;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let more = tokio::select! {
                biased;
                () = self.access.closing.cancelled(), if !receive.is_closed() => {
                    receive.close();
                    continue;
                }
                more = receive.recv_many(&mut batch, BATCH) => more,
            };
            if more == 0 {
                return;
            }
            let flush_now = receive.is_closed() || batch.iter().any(|item| matches!(item, Item::Flush(_)));
            if !flush_now && batch.len() < BATCH {
                drop(tokio::time::timeout(GATHER, self.access.hurry.notified()).await);
                while batch.len() < BATCH
                    && let Ok(item) = receive.try_recv()
                {
                    batch.push(item);
                }
            }
            let (mut events, mut flushes) = (Vec::with_capacity(batch.len()), Vec::new());
            for item in batch.drain(..) {
                match item {
                    Item::Event(pending) => events.push(*pending),
                    Item::Flush(done) => flushes.push(done),
                }
            }
            self.write_all(events, began).await;
            for done in flushes {
                if done.send(()).is_err() {
                    tracing::debug!("whoever asked for the flush went away");
                }
            }
        }
    }

    /// Until none of them waits any more.
    async fn write_all(&self, batch: Vec<Pending>, began: Timestamp) {
        let mut writing = std::pin::pin!(self.write_until_taken(batch, began));
        if tokio::time::timeout(STALLED_AFTER, writing.as_mut()).await.is_err() {
            self.stuck(&StoreError::unwritable("the database did not answer in time"));
            writing.await;
        }
        self.access.stuck.store(false, Ordering::Release);
    }

    fn stuck(&self, error: &StoreError) {
        if !self.access.stuck.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "the record of requests cannot be written; new requests are refused");
        }
    }

    async fn write_until_taken(&self, mut batch: Vec<Pending>, began: Timestamp) {
        let mut as_one = true;
        while let Err(error) = self.write_batch(&batch, began).await {
            let error = if error.is_unavailable() {
                error
            } else {
                // The database is there, and refused something in it: the others do not wait for that. From here on some
                // may stand without the others.
                as_one = false;
                match self.write_singly(&mut batch).await {
                    Ok(()) => break,
                    Err(error) => error,
                }
            };
            self.stuck(&error);
            tokio::time::sleep(RETRY).await;
            // The answer to its commit may have been lost on the way: then it stands, whole.
            if as_one
                && let Some(first) = batch.first()
                && self.stands(first).await.unwrap_or(false)
            {
                break;
            }
        }
    }

    /// Whether it is in the record, whatever its writing seemed to end in. Of a batch that was written whole, the first
    /// says it: one commit holds all of it.
    async fn stands(&self, pending: &Pending) -> Result<bool, StoreError> {
        Ok(self.event(&pending.spent.target().tenant, &pending.id).await?.is_some())
    }

    /// With it, how far the buffer is emptied: what still waits was noted after the oldest of these.
    async fn write_batch(&self, batch: &[Pending], began: Timestamp) -> Result<(), StoreError> {
        let Some(oldest) = batch.iter().map(|pending| pending.at).min() else { return Ok(()) };
        let drafts: Vec<Draft<'_>> = batch.iter().map(Pending::draft).collect();
        let flushed = Statement::new(sql::FLUSH_RUN, params![self.node.as_str(), began, oldest]);
        self.write_events(&drafts, Some(flushed)).await
    }

    /// One by one. What is refused by itself will never be taken: it is dropped, once the record says that it lacks it.
    /// While the database takes not even that, everything stays.
    async fn write_singly(&self, batch: &mut Vec<Pending>) -> Result<(), StoreError> {
        let mut refused = 0;
        while let Some(pending) = batch.get(refused) {
            let written = match self.write_events(&[pending.draft()], None).await {
                Ok(()) => true,
                Err(error) if error.is_unavailable() => return Err(error),
                Err(error) => {
                    let act = pending.spent.rule().name;
                    tracing::error!(error = &error as &dyn std::error::Error, act, "the database refused an event");
                    self.stands(pending).await?
                }
            };
            if written {
                batch.remove(refused);
            } else {
                refused += 1;
            }
        }
        if let (Some(first), Some(last)) = (batch.first(), batch.last()) {
            self.write_gap(json!({ "class": "access", "from": first.at, "until": last.at, "events": refused })).await?;
        }
        batch.clear();
        Ok(())
    }

    /// The same for many, which were counted when they were noted, and one statement more in their commit.
    pub(crate) async fn write_events(&self, drafts: &[Draft<'_>], more: Option<Statement>) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        // Sorted, so that two batches never wait for each other's keys crosswise.
        let mut keys: BTreeMap<(TenantId, String), Option<SubjectKey>> = BTreeMap::new();
        for draft in drafts {
            keys.insert((draft.target.tenant.clone(), draft.caller.subject()), None);
        }
        for ((tenant, subject), key) in &mut keys {
            *key = Some(self.subjects.sealing(&mut tx, tenant, subject).await?);
        }
        let mut batch = Vec::with_capacity(drafts.len() + 1);
        for draft in drafts {
            let name = (draft.target.tenant.clone(), draft.caller.subject());
            let key = keys.get(&name).and_then(Option::as_ref).ok_or(StoreError::Ended)?;
            batch.extend(draft.statements(&tx, key)?);
        }
        batch.extend(more);
        tx.run(&batch).await?;
        tx.commit(GroupEnd::Join).await?;
        for ((tenant, subject), key) in keys {
            if let Some(key) = key {
                self.subjects.remember(&tenant, subject, key);
            }
        }
        Ok(())
    }
}
