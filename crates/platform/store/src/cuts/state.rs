//! What stands: cuts that the database may not show yet, and the journal that some of them are in.

use super::{CutNote, CutRows, Recorded};
use crate::{
    Store, StoreError,
    journal::{Found, Journal, JournalError, Place, Room, Slot},
};
use model::EventId;
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// How far a cut has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Whoever made it is about to write it.
    UnderWay,
    /// It could not be written; in the journal if there is a place.
    Waits(Option<Slot>),
}

#[derive(Debug)]
struct Standing {
    note: Arc<CutNote>,
    stage: Stage,
    /// It was cut in memory once more, since somebody asked for it again.
    again: bool,
    /// The disk has it to do: where it will stand in the journal is not known yet.
    appending: bool,
}

impl Standing {
    const fn new(note: Arc<CutNote>, stage: Stage) -> Self {
        Self { note, stage, again: false, appending: false }
    }
}

/// What became of a cut whose rows memory has read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It stands no more; this place in the journal is to be freed.
    Ended(Option<Slot>),
    /// It was asked for again since, and is to be settled again.
    Again,
}

pub(crate) struct Cuts {
    standing: Mutex<Vec<Standing>>,
    /// How many of them wait: looked at before each act.
    waiting: AtomicUsize,
    journal: Mutex<Journal>,
    /// Whose turn it is at the journal's disk: whoever waits for one that stands still holds no thread.
    pub(crate) disk: Arc<tokio::sync::Mutex<()>>,
    /// The journal's, which may be asked while something is written to it.
    place: Place,
    damaged: Mutex<Vec<usize>>,
    pub(crate) rows: OnceLock<Weak<dyn CutRows>>,
    pub(crate) wake: Notify,
    /// One writes at a time.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Cuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cuts").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// What an operator is told of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalState {
    /// Cuts that wait to be written to the database.
    pub waiting: usize,
    /// How many of them the journal did not take: a restart would bring back what they cut.
    pub in_memory: usize,
    /// Blocks that hold something that is no entry.
    pub damaged: usize,
    /// Its file was removed or replaced: no start finds what is in it.
    pub away: bool,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cuts {
    /// Refuses what opens, so is an entry of ours, and says what only another version knows: it would not stay cut.
    pub(crate) fn new(journal: Journal, found: Found) -> Result<Self, StoreError> {
        let mut standing = Vec::new();
        for (slot, bytes) in found.entries {
            let note = CutNote::of_bytes(&bytes).ok_or(StoreError::NewerCut { block: slot.first() })?;
            standing.push(Standing::new(Arc::new(note), Stage::Waits(Some(slot))));
        }
        let damaged = found.damaged;
        if !damaged.is_empty() {
            tracing::error!(blocks = ?damaged, "the journal of cuts holds what is no entry: a cut may be lost");
        }
        Ok(Self {
            waiting: AtomicUsize::new(standing.len()),
            standing: Mutex::new(standing),
            place: journal.place().clone(),
            journal: Mutex::new(journal),
            disk: Arc::default(),
            damaged: Mutex::new(damaged),
            rows: OnceLock::new(),
            wake: Notify::new(),
            writing: tokio::sync::Mutex::new(()),
        })
    }

    pub(crate) fn any_waits(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// The cut stands from now on. The one of the same thing that stands already, if there is one.
    pub(crate) fn begin(&self, note: &Arc<CutNote>) -> Option<Arc<CutNote>> {
        let mut standing = lock(&self.standing);
        let same = standing.iter().find(|other| other.note.is_as(note) && matches!(other.stage, Stage::Waits(_)));
        if let Some(same) = same {
            return Some(Arc::clone(&same.note));
        }
        standing.push(Standing::new(Arc::clone(note), Stage::UnderWay));
        None
    }

    /// It stands already, and was cut in memory once more: memory is to be read again after this.
    pub(crate) fn again(&self, same: &Arc<CutNote>) {
        self.edit(|standing| match standing.iter_mut().find(|one| one.note.event == same.event) {
            Some(one) => one.again = true,
            // It ended meanwhile. Whoever writes late finds its event.
            None => standing.push(Standing::new(Arc::clone(same), Stage::Waits(None))),
        });
        self.wake.notify_one();
    }

    pub(crate) fn end(&self, event: &EventId) {
        self.edit(|standing| standing.retain(|one| one.note.event != *event));
    }

    /// The same of one that was settled, unless it was asked for again since.
    pub(crate) fn end_settled(&self, event: &EventId) -> Settled {
        let mut settled = Settled::Ended(None);
        self.edit(|standing| {
            let Some(at) = standing.iter().position(|one| one.note.event == *event) else { return };
            if let Some(one) = standing.get_mut(at)
                && std::mem::take(&mut one.again)
            {
                settled = Settled::Again;
                return;
            }
            settled = match standing.remove(at).stage {
                Stage::Waits(slot) => Settled::Ended(slot),
                Stage::UnderWay => Settled::Ended(None),
            };
        });
        settled
    }

    /// It waits, with what its event says now.
    pub(crate) fn wait(&self, note: Arc<CutNote>) {
        self.edit(|standing| {
            standing.retain(|one| one.note.event != note.event);
            standing.push(Standing::new(note, Stage::Waits(None)));
        });
        self.wake.notify_one();
    }

    /// It waits from now on, and the disk is told to take it, once: whether that is to be done.
    pub(crate) fn begin_append(&self, note: &Arc<CutNote>) -> bool {
        let mut begun = false;
        self.edit(|standing| {
            let Some(one) = standing.iter_mut().find(|one| one.note.event == note.event) else { return };
            if one.stage == Stage::UnderWay {
                (one.note, one.stage) = (Arc::clone(note), Stage::Waits(None));
            }
            begun = one.stage == Stage::Waits(None) && !one.appending;
            one.appending |= begun;
        });
        if begun {
            self.wake.notify_one();
        }
        begun
    }

    /// The disk has done with it: its place, if there is one. Whether it stands yet.
    fn end_append(&self, event: &EventId, slot: Option<Slot>) -> bool {
        let mut stands = false;
        self.edit(|standing| {
            let Some(one) = standing.iter_mut().find(|one| one.note.event == *event) else { return };
            (stands, one.appending) = (true, false);
            one.stage = Stage::Waits(slot);
        });
        stands
    }

    fn edit(&self, edit: impl FnOnce(&mut Vec<Standing>)) {
        let mut standing = lock(&self.standing);
        edit(&mut standing);
        let waiting = standing.iter().filter(|one| matches!(one.stage, Stage::Waits(_))).count();
        self.waiting.store(waiting, Ordering::Release);
    }

    pub(crate) fn all(&self) -> Vec<Arc<CutNote>> {
        lock(&self.standing).iter().map(|one| Arc::clone(&one.note)).collect()
    }

    /// Those that wait, oldest first, with their place in the journal.
    pub(crate) fn waiting(&self) -> Vec<(Arc<CutNote>, Option<Slot>)> {
        let standing = lock(&self.standing);
        let waits = |one: &Standing| match one.stage {
            Stage::Waits(slot) => Some((Arc::clone(&one.note), slot)),
            Stage::UnderWay => None,
        };
        let mut waiting: Vec<_> = standing.iter().filter_map(waits).collect();
        waiting.sort_by_key(|(note, _)| note.at);
        waiting
    }

    /// Blocks on the disk. What is in the record by then needs no place.
    pub(crate) fn append(&self, note: &CutNote) -> Result<Recorded, StoreError> {
        let stage = lock(&self.standing).iter().find(|one| one.note.event == note.event).map(|one| one.stage);
        match stage {
            None => return Ok(Recorded::InDatabase),
            // Somebody else has it written by now.
            Some(Stage::Waits(Some(_))) => return Ok(Recorded::InJournal),
            Some(Stage::Waits(None) | Stage::UnderWay) => {}
        }
        let appended = self.entry(note);
        let slot = appended.as_ref().ok().copied();
        if !self.end_append(&note.event, slot) {
            if let Some(slot) = slot {
                self.free(slot);
            }
            return Ok(Recorded::InDatabase);
        }
        appended.map(|_| Recorded::InJournal)
    }

    fn entry(&self, note: &CutNote) -> Result<Slot, StoreError> {
        let room = if note.is_common() { Room::Shared } else { Room::All };
        lock(&self.journal).append(&note.to_bytes()?, room).map_err(|error| match error {
            JournalError::Full => StoreError::unwritable("the journal of cuts is full"),
            JournalError::Away => StoreError::unwritable("the journal of cuts was removed or replaced"),
            JournalError::Io(error) => StoreError::journal(error),
        })
    }

    /// Blocks on the disk.
    pub(crate) fn free(&self, slot: Slot) {
        if let Err(error) = lock(&self.journal).free(slot) {
            // Its event stands: at the next start it is seen to, and freed then.
            tracing::warn!(%error, "an entry of the journal of cuts could not be freed");
        }
    }

    /// What is damaged, until the record says so and takes it from here.
    pub(crate) fn damaged(&self) -> Vec<usize> {
        lock(&self.damaged).clone()
    }

    pub(crate) fn take_damaged(&self) -> Vec<usize> {
        std::mem::take(&mut *lock(&self.damaged))
    }

    /// Blocks on the disk.
    pub(crate) fn clear(&self, damaged: &[usize]) {
        if let Err(error) = lock(&self.journal).clear(damaged) {
            tracing::warn!(%error, "damaged blocks of the journal of cuts could not be cleared");
        }
    }

    fn state(&self) -> JournalState {
        let waiting = self.waiting();
        let away = self.place.is_away();
        let in_memory = waiting.iter().filter(|(_, slot)| away || slot.is_none()).count();
        JournalState { waiting: waiting.len(), in_memory, damaged: lock(&self.damaged).len(), away }
    }
}

impl Store {
    /// Every cut that the database may not show yet, in no order: what is read into memory must show each of them.
    #[must_use]
    pub fn standing(&self) -> Vec<Arc<CutNote>> {
        self.cuts.all()
    }

    /// Those of them that could not be written yet, oldest first, with where they are kept until then.
    #[must_use]
    pub fn waiting_cuts(&self) -> Vec<(Arc<CutNote>, Recorded)> {
        let away = self.cuts.place.is_away();
        let kept = |slot: Option<Slot>| match slot {
            Some(_) if !away => Recorded::InJournal,
            Some(_) | None => Recorded::InMemory,
        };
        self.cuts.waiting().into_iter().map(|(note, slot)| (note, kept(slot))).collect()
    }

    /// How it is with cuts that could not be written.
    #[must_use]
    pub fn journal_state(&self) -> JournalState {
        self.cuts.state()
    }
}
