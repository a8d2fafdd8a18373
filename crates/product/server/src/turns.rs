//! Turns at what fills a machine: the files of an app that are held in memory, and those that the gates look at.
//!
//! Whoever comes next waits. Refuses whoever waited too long; nobody has more turns than one caller may, however many
//! requests they send, and while they wait for their own they are in nobody else's way.

use authority::Caller;
use model::{Problem, ProblemKind};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};
use tracing::Instrument as _;

/// The gates keep a processor busy for seconds: what serves apps has the others.
const AT_THE_GATES: usize = 2;
const AT_THE_GATES_OF_ONE: usize = 1;
/// Each with what was sent and what was in it, some 100 MiB at most.
const HELD: usize = 8;
const HELD_OF_ONE: usize = 2;
/// Long enough for a row of deploys, short enough that somebody still waits for the answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that there are turns at.
#[derive(Debug)]
pub(crate) struct Turns {
    held: Queue,
    gates: Queue,
}

impl Default for Turns {
    fn default() -> Self {
        Self { held: Queue::new(HELD, HELD_OF_ONE), gates: Queue::new(AT_THE_GATES, AT_THE_GATES_OF_ONE) }
    }
}

impl Turns {
    /// Waits until there is room for files of the caller in memory.
    ///
    /// # Errors
    /// There was none for a minute.
    pub(crate) async fn held(&self, caller: &Caller) -> Result<Turn, Problem> {
        self.held.turn(caller).await
    }

    /// Waits for a turn of the caller at the gates.
    ///
    /// # Errors
    /// None came for a minute.
    pub(crate) async fn at_the_gates(&self, caller: &Caller) -> Result<Turn, Problem> {
        self.gates.turn(caller).await
    }
}

/// So many turns at once, and so many of one caller.
#[derive(Debug)]
struct Queue {
    all: Arc<Semaphore>,
    /// Of callers who have a turn, or wait for one.
    own: Mutex<HashMap<String, Weak<Semaphore>>>,
    of_one: usize,
    patience: Duration,
}

/// One turn; over when the last of its copies is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    _held: Arc<[OwnedSemaphorePermit; 2]>,
}

impl Queue {
    fn new(all: usize, of_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), own: Mutex::default(), of_one, patience: PATIENCE }
    }

    async fn turn(&self, caller: &Caller) -> Result<Turn, Problem> {
        let own = self.own(caller.chain().join(" "));
        let waiting = async {
            let own = own.acquire_owned().await.ok()?;
            let one_of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Turn { _held: Arc::new([own, one_of_all]) })
        };
        timeout(self.patience, waiting).await.ok().flatten().ok_or_else(busy)
    }

    fn own(&self, who: String) -> Arc<Semaphore> {
        let mut all = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, own| own.strong_count() > 0);
        if let Some(own) = all.get(&who).and_then(Weak::upgrade) {
            return own;
        }
        let own = Arc::new(Semaphore::new(self.of_one));
        all.insert(who, Arc::downgrade(&own));
        own
    }
}

/// INVARIANT: a turn lasts as long as what is done in it, also when nobody waits for that any more: who goes away and comes
/// again does not have two.
impl Turn {
    /// On a thread for work that takes long.
    ///
    /// # Errors
    /// The work broke off.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.clone();
        let working = move || {
            let done = work();
            drop(turn);
            done
        };
        spawn_blocking(working).await.map_err(|_| Problem::internal())
    }

    /// The same, for work that waits in between.
    ///
    /// # Errors
    /// The work broke off.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.clone();
        let running = async move {
            let done = work.await;
            drop(turn);
            done
        };
        tokio::spawn(running.in_current_span()).await.map_err(|_| Problem::internal())
    }
}

fn busy() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "gates.busy",
        "the files of other apps are looked at, at this moment",
        "a server looks at few at once, and at those of one person one after the other",
        "send them again in a minute",
    )
    .later(PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use authority::Who;
    use futures_util::{FutureExt as _, poll};
    use model::TenantId;
    use std::{pin::pin, sync::mpsc};

    fn caller(name: &str) -> Caller {
        Caller::new(TenantId::main(), Who::Machine { system_user: name.into() })
    }

    #[tokio::test]
    async fn whoever_waits_too_long_is_told() {
        let turns = Queue { patience: Duration::ZERO, ..Queue::new(1, 1) };
        let held = turns.turn(&caller("a")).await.unwrap();
        let busy = turns.turn(&caller("b")).await.unwrap_err();
        assert_eq!((busy.code.as_str(), busy.retry_after_secs()), ("gates.busy", Some(60)));
        drop(held);
        assert!(turns.turn(&caller("b")).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_for_their_own_is_in_nobody_elses_way() {
        let turns = Queue::new(2, 1);
        let (a, b) = (caller("a"), caller("b"));
        let first = turns.turn(&a).await.unwrap();
        let mut second = pin!(turns.turn(&a));
        assert!(poll!(second.as_mut()).is_pending());
        let other = turns.turn(&b).now_or_never().unwrap().unwrap();
        drop(first);
        drop(second.await.unwrap());
        drop(other);
        assert_eq!(turns.all.available_permits(), 2);
        drop(turns.own("c".to_owned()));
        assert_eq!(turns.own.lock().unwrap().len(), 1, "who is gone is forgotten");
    }

    #[tokio::test]
    async fn a_turn_lasts_as_long_as_the_work_that_somebody_went_away_from() {
        let turns = Queue::new(1, 1);
        let (a, b) = (caller("a"), caller("b"));
        let (go_on, wait) = mpsc::channel::<()>();
        {
            let turn = turns.turn(&a).await.unwrap();
            let mut working = pin!(turn.work(move || wait.recv()));
            assert!(poll!(working.as_mut()).is_pending());
        }
        let mut next = pin!(turns.turn(&b));
        assert!(poll!(next.as_mut()).is_pending(), "it goes on, though nobody waits for it");
        go_on.send(()).unwrap();
        {
            let turn = next.await.unwrap();
            let mut running = pin!(turn.run(std::future::pending::<()>()));
            assert!(poll!(running.as_mut()).is_pending());
        }
        assert!(poll!(pin!(turns.turn(&a))).is_pending(), "the same of work that waits");
    }
}
