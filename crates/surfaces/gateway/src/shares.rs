//! Who may have how much of a node that has too little for all: requests are refused before work is done for them, and
//! nobody takes another's share.
//!
//! While there is room, anyone has as much as they ask for. The less is left, the less any one app, person or address may
//! hold: at most what is still free (an app), or a quarter of that (a person, a stranger's address). And while instances
//! wait too long for a processor, fewer and fewer are let in; of those, an app that holds more than its part gets no more.

use authority::AppRef;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// An instance that waits this long for a processor waits too long: there is more work than the machine can do.
const TOO_LONG: Duration = Duration::from_millis(100);
/// How many may always run at once, however slow the machine is.
const LEAST: usize = 8;
/// One more may run at once each time so long has passed without a wait.
const GROW_EVERY: Duration = Duration::from_millis(10);
/// Of what is free, the part that one person or one address may hold.
const ONE_OF_MANY: usize = 4;

/// Who holds requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    App(AppRef),
    /// A person, or the address of a stranger.
    Whom(String),
}

#[derive(Debug)]
struct Held {
    all: usize,
    apps: usize,
    by: HashMap<Holder, usize>,
    /// How many the machine can do at once, as far as is known.
    can: usize,
    /// When that was changed last.
    changed: Instant,
}

impl Held {
    /// Fewer by a fifth while instances wait too long, one more after another while as many as can are there and do not.
    fn learn(&mut self, most: usize, waited: Duration, now: Instant) {
        let since = now.saturating_duration_since(self.changed);
        if waited >= TOO_LONG && since >= TOO_LONG {
            (self.can, self.changed) = ((self.can.min(self.all) * 4 / 5).max(LEAST), now);
        } else if waited < TOO_LONG && since >= GROW_EVERY && self.all >= self.can {
            (self.can, self.changed) = ((self.can + 1).min(most), now);
        }
    }

    fn of(&self, holder: &Holder) -> usize {
        self.by.get(holder).copied().unwrap_or(0)
    }

    fn add(&mut self, holder: Holder) {
        let (is_app, count) = (matches!(holder, Holder::App(_)), self.by.entry(holder).or_default());
        *count += 1;
        self.apps += usize::from(is_app && *count == 1);
    }

    fn remove(&mut self, holder: &Holder) {
        if let Some(count) = self.by.get_mut(holder) {
            *count -= 1;
            if *count == 0 {
                self.by.remove(holder);
                self.apps -= usize::from(matches!(holder, Holder::App(_)));
            }
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
    holders: [Holder; 2],
}

/// Whose share is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// The whole node's.
    Node,
    App,
    Whom,
}

impl Shares {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let most = most.max(ONE_OF_MANY);
        let held = Held { all: 0, apps: 0, by: HashMap::new(), can: most, changed: Instant::now() };
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
        let free = self.most.saturating_sub(held.all);
        if free == 0 {
            return Err(Crowded::Node);
        }
        let of_app = held.of(&app);
        // With this one: who has nothing yet has a part coming.
        let apps = held.apps + usize::from(of_app == 0);
        let part = if held.all < held.can { free } else { held.all.div_ceil(apps.max(1)).max(1).min(free) };
        if of_app >= part {
            return Err(Crowded::App);
        }
        if held.of(&whom) >= (free / ONE_OF_MANY).max(1) {
            return Err(Crowded::Whom);
        }
        held.all += 1;
        held.add(app.clone());
        held.add(whom.clone());
        Ok(Share { shares: Arc::clone(self), holders: [app, whom] })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held();
        held.all -= 1;
        for holder in &self.holders {
            held.remove(holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AppId, Env};

    const AT_ONCE: Duration = Duration::ZERO;

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
        let shares = Shares::new(100);
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
        assert_eq!((held.all, held.apps, held.by.len()), (0, 0, 0));
    }

    #[test]
    fn when_processors_are_short_whoever_holds_most_gets_no_more() {
        let shares = Shares::new(100);
        let mut now = Instant::now() + TOO_LONG;
        let mut noisy: Vec<Share> =
            (0..40).map(|n| shares.enter_at(&app("noisy"), &n.to_string(), AT_ONCE, now).unwrap()).collect();
        assert_eq!(shares.enter_at(&app("noisy"), "ana", TOO_LONG, now).unwrap_err(), Crowded::App);
        assert_eq!(shares.held().can, 32);
        let quiet: Vec<Share> =
            (0..5).map(|n| shares.enter_at(&app("quiet"), &n.to_string(), TOO_LONG, now).unwrap()).collect();
        // As long as they wait, fewer.
        for _ in 0..50 {
            now += TOO_LONG;
            assert_eq!(shares.enter_at(&app("noisy"), "ana", TOO_LONG, now).unwrap_err(), Crowded::App);
        }
        assert_eq!(shares.held().can, LEAST);
        // Once they do not, one after another.
        noisy.truncate(2);
        drop(quiet);
        for number in 0..20 {
            now += GROW_EVERY;
            noisy.push(shares.enter_at(&app("noisy"), &format!("p{number}"), AT_ONCE, now).unwrap());
        }
        assert!(shares.held().can > LEAST);
        assert_eq!(shares.held().all, 22);
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
