//! What is left of a draft when its time is over: the files, as they were tried, until whoever tried them gives them up.
//!
//! In memory, and of each person the newest alone. Refuses to grow: past a number of people, the oldest goes.

use super::{TryApp, draft::Trial};
use bytes::Bytes;
use model::{PersonId, Tier};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Each is an archive of half a megabyte at most.
const PEOPLE_MAX: usize = 32;

/// Files that were tried, as their archive.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) label: String,
    pub(crate) app: String,
    pub(crate) tier: Tier,
    pub(crate) carried: Bytes,
    /// The file that was open.
    pub(crate) open: String,
    /// Who may see them: whoever may still try them.
    pub(super) act: TryApp,
}

/// The newest of each person, the oldest first.
type Newest = VecDeque<(PersonId, Arc<Left>)>;

#[derive(Clone, Default)]
pub(super) struct Leavings(Arc<Mutex<Newest>>);

impl Leavings {
    fn all(&self) -> MutexGuard<'_, Newest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is tried now, in place of what the same person tried before.
    pub(super) fn keep(&self, person: &PersonId, trial: &Trial) {
        let mut all = self.all();
        all.retain(|(other, _)| other != person);
        let Some(carried) = trial.carried.clone() else { return };
        let Trial { label, app, tier, open, act, .. } = trial;
        let left =
            Left { label: label.clone(), app: app.clone(), tier: *tier, carried, open: open.clone(), act: act.clone() };
        all.push_back((person.clone(), Arc::new(left)));
        if all.len() > PEOPLE_MAX {
            all.pop_front();
        }
    }

    pub(super) fn of(&self, label: &str, person: &PersonId) -> Option<Arc<Left>> {
        let all = self.all();
        all.iter().find(|(other, left)| other == person && left.label == label).map(|(_, left)| Arc::clone(left))
    }

    pub(super) fn give_up(&self, label: &str, person: &PersonId) {
        self.all().retain(|(other, left)| other != person || left.label != label);
    }
}
