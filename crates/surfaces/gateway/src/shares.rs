//! Who may have how much of a node that has too little for all: requests are refused before work is done for them, and
//! nobody takes another's share.
//!
//! While there is room, anyone has as much as they ask for. The less is left, the less any one app, person or address may
//! hold: at most what is still free (an app), or a quarter of that (a person, a stranger's address). And when most
//! instances have waited for a processor for a while (a burst drains; a queue that stands is more work than the machine can
//! do), fewer and fewer are let in; of those, an app that holds more than its part gets no more. Who waits for an answer to
//! a call of its own uses no processor, and does not count there.

use authority::AppRef;
use std::{
    collections::HashMap,
    num::NonZero,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::available_parallelism,
    time::{Duration, Instant},
};

/// Instances that wait less for a processor did not meet a queue.
const SHORT: Duration = Duration::from_millis(2);
/// A queue that was never shorter for so long stands: it only makes everybody wait.
const STANDING: Duration = Duration::from_millis(500);
/// The same where it is known how many are too many: nobody takes it for a burst that drains.
const STANDING_AGAIN: Duration = Duration::from_millis(100);
/// Between two looks at whether fewer were few enough.
const SHRINK_EVERY: Duration = Duration::from_millis(100);
/// How many may always run at once for each processor, however slow it is.
const LEAST: usize = 8;
/// One more may run at once each time so long has passed without a wait.
const GROW_EVERY: Duration = Duration::from_millis(10);
/// The same for a while after they were made fewer, when one more is likely to be one too many.
const GROW_AGAIN_EVERY: Duration = Duration::from_millis(50);
/// That while.
const WARY: Duration = Duration::from_secs(1);
/// What was learned is forgotten by a node that has nothing to do after so long: the next burst may be a short one.
const KNOWN: Duration = Duration::from_secs(10);
/// Of what is free, the part that one person or one address may hold.
const ONE_OF_MANY: usize = 4;

/// Who holds requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    App(AppRef),
    /// A person, or the address of a stranger.
    Whom(String),
}

/// Requests on their way.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    all: usize,
    /// Those of them that wait for an answer to a call of their own.
    away: usize,
}

impl Count {
    const fn busy(self) -> usize {
        self.all - self.away
    }
}

#[derive(Debug)]
struct Held {
    total: Count,
    apps: usize,
    by: HashMap<Holder, Count>,
    /// How many the machine can do at once, as far as is known.
    can: usize,
    /// It is never less.
    least: usize,
    /// When that was changed last.
    changed: Instant,
    /// When they were made fewer, if ever.
    fewer: Option<Instant>,
    /// When an instance last waited for a short time only.
    short: Instant,
}

impl Held {
    /// Fewer by a fifth while a queue stands, one more after another while as many as can are there and there is none.
    fn learn(&mut self, most: usize, waited: Duration, now: Instant) {
        let (since, busy) = (now.saturating_duration_since(self.changed), self.total.busy());
        if self.total.all == 0 && since >= KNOWN {
            (self.can, self.changed) = (most, now);
        }
        if waited < SHORT {
            self.short = now;
        }
        let standing = if self.can < most { STANDING_AGAIN } else { STANDING };
        let wary = self.fewer.is_some_and(|fewer| now.saturating_duration_since(fewer) < WARY);
        let grow_every = if wary { GROW_AGAIN_EVERY } else { GROW_EVERY };
        if now.saturating_duration_since(self.short) >= standing {
            if since >= SHRINK_EVERY {
                (self.can, self.changed) = ((self.can.min(busy) * 4 / 5).max(self.least), now);
                self.fewer = Some(now);
            }
        } else if waited < SHORT / 2 && since >= grow_every && busy >= self.can {
            (self.can, self.changed) = ((self.can + 1).min(most), now);
        }
    }

    fn of(&self, holder: &Holder) -> Count {
        self.by.get(holder).copied().unwrap_or_default()
    }

    fn add(&mut self, holder: Holder) {
        let (is_app, count) = (matches!(holder, Holder::App(_)), self.by.entry(holder).or_default());
        count.all += 1;
        self.apps += usize::from(is_app && count.all == 1);
    }

    fn remove(&mut self, holder: &Holder) {
        if let Some(count) = self.by.get_mut(holder) {
            count.all -= 1;
            if count.all == 0 {
                self.by.remove(holder);
                self.apps -= usize::from(matches!(holder, Holder::App(_)));
            }
        }
    }

    /// Of the totals and of the app alone: what a person may hold asks for no processor.
    fn away(&mut self, app: &Holder, change: impl Fn(&mut usize)) {
        change(&mut self.total.away);
        if let Some(count) = self.by.get_mut(app) {
            change(&mut count.away);
        }
    }
}

/// All requests of one node that are on their way.
#[derive(Debug)]
pub(crate) struct Shares {
    most: usize,
    held: Mutex<Held>,
}

