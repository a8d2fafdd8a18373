//! Writing a cut: at once, by whoever made it; else from the journal, as soon as it can be.

#[cfg(test)]
mod tests;

use super::{
    CutNote, CutOf,
    note::late,
    state::{Cuts, Settled},
};
use crate::{Also, Cause, Store, StoreError, Tx, journal::Slot};
use async_trait::async_trait;
use authority::{Act, Permit};
use futures_util::future::join_all;
use model::EventId;
use serde_json::json;
use std::{
    error::Error,
    sync::{Arc, Weak},
    time::Duration,
};

/// How long a cut waits for its record before the journal takes it: whoever asked wants to know that it is done.
const RECORD_WITHIN: Duration = Duration::from_secs(3);
/// The same, from the journal; nobody waits.
const LATE_WITHIN: Duration = Duration::from_secs(10);
/// How long anybody waits for the journal's disk: one that stands still does not say so.
const JOURNAL_WITHIN: Duration = Duration::from_secs(3);
/// How long whoever asked waits until memory has read it again; it shows it cut meanwhile.
const SETTLE_WITHIN: Duration = Duration::from_secs(3);
/// How long whoever could give authority waits for its turn at writing what waits.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// How long the database may take to show that it is there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// Between attempts while something waits.
const RETRY: Duration = Duration::from_millis(500);

type Failed = Box<dyn Error + Send + Sync>;

/// The rows of cuts: each room's own, or all of them by the assembly.
#[async_trait]
pub trait CutRows: Send + Sync {
    /// Writes the rows that make the cut last, and names the change for the feed. Rows that are gone are none to write.
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Failed>;

    /// It is committed, as of this epoch: memory is to be read again.
    async fn settled(&self, note: &CutNote, epoch: u64) -> Result<(), Failed>;
}

/// Where a cut is recorded when it has been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    InDatabase,
    /// In the database, and another node that has a lease has not said that it has done it.
    Unheard,
    /// Not yet; a restart keeps it cut.
    InJournal,
    /// Not yet, and the journal did not take it either: a restart before it is written brings back what was cut.
    InMemory,
}

impl Recorded {
    /// Whether the record has it.
    #[must_use]
    pub const fn is_written(self) -> bool {
        matches!(self, Self::InDatabase | Self::Unheard)
    }
}

/// A cut that was begun. If it is dropped before `record` has ended, it is written all the same.
#[derive(Debug)]
pub struct Cutting {
    store: Arc<Store>,
    note: CutNote,
    /// It stands already: the same cut, not written yet.
    same: Option<Arc<CutNote>>,
    done: bool,
}

impl Store {
    /// Begins a cut: from now on it stands. Take it away in memory next, then `record`.
    pub fn cut<A: Act>(self: &Arc<Self>, permit: Permit<A>, of: CutOf) -> (A, Cutting) {
        self.cut_as(permit, of, EventId::generate())
    }

    /// The same, under an id that was promised for its event.
    pub fn cut_as<A: Act>(self: &Arc<Self>, permit: Permit<A>, of: CutOf, event: EventId) -> (A, Cutting) {
        let (act, spent) = permit.spend();
        let note = CutNote { event, ..CutNote::new(spent, of, self.clock.now()) };
        let same = self.cuts.begin(&Arc::new(note.clone()));
        (act, Cutting { store: Arc::clone(self), note, same, done: false })
    }

    /// Who writes the rows of cuts that stand in the journal. Held weakly.
    pub fn write_cuts_with(&self, rows: Weak<dyn CutRows>) {
        if self.cuts.rows.set(rows).is_err() {
            tracing::warn!("who writes cuts was said before");
        }
    }
}

impl Cutting {
    /// The id that the event will have: of the one that stands already, if there is one.
    #[must_use]
    pub fn event(&self) -> &EventId {
        self.same.as_ref().map_or(&self.note.event, |same| &same.event)
    }

    /// The note, to say more in.
    pub const fn note(&mut self) -> &mut CutNote {
        &mut self.note
    }

    /// The same cut, made before and not written yet.
    #[must_use]
    pub const fn same(&self) -> Option<&Arc<CutNote>> {
        self.same.as_ref()
    }

    /// There was nothing to cut.
    pub fn forget(mut self) {
        self.done = true;
        if self.same.is_none() {
            self.store.cuts.end(&self.note.event);
        }
    }

    /// Writes it, and waits for the other nodes; where it cannot be written, the journal takes it. Never fails.
    pub async fn record(mut self, rows: &dyn CutRows) -> Recorded {
        let recorded = self.written(rows).await;
        // Of apps, the catalog waits, and says what it waited for.
        let waits = recorded == Recorded::InDatabase && !matches!(self.note.of, CutOf::Apps(_) | CutOf::Done(_));
        if !waits || self.store.told_everywhere(self.note.tenant()).await { recorded } else { Recorded::Unheard }
    }

