//! A transaction, opened by a permit; its one commit writes the event. Dropped without commit, it rolls back.
//!
//! Refuses to commit when authority has moved since the permit was given: nothing is written, and the caller asks
//! again (`Store::again`).

use crate::{
    Also, CutNote, Outcome, Row, Store, StoreError, Value,
    differences::{self, TenantLock},
    engine::{EngineTx, GroupEnd, Held, Statement},
    event::Draft,
    params, sql,
};
use authority::{Act, Durability, EpochEffect, Permit, Spent};
use futures_util::poll;
use model::{EventId, PersonId, TenantId, Timestamp};
use seal::SubjectKey;
use serde_json::Value as Json;
use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Duration,
};
use tracing::Instrument as _;

/// How long a commit that raised the epoch waits for this node's memory. Past that it is committed all the same,
/// and the next permit may still be of the old epoch: such a commit is refused.
const MEMORY_WAIT: Duration = Duration::from_secs(2);

/// The change that stands in the feed whenever the epoch rises.
pub const EPOCH_CHANGED: &str = "epoch";

/// What was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub event: EventId,
    pub at: Timestamp,
    /// The tenant's epoch after this commit.
    pub epoch: u64,
}

/// Not generic over the act, so that surfaces of many acts write through the one that they are handed.
#[derive(Debug)]
#[must_use = "a transaction that is dropped rolls back"]
pub struct Tx {
    store: Arc<Store>,
    engine: EngineTx,
    spent: Arc<Spent>,
    event: EventId,
    changes: Vec<(&'static str, String)>,
    also: Vec<Also>,
    forgotten: Vec<String>,
    about: Option<PersonId>,
    /// Of a cut: when it was made, which may be long ago.
    at: Option<Timestamp>,
}

impl Store {
    /// The only way to a transaction that changes what a permit guards. While it is open, await nothing but it: on
    /// SQLite it holds the one writer, and a second act of the same task would wait for the first (`Busy` after ten
    /// seconds).
    ///
    /// # Errors
    /// `StoreError::Unwritable`, `StoreError::Busy`.
    pub async fn write<A: Act>(self: &Arc<Self>, permit: Permit<A>) -> Result<(A, Tx), StoreError> {
        // What could give authority comes after every cut of this node, or not at all.
        if A::RULE.epoch == EpochEffect::Raises && A::RULE.durability != Durability::Cut && self.cuts.any_waits() {
            self.write_waiting_cuts().await?;
        }
        // Before the writer is held: on SQLite everybody waits for it.
        let (act, spent) = permit.spend();
        let (spent, event) = (Arc::new(spent), EventId::generate());
        let engine = self.engine.begin().await?;
        Ok((act, self.opened(engine, spent, event)))
    }

    /// The transaction of a cut: its event has the id and the moment that were noted.
    pub(crate) async fn begin_cut(self: &Arc<Self>, note: &CutNote) -> Result<Tx, StoreError> {
        let engine = self.engine.begin().await?;
        let tx = self.opened(engine, Arc::clone(&note.spent), note.event.clone());
        Ok(Tx { at: Some(note.at), ..tx })
    }

    fn opened(self: &Arc<Self>, engine: EngineTx, spent: Arc<Spent>, event: EventId) -> Tx {
        Tx {
            store: Arc::clone(self),
            engine,
            spent,
            event,
            changes: Vec::new(),
            also: Vec::new(),
            forgotten: Vec::new(),
            about: None,
            at: None,
        }
    }

    /// Writes an event alone; durable when this returns. For values released or refused, exports, and acts that
    /// failed.
    ///
    /// # Errors
    /// As `Tx::commit`.
    pub async fn record<A: Act>(
        self: &Arc<Self>,
        permit: Permit<A>,
        outcome: Outcome,
        detail: Json,
    ) -> Result<Committed, StoreError> {
        let (_, tx) = self.write(permit).await?;
        tx.end(outcome, detail, None).await
    }
}

impl Tx {
    /// The permit that opened this: who, what, on what.
    #[must_use]
    pub fn spent(&self) -> &Spent {
        &self.spent
    }

    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.spent.target().tenant
    }

    /// The id that the event will have.
    #[must_use]
    pub const fn event(&self) -> &EventId {
        &self.event
    }