/// One request; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    app: Holder,
    whom: Holder,
    /// Of its own that wait for an answer; changed under the lock of all.
    calls: AtomicUsize,
}

/// A call of a request that waits for its answer; it has it when this is dropped.
#[derive(Debug)]
pub(crate) struct Away(Arc<Share>);

/// Whose share is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// The whole node's.
    Node,
    App,
    Whom,
    /// As many as the app may run, and as many again, are here.
    Parallel,
}

impl Shares {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Self::on(most, available_parallelism().map_or(1, NonZero::get))
    }

    fn on(most: usize, processors: usize) -> Arc<Self> {
        let most = most.max(ONE_OF_MANY);
        let held = Held {
            total: Count::default(),
            apps: 0,
            by: HashMap::new(),
            can: most,
            least: LEAST * processors,
            changed: Instant::now(),
            fewer: None,
            short: Instant::now(),
        };
        Arc::new(Self { most, held: Mutex::new(held) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `waited` is how long instances waited for a processor just now.
    pub(crate) fn enter(self: &Arc<Self>, app: &AppRef, whom: &str, waited: Duration) -> Result<Share, Crowded> {
        self.enter_at(app, whom, waited, Instant::now())
    }

    fn enter_at(self: &Arc<Self>, app: &AppRef, whom: &str, waited: Duration, now: Instant) -> Result<Share, Crowded> {
        let (app, whom) = (Holder::App(app.clone()), Holder::Whom(whom.to_owned()));
        let mut held = self.held();
        held.learn(self.most, waited, now);
        let free = self.most.saturating_sub(held.total.all);
        if free == 0 {
            return Err(Crowded::Node);
        }
        let of_app = held.of(&app);
        // With this one: who has nothing yet has a part coming.
        let (apps, busy) = (held.apps + usize::from(of_app.all == 0), held.total.busy());
        let too_many = busy >= held.can && of_app.busy() >= busy.div_ceil(apps.max(1)).max(1);
        if of_app.all >= free || too_many {
            return Err(Crowded::App);
        }
        if held.of(&whom).all >= (free / ONE_OF_MANY).max(1) {
            return Err(Crowded::Whom);
        }
        held.total.all += 1;
        held.add(app.clone());
        held.add(whom.clone());
        Ok(Share { shares: Arc::clone(self), app, whom, calls: AtomicUsize::new(0) })
    }
}

impl Share {
    /// One of its calls waits for an answer.
    pub(crate) fn away(self: Arc<Self>) -> Away {
        let mut held = self.shares.held();
        if self.calls.fetch_add(1, Relaxed) == 0 {
            held.away(&self.app, |away| *away += 1);
        }
        drop(held);
        Away(self)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let mut held = self.0.shares.held();
        if self.0.calls.fetch_sub(1, Relaxed) == 1 {
            held.away(&self.0.app, |away| *away -= 1);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held();
        held.total.all -= 1;
        held.remove(&self.app);
        held.remove(&self.whom);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AppId, Env};

    const AT_ONCE: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_millis(50);

    fn app(name: &str) -> AppRef {
        AppRef { id: AppId::new(name), env: Env::Prod }
    }

    fn as_many_as_get_in(
        shares: &Arc<Shares>,
        name: &str,
        whom: impl Fn(usize) -> String,
        waited: Duration,
    ) -> Vec<Share> {
        (0..1_000).map_while(|number| shares.enter(&app(name), &whom(number), waited).ok()).collect()
    }

    #[test]
    fn one_app_one_person_and_one_address_leave_room_for_others() {
        let shares = Shares::on(100, 1);
        let noisy = as_many_as_get_in(&shares, "noisy", |number| format!("p{number}"), AT_ONCE);
        assert_eq!(noisy.len(), 50);
        let neighbour = as_many_as_get_in(&shares, "quiet", |number| format!("q{number}"), AT_ONCE);
        assert_eq!(neighbour.len(), 25);
        assert_eq!(shares.enter(&app("noisy"), "ana", AT_ONCE).unwrap_err(), Crowded::App);
        drop((noisy, neighbour));
        let greedy = as_many_as_get_in(&shares, "quiet", |_| "ana".to_owned(), AT_ONCE);
        assert_eq!(greedy.len(), 20);
        assert_eq!(shares.enter(&app("other"), "ana", AT_ONCE).unwrap_err(), Crowded::Whom);
        assert!(shares.enter(&app("quiet"), "bo", AT_ONCE).is_ok());
        drop(greedy);
        let held = shares.held();
        assert_eq!((held.total.all, held.apps, held.by.len()), (0, 0, 0));
    }

    #[test]
    fn when_processors_are_short_whoever_holds_most_gets_no_more() {
        let shares = Shares::on(100, 1);
        let mut now = Instant::now() + SHRINK_EVERY;
        let mut noisy: Vec<Share> =
            (0..39).map(|n| shares.enter_at(&app("noisy"), &n.to_string(), AT_ONCE, now).unwrap()).collect();
        // A burst drains.
        now += STANDING / 2;
        noisy.push(shares.enter_at(&app("noisy"), "bo", LONG, now).unwrap());
        now += STANDING / 2;
        assert_eq!(shares.enter_at(&app("noisy"), "ana", LONG, now).unwrap_err(), Crowded::App);
        assert_eq!(shares.held().can, 32);
        let quiet: Vec<Share> =
            (0..5).map(|n| shares.enter_at(&app("quiet"), &n.to_string(), LONG, now).unwrap()).collect();
        // As long as they wait, fewer.
        for _ in 0..50 {
            now += SHRINK_EVERY;
            assert_eq!(shares.enter_at(&app("noisy"), "ana", LONG, now).unwrap_err(), Crowded::App);
        }
        assert_eq!(shares.held().can, LEAST);
        // Once they do not, one after another.
        noisy.truncate(2);
        drop(quiet);
        for number in 0..20 {
            now += GROW_AGAIN_EVERY;
            noisy.push(shares.enter_at(&app("noisy"), &format!("p{number}"), AT_ONCE, now).unwrap());
        }
        assert!(shares.held().can > LEAST);
        assert_eq!(shares.held().total.all, 22);
    }

    /// As long as a queue stands.
    fn queue(shares: &Arc<Shares>, now: &mut Instant) {
        for _ in 0..50 {
            *now += SHRINK_EVERY;
            drop(shares.enter_at(&app("any"), "any", LONG, *now));
        }
    }

    #[test]
    fn a_queue_counts_from_two_milliseconds_on() {
        let shares = Shares::on(100, 1);
        let mut now = Instant::now();
        let held: Vec<Share> =
            (0..40).map(|n| shares.enter_at(&app("one"), &n.to_string(), AT_ONCE, now).unwrap()).collect();
        let mut waits = |waited| {
            for _ in 0..20 {
                now += SHRINK_EVERY;
                drop(shares.enter_at(&app("one"), "ana", waited, now));
            }
            shares.held().can
        };
        assert_eq!(waits(SHORT / 2), 100);
        assert_eq!(waits(SHORT), LEAST);
        drop(held);
    }

    #[test]
    fn a_burst_after_a_rest_is_let_in_whatever_was_before() {
        let shares = Shares::on(100, 1);
        let mut now = Instant::now();
        let held = as_many_as_get_in(&shares, "noisy", |number| format!("p{number}"), AT_ONCE);
        queue(&shares, &mut now);
        assert_eq!(shares.held().can, LEAST);
        drop(held);
        // The crowd comes back at once: what was learned holds.
        let again: Vec<Share> = (0..40)
            .map_while(|number| shares.enter_at(&app("noisy"), &format!("q{number}"), AT_ONCE, now).ok())
            .collect();
        assert!(again.len() <= LEAST + 1, "{}", again.len());
        drop(again);
        now += KNOWN;
        let burst: Vec<Share> = (0..40)
            .map_while(|number| shares.enter_at(&app("noisy"), &format!("r{number}"), AT_ONCE, now).ok())
            .collect();
        assert_eq!(burst.len(), 40);
    }

    #[test]
    fn who_waits_for_an_answer_is_no_load_and_is_not_refused_for_anothers() {
        let shares = Shares::on(100, 1);
        let mut now = Instant::now();
        let slow: Vec<Arc<Share>> = as_many_as_get_in(&shares, "slow", |number| format!("s{number}"), AT_ONCE)
            .into_iter()
            .map(Arc::new)
            .take(30)
            .collect();
        // Two calls at once count once.
        let mut calls: Vec<Away> =
            slow.iter().flat_map(|share| [Arc::clone(share).away(), Arc::clone(share).away()]).collect();
        assert_eq!(shares.held().total.busy(), 0);
        let hog: Vec<Share> =
            (0..20).map(|n| shares.enter_at(&app("hog"), &format!("h{n}"), AT_ONCE, now).unwrap()).collect();
        queue(&shares, &mut now);
        assert_eq!(shares.enter_at(&app("hog"), "bo", LONG, now).unwrap_err(), Crowded::App);
        assert!(shares.enter_at(&app("slow"), "ana", LONG, now).is_ok());
        // With its answers it has as much to do as anyone.
        calls.truncate(2);
        assert_eq!(shares.held().total.busy(), 49);
        assert_eq!(shares.enter_at(&app("slow"), "ana", LONG, now).unwrap_err(), Crowded::App);
        drop((calls, hog, slow));
        let held = shares.held();
        assert_eq!((held.total.all, held.total.away, held.by.len()), (0, 0, 0));
    }

    #[test]
    fn a_full_node_refuses_everyone() {
        let shares = Shares::new(8);
        let mut held = Vec::new();
        for number in 0..8 {
            held.push(shares.enter(&app(&number.to_string()), &number.to_string(), AT_ONCE).unwrap());
        }
        assert_eq!(shares.enter(&app("another"), "another", AT_ONCE).unwrap_err(), Crowded::Node);
    }
}