    async fn written(&mut self, rows: &dyn CutRows) -> Recorded {
        let store = Arc::clone(&self.store);
        if let Some(same) = &self.same {
            return store.where_is(same);
        }
        let note = Arc::new(self.note.clone());
        let failed = match tokio::time::timeout(RECORD_WITHIN, store.write_cut(&note, rows, When::Now)).await {
            Ok(Ok(epoch)) => {
                // Until memory has read it again it is not done: if this is dropped, whoever writes late settles it.
                if tokio::time::timeout(SETTLE_WITHIN, store.settle(&note, epoch, rows)).await.is_err() {
                    // It stands, as cut as it is: whoever writes late finds its event, and has memory read again.
                    tracing::error!(act = note.rule().name, event = %note.event, "cut, and memory was not read again in time");
                    store.cuts.wait(Arc::clone(&note));
                }
                self.done = true;
                return Recorded::InDatabase;
            }
            Ok(Err(failed)) => failed,
            Err(_) => "the database did not answer in time".into(),
        };
        tracing::error!(error = &*failed, act = note.rule().name, event = %note.event, "cut, and not in the record yet");
        let kept = store.into_journal(&note);
        self.done = true;
        kept.await
    }
}

impl Drop for Cutting {
    /// Whoever asked went away, or the act failed after the cut: it is done, so it is written. Where the same stood
    /// already, memory may have been read again before this cut it once more: it is read again after.
    fn drop(&mut self) {
        match &self.same {
            Some(same) => self.store.cuts.again(same),
            None if !self.done => self.store.cuts.wait(Arc::new(self.note.clone())),
            None => {}
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Now,
    /// It may have been written already: by an answer that did not arrive, or before a crash.
    Late,
}

impl Store {
    /// Whether no node lets in any more what such a cut took, as far as this one knows.
    #[must_use]
    pub fn is_everywhere(&self, recorded: Recorded) -> bool {
        recorded == Recorded::InDatabase || !self.is_shared()
    }

    /// The epoch as of which it stands in the database.
    async fn write_cut(self: &Arc<Self>, note: &Arc<CutNote>, rows: &dyn CutRows, when: When) -> Result<u64, Failed> {
        if when == When::Late && self.event(note.tenant(), &note.event).await?.is_some() {
            return Ok(self.epoch(note.tenant()).await?);
        }
        let mut tx = self.begin_cut(note).await?;
        rows.rows(note, &mut tx).await?;
        let mut detail = note.detail.clone();
        match when {
            When::Now => note.also.iter().for_each(|also| tx.also(also.clone())),
            When::Late => {
                let now = self.clock.now();
                for also in &note.also {
                    tx.also(Also { detail: late(also.detail.clone(), now), ..also.clone() });
                }
                detail = late(detail, now);
            }
        }
        Ok(tx.commit(detail, note.why.as_deref()).await?.epoch)
    }

    /// Its place in the journal, if it had one.
    async fn settle(&self, note: &CutNote, epoch: u64, rows: &dyn CutRows) -> Option<Slot> {
        loop {
            while let Err(error) = rows.settled(note, epoch).await {
                tracing::warn!(%error, act = note.rule().name, "memory could not be read again after a cut");
                // It stays cut in memory meanwhile.
                tokio::time::sleep(RETRY).await;
            }
            if let Settled::Ended(slot) = self.cuts.end_settled(&note.event) {
                return slot;
            }
        }
    }

    /// From the call on the disk has it to do, whether or not anybody hears the answer. One thing at a time: a disk that
    /// stands still holds one thread, and nobody who waits for it.
    fn on_disk<T, W>(self: &Arc<Self>, work: W) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Cuts) -> T + Send + 'static,
    {
        let store = Arc::clone(self);
        let done = tokio::spawn(async move {
            let turn = Arc::clone(&store.cuts.disk).lock_owned().await;
            let blocking = move || {
                let done = work(&store.cuts);
                drop(turn);
                done
            };
            tokio::task::spawn_blocking(blocking).await
        });
        async move {
            match tokio::time::timeout(JOURNAL_WITHIN, done).await {
                Ok(Ok(Ok(done))) => Ok(done),
                Ok(Ok(Err(_)) | Err(_)) => Err(StoreError::Closed),
                Err(_) => Err(StoreError::unwritable("the disk of the journal of cuts did not answer in time")),
            }
        }
    }

    /// From the call on the note waits, and the disk has it to do: whether or not anybody hears the answer.
    fn into_journal(self: &Arc<Self>, note: &Arc<CutNote>) -> impl Future<Output = Recorded> + Send + use<> {
        let (store, note) = (Arc::clone(self), Arc::clone(note));
        let append = store.cuts.begin_append(&note).then(|| {
            let noted = Arc::clone(&note);
            store.on_disk(move |cuts| cuts.append(&noted))
        });
        async move {
            // The disk has it to do already, or it needs it no more.
            let Some(append) = append else { return store.where_is(&note) };
            let error = match append.await {
                Ok(Ok(recorded)) => return recorded,
                Ok(Err(error)) | Err(error) => error,
            };
            let error: &dyn Error = &error;
            tracing::error!(error, act = note.rule().name, event = %note.event, "cut in memory alone: a restart before it is written brings back what was cut");
            Recorded::InMemory
        }
    }

    fn where_is(&self, note: &CutNote) -> Recorded {
        let found = self.waiting_cuts().into_iter().find(|(other, _)| other.event == note.event);
        found.map_or(Recorded::InDatabase, |(_, kept)| kept)
    }

    /// Writes every cut that waits. Whoever could give authority waits for it (`Store::write`), for a time that has an
    /// end: at the first that finds the database gone, the others wait on.
    ///
    /// # Errors
    /// `StoreError::Unwritable` when one of them still waits.
    pub async fn write_waiting_cuts(self: &Arc<Self>) -> Result<(), StoreError> {
        let wait = |source: Option<Cause>| StoreError::Unwritable { reason: "cuts wait for their record", source };
        let Ok(_one) = tokio::time::timeout(TURN_WITHIN, self.cuts.writing.lock()).await else {
            return Err(wait(None));
        };
        let Some(rows) = self.cuts.rows.get().and_then(Weak::upgrade) else {
            return Err(wait(None));
        };
        // First of all: however long the database takes, a restart keeps them cut.
        let unkept = self.cuts.waiting().into_iter().filter(|(_, slot)| slot.is_none());
        join_all(unkept.map(|(note, _)| self.into_journal(&note))).await;
        let (mut left, mut freed) = (None, Vec::new());
        for (note, _) in self.cuts.waiting() {
            match self.write_waiting(&note, &*rows).await {
                Ok(slot) => {
                    freed.extend(slot.map(|slot| self.on_disk(move |cuts| cuts.free(slot))));
                    tracing::info!(act = note.rule().name, event = %note.event, "a cut that waited is in the record");
                }
                Err(error) => {
                    let gone = is_gone(&*error) && !self.answers(&note).await;
                    left = Some(error);
                    if gone {
                        break;
                    }
                }
            }
        }
        // Their events stand: whatever is not freed yet, the disk frees later, or the next start.
        if join_all(freed).await.iter().any(Result::is_err) {
            tracing::warn!("entries of the journal of cuts were not freed yet");
        }
        left.map_or(Ok(()), |error| Err(wait(Some(Arc::from(error)))))
    }

    /// Whether the database is there: then what failed was in the way of that cut alone, a lock perhaps.
    async fn answers(&self, note: &CutNote) -> bool {
        matches!(tokio::time::timeout(ANSWERS_WITHIN, self.epoch(note.tenant())).await, Ok(Ok(_)))
    }

    /// One of them; its place in the journal, to be freed. Where memory is not read again, it waits on: its event is found
    /// the next time.
    async fn write_waiting(self: &Arc<Self>, note: &Arc<CutNote>, rows: &dyn CutRows) -> Result<Option<Slot>, Failed> {
        let written = tokio::time::timeout(LATE_WITHIN, self.write_cut(note, rows, When::Late)).await;
        let epoch = written.map_err(|_| StoreError::unwritable("the database did not answer in time"))??;
        let settled = tokio::time::timeout(LATE_WITHIN, self.settle(note, epoch, rows)).await;
        settled.map_err(|_| Failed::from("memory was not read again in time"))
    }

    /// Writes what waits, and tells the record of damage, until it is stopped.
    pub(crate) async fn cuts_loop(self: Arc<Self>) {
        let mut failures = 0_u32;
        loop {
            if !self.cuts.any_waits() && self.cuts.damaged().is_empty() {
                failures = 0;
                self.cuts.wake.notified().await;
            }
            if let Err(error) = self.write_late().await {
                failures += 1;
                // The first, then ever more rarely.
                if failures.is_power_of_two() {
                    let error: &dyn Error = &error;
                    tracing::error!(error, waiting = self.journal_state().waiting, "cuts could not be written yet");
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn write_late(self: &Arc<Self>) -> Result<(), StoreError> {
        self.note_damage().await?;
        if self.cuts.any_waits() { self.write_waiting_cuts().await } else { Ok(()) }
    }

    /// What was damaged may have been a cut: the record says so.
    async fn note_damage(self: &Arc<Self>) -> Result<(), StoreError> {
        let damaged = self.cuts.damaged();
        if damaged.is_empty() {
            return Ok(());
        }
        self.write_gap(json!({ "class": "cut", "blocks": damaged })).await?;
        let damaged = self.cuts.take_damaged();
        self.on_disk(move |cuts| cuts.clear(&damaged)).await
    }
}

/// Whether the database is not there, so that the next would find the same; else it is something in this cut.
fn is_gone(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(StoreError::is_unavailable) || error.source().is_some_and(is_gone)
}
