//! The places of drafts: each is a whole server, and one machine runs few.
//!
//! INVARIANT: who has a place has it before anything of the draft is started, and until all of it is gone; one person has
//! one server, however often they press. Refuses more people at once than there are places.

use super::{Trial, left::Leavings};
use futures_util::future::join_all;
use model::{PersonId, Problem, ProblemKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Each is a whole server: a few hundred files open, some tens of MiB.
const AT_ONCE_MAX: usize = 4;

/// Drafts that are tried now, by the first label of their host.
#[derive(Clone, Default)]
pub(crate) struct Trials {
    taken: Arc<Mutex<BTreeMap<String, Taken>>>,
    pub(super) left: Leavings,
}

/// A place that somebody has.
struct Taken {
    person: PersonId,
    /// Whoever has it is to go.
    over: CancellationToken,
    /// All of it is gone.
    gone: CancellationToken,
    /// What runs there; nothing while it begins.
    trial: Option<Arc<Trial>>,
}

/// One place; free again when this is dropped.
pub(super) struct Place {
    trials: Trials,
    pub(super) label: String,
    /// Ends what runs there.
    pub(super) over: CancellationToken,
    gone: CancellationToken,
    /// What the same person tried before, until it is gone.
    before: Vec<CancellationToken>,
}

impl Trials {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one at that label, whoever began it.
    pub(super) fn at(&self, label: &str) -> Option<Arc<Trial>> {
        self.all().get(label).filter(|taken| !taken.over.is_cancelled()).and_then(|taken| taken.trial.clone())
    }

    /// Ends all; what still runs of them comes to its end.
    pub(crate) fn end_all(&self) {
        self.all().values().for_each(|taken| taken.over.cancel());
    }

    /// Takes a place. Nobody tries two things at once: what the same person tried before ends.
    pub(super) fn take(&self, label: &str, person: &PersonId) -> Result<Place, Problem> {
        let mut all = self.all();
        let others: BTreeSet<&PersonId> =
            all.values().map(|taken| &taken.person).filter(|other| *other != person).collect();
        if others.len() >= AT_ONCE_MAX {
            return Err(too_many());
        }
        let own = all.values().filter(|taken| taken.person == *person);
        let before = own.map(|taken| {
            taken.over.cancel();
            taken.gone.clone()
        });
        let (before, over, gone) = (before.collect(), CancellationToken::new(), CancellationToken::new());
        let taken = Taken { person: person.clone(), over: over.clone(), gone: gone.clone(), trial: None };
        all.insert(label.to_owned(), taken);
        Ok(Place { trials: self.clone(), label: label.to_owned(), over, gone, before })
    }
}

impl Place {
    /// Waits until what the same person tried before is gone.
    ///
    /// # Errors
    /// Something newer took its turn meanwhile; then it waits no longer, with all that it holds.
    pub(super) async fn turn(&self) -> Result<(), Problem> {
        let gone = join_all(self.before.iter().map(CancellationToken::cancelled));
        tokio::select! {
            biased;
            () = self.over.cancelled() => {}
            _ = gone => {}
        }
        self.wanted()
    }

    /// Whether nobody has ended it yet.
    pub(super) fn wanted(&self) -> Result<(), Problem> {
        if self.over.is_cancelled() { Err(replaced()) } else { Ok(()) }
    }

    /// It runs: its host answers from now on.
    pub(super) fn runs(&self, trial: Arc<Trial>) {
        if let Some(taken) = self.trials.all().get_mut(&self.label) {
            self.trials.left.keep(&taken.person, &trial);
            taken.trial = Some(trial);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.over.cancel();
        let taken = self.trials.all().remove(&self.label);
        // Not under the lock: a whole server may go with it.
        drop(taken);
        self.gone.cancel();
    }
}

fn too_many() -> Problem {
    Problem::new(
        ProblemKind::Limited,
        "try.too_many",
        "others are trying drafts at this moment",
        format!("this server runs {AT_ONCE_MAX} at once, each for a quarter of an hour"),
        "wait some minutes, or try it on your own machine with `bailiwick dev`",
    )
}

fn replaced() -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "try.replaced",
        "this draft was ended before it ran",
        "you began another one, or may not try it any more",
        "look at the newer one, or try it again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn person(number: usize) -> PersonId {
        PersonId::new(format!("p{number}"))
    }

    #[test]
    fn no_more_people_than_places_and_a_place_frees_itself() {
        let trials = Trials::default();
        let mut held: Vec<Place> =
            (0..AT_ONCE_MAX).map(|number| trials.take(&format!("d{number}"), &person(number)).unwrap()).collect();
        let refused = trials.take("more", &person(9)).err().unwrap();
        assert_eq!(refused.code, "try.too_many");
        assert!(held.iter().all(|place| place.wanted().is_ok()), "nobody else's is ended by it");
        drop(held.pop());
        assert!(trials.take("more", &person(9)).is_ok());
        assert_eq!(trials.all().len(), AT_ONCE_MAX - 1, "what was dropped is free");
    }

    #[test]
    fn of_one_person_the_newest_goes_on_once_the_others_are_gone() {
        let trials = Trials::default();
        let first = trials.take("a", &person(1)).unwrap();
        assert!(first.turn().now_or_never().unwrap().is_ok());
        let (second, third) = (trials.take("b", &person(1)).unwrap(), trials.take("c", &person(1)).unwrap());
        assert!(first.wanted().is_err(), "it is to go");
        assert!(third.turn().now_or_never().is_none(), "the first is not gone yet");
        assert_eq!(second.turn().now_or_never().unwrap().unwrap_err().code, "try.replaced", "it waits no longer");
        drop(second);
        assert!(third.turn().now_or_never().is_none());
        drop(first);
        assert!(third.turn().now_or_never().unwrap().is_ok());
    }
}