    /// The moment, by the store's clock; of a cut, the moment at which it was made.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at.unwrap_or_else(|| self.store.clock.now())
    }

    /// Reads within the transaction, what it wrote included.
    ///
    /// # Errors
    /// After any error the transaction can only be rolled back (`StoreError::Ended`), on both engines.
    pub async fn query(&mut self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.engine.query(sql, params).await
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As `query`.
    pub async fn query_one(&mut self, sql: &'static str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// How many rows were changed.
    ///
    /// # Errors
    /// As `query`; `StoreError::Conflict` when a unique key is taken.
    pub async fn execute(&mut self, sql: &'static str, params: &[Value]) -> Result<u64, StoreError> {
        self.engine.execute(sql, params).await
    }

    /// Tells every node's memory of a change, once this is committed. Only for what nodes keep in memory.
    pub fn feed(&mut self, kind: &'static str, key: impl Into<String>) {
        self.changes.push((kind, key.into()));
    }

    /// Whom the event is about, where only the act finds out: so that it is found by them too.
    pub fn about(&mut self, person: &PersonId) {
        self.about = Some(person.clone());
    }

    /// A second event in the same commit.
    pub fn also(&mut self, also: Also) {
        self.also.push(also);
    }

    /// Deletes the key of a subject (`Caller::subject`): all free text under it is unreadable from then on.
    ///
    /// # Errors
    /// As `execute`.
    pub async fn forget_subject(&mut self, subject: &str) -> Result<(), StoreError> {
        let row = params![self.tenant(), subject];
        self.execute(sql::DELETE_SUBJECT_KEY, row).await?;
        self.forgotten.push(subject.to_owned());
        Ok(())
    }

    /// Erases body and salt of one event, for an act that lists indexes and why. Whether there was one.
    ///
    /// # Errors
    /// As `execute`.
    pub async fn erase_event(&mut self, index: u64) -> Result<bool, StoreError> {
        let row = params![self.tenant(), index];
        Ok(self.execute(sql::ERASE_BODY, row).await? == 1)
    }

    /// Writes the event and commits; durable when this returns. `detail` holds ids only, nothing personal; `why` is
    /// the caller's free text and is sealed.
    ///
    /// # Errors
    /// `StoreError::Moved` when authority changed meanwhile; `StoreError::Unwritable` when the record cannot be
    /// written. Nothing was written in either case. Only when the connection to PostgreSQL breaks within the commit
    /// itself is it unknown whether it took place. Dropped, it may take place all the same.
    pub async fn commit(self, detail: Json, why: Option<&str>) -> Result<Committed, StoreError> {
        self.end(Outcome::Allowed, detail, why).await
    }

    async fn end(self, outcome: Outcome, detail: Json, why: Option<&str>) -> Result<Committed, StoreError> {
        let store = Arc::clone(&self.store);
        let ended = self.ended(outcome, detail, why).await;
        match &ended {
            Ok(_) => store.refusing.store(false, Ordering::Release),
            Err(StoreError::Unwritable { .. }) => store.refusing.store(true, Ordering::Release),
            Err(_) => {}
        }
        ended
    }

    async fn ended(mut self, outcome: Outcome, detail: Json, why: Option<&str>) -> Result<Committed, StoreError> {
        let at = self.now();
        let (tenant, subject) = (self.tenant().clone(), self.spent.caller().subject());
        let raises = self.raises();
        // INVARIANT: the subject's row is locked before the tenant, the tenant before the feed's row: no deadlock.
        let key = self.store.subjects.sealing(&mut self.engine, &tenant, &subject).await?;
        let main = Draft::of(&self.spent, self.event.clone(), at, outcome, Cow::Borrowed(&detail))
            .why(why)
            .about(self.about.as_ref())
            .statements(&self.engine, &key)?;
        let held =
            if raises || self.cuts() { None } else { differences::held(&self.engine, &tenant, self.spent.epoch()) };
        let in_one_trip = held.is_some();
        let (batch, epoch_at) = self.last_batch(main, &key, at, held)?;
        let (store, event) = (Arc::clone(&self.store), self.event.clone());
        let (epoch, batch) = if in_one_trip {
            (self.spent.epoch(), Some(batch))
        } else {
            (self.run_last(&batch, epoch_at).await?, None)
        };
        let landing = Landing { tx: self, outcome, detail, subject, key, batch };
        let mut landing = Box::pin(landing.land());
        // The first step is taken here: it lets go of SQLite's writer, for which everybody waits. The others are taken
        // whether or not anybody waits for them: nobody's going away leaves uncounted what was committed.
        let landed = match poll!(&mut landing) {
            Poll::Ready(landed) => landed,
            Poll::Pending => tokio::spawn(landing.in_current_span()).await.map_err(|_| StoreError::Closed)?,
        };
        landed?;
        if raises {
            store.await_memory(&tenant, epoch).await;
        }
        Ok(Committed { event, at, epoch })
    }

    /// Runs the last batch, which is not committed yet; the epoch after it.
    async fn run_last(&mut self, batch: &[Statement], epoch_at: usize) -> Result<u64, StoreError> {
        let answers = self.engine.run(batch).await?;
        let row = answers.get(epoch_at).and_then(|answer| answer.rows.first());
        let after = row.map(|row| row.uint(0)).transpose()?.unwrap_or(0);
        let before = if self.raises() { after.saturating_sub(1) } else { after };
        if before != self.spent.epoch() && !self.cuts() {
            return Err(StoreError::Moved { tenant: self.tenant().clone(), current: before });
        }
        Ok(after)
    }

    fn raises(&self) -> bool {
        self.spent.rule().epoch == EpochEffect::Raises
    }

    /// Taking authority away is right under any epoch, and must not wait for memory.
    fn cuts(&self) -> bool {
        self.spent.rule().durability == Durability::Cut
    }

    /// What goes out last of all, and where the epoch stands in its answers: lock, epoch, feed, events with what is told
    /// of them, the word to other nodes.
    fn last_batch(
        &self,
        main: Vec<Statement>,
        key: &SubjectKey,
        at: Timestamp,
        held: Option<Statement>,
    ) -> Result<(Vec<Statement>, usize), StoreError> {
        let tenant = self.tenant();
        let (lock, epoch) = match self.spent.rule().epoch {
            EpochEffect::Raises => (TenantLock::Exclusive, sql::RAISE_EPOCH),
            EpochEffect::Keeps => (TenantLock::Shared, sql::EPOCH),
        };
        let mut batch: Vec<Statement> = differences::lock(&self.engine, tenant, lock).into_iter().collect();
        let epoch_at = batch.len();
        batch.push(held.unwrap_or_else(|| Statement::new(epoch, params![tenant])));
        for (kind, key) in &self.changes {
            batch.push(Statement::new(sql::ADVANCE_FEED, params![tenant]));
            batch.push(Statement::new(sql::INSERT_CHANGE, params![tenant, *kind, key, at]));
        }
        let raises = self.raises();
        if raises {
            // INVARIANT: after the act's own changes, so that whoever has followed it has followed them.
            batch.push(Statement::new(sql::ADVANCE_FEED, params![tenant]));
            batch.push(Statement::new(sql::INSERT_EPOCH_CHANGE, params![tenant, EPOCH_CHANGED, at]));
        }
        batch.extend(main);
        for also in &self.also {
            batch.extend(Draft::also(&self.spent, also, at).statements(&self.engine, key)?);
        }
        if raises || !self.changes.is_empty() {
            batch.extend(differences::notify(&self.engine, tenant));
        }
        Ok((batch, epoch_at))
    }
}

/// An act that needs nothing but its commit. It owns what it needs, so that it can end without whoever asked.
struct Landing {
    tx: Tx,
    outcome: Outcome,
    detail: Json,
    subject: String,
    key: SubjectKey,
    /// What goes out with the commit.
    batch: Option<Vec<Statement>>,
}

impl Landing {
    /// Commits, and counts what was committed.
    async fn land(self) -> Result<(), StoreError> {
        let Self { tx, outcome, detail, subject, key, batch } = self;
        let (tenant, raises) = (tx.tenant().clone(), tx.raises());
        let Tx { store, engine, forgotten, changes, spent, also, event: _, about: _, at: _ } = tx;
        let held = match batch {
            Some(batch) => engine.run_and_commit(&batch).await?,
            None => engine.commit(if raises { GroupEnd::Close } else { GroupEnd::Join }).await.map(|()| Held::Yes)?,
        };
        if held == Held::Moved {
            let current = store.epoch(&tenant).await?;
            return Err(StoreError::Moved { tenant, current });
        }
        store.subjects.remember(&tenant, subject, key);
        let of = (spent.caller(), spent.target());
        store.tallies.add(spent.rule().name, of, outcome, &detail);
        for also in &also {
            store.tallies.add(also.action, of, also.outcome, &also.detail);
        }
        for subject in forgotten {
            store.subjects.forget(&tenant, &subject);
        }
        if raises || !changes.is_empty() {
            store.engine.fed().send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

impl Store {
    async fn await_memory(&self, tenant: &TenantId, epoch: u64) {
        if tokio::time::timeout(MEMORY_WAIT, self.watch.reached(tenant, epoch)).await.is_err() {
            tracing::warn!(%tenant, epoch, "memory has not reached the epoch in time");
        }
    }
}
