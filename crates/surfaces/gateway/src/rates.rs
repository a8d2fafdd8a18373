//! How often: per user, address, app and route as the manifest says, and per address before sign-in. No span of time sees
//! more than the limit, wherever it begins (`store::Window`).
//!
//! With one node (SQLite) it is counted here, in memory; with a database that others share, there (`allowances.rs`).
//! Refuses to grow with what callers make up: past a number of keys, those at rest are forgotten, and when none is, new
//! ones count together.

use crate::{Gateway, allowances::Taken, pages, unshared};
use model::{
    Problem,
    manifest::{LimitBy, RateLimit},
};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use store::{Allowance, Drawer, Window};

/// Keys of one limit: at some 150 bytes each. Whoever comes beyond counts together with all others who do.
const KEYS_MAX: usize = 100_000;
/// Counted apart, so that requests rarely wait for each other.
const PARTS: usize = 16;
/// Between two looks for keys at rest, in microseconds: a part that is full is not searched for each one who comes.
const LOOK_EVERY_US: u64 = 1_000_000;
/// Where those count who come when there is no room for another key.
const TOGETHER: &str = "\0together";

/// Over a limit: which, and when to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) limit: String,
    pub(crate) wait: Duration,
}

/// What one request counts as.
pub(crate) struct Counted<'a> {
    /// The person, or for strangers their address.
    pub(crate) user: &'a str,
    pub(crate) address: IpAddr,
    pub(crate) route: &'a str,
    pub(crate) drawer: Drawer,
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    Over(Over),
    /// The database that counts for all nodes does not answer.
    Uncounted,
}

/// One limit and its counts on this node.
pub(crate) struct Rate {
    limit: RateLimit,
    began: Instant,
    hasher: RandomState,
    parts: [Mutex<Part>; PARTS],
}

#[derive(Debug, Default)]
struct Part {
    windows: HashMap<String, Window>,
    looked_at_us: Option<u64>,
}

impl Part {
    /// Whether another key fits in, after those at rest were forgotten.
    fn has_room(&mut self, allowance: Allowance, now: u64) -> bool {
        let full = |part: &Self| part.windows.len() >= KEYS_MAX / PARTS;
        let again = self.looked_at_us.is_none_or(|at| now.saturating_sub(at) >= LOOK_EVERY_US);
        if full(self) && again {
            self.looked_at_us = Some(now);
            self.windows.retain(|_, window| !window.is_at_rest(allowance, now));
        }
        !full(self)
    }
}

impl std::fmt::Debug for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rate").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Rate {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let parts = std::array::from_fn(|_| Mutex::default());
        Self { limit, began: Instant::now(), hasher: RandomState::new(), parts }
    }

    /// Counts one; how many that makes, of those that count at this moment. Where others count with it, nobody knows.
    pub(crate) fn check(&self, key: &str) -> Result<Option<u32>, Over> {
        let (allowance, now) = (allowance(&self.limit), self.began.elapsed());
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let part = usize::try_from(self.hasher.hash_one(key)).unwrap_or(usize::MAX) % PARTS;
        let Some(part) = self.parts.get(part) else { return Ok(None) };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        let known = part.windows.contains_key(key);
        let alone = known || part.has_room(allowance, now);
        let key = if alone { key } else { TOGETHER };
        let window = match part.windows.get_mut(key) {
            Some(window) => window,
            None => part.windows.entry(key.to_owned()).or_default(),
        };
        match window.take(allowance, 1, now) {
            Ok(_) => Ok(alone.then(|| allowance.count.saturating_sub(window.left(allowance, now)))),
            Err(wait) => Err(Over { limit: self.limit.words(), wait }),
        }
    }
}

pub(crate) fn allowance(limit: &RateLimit) -> Allowance {
    Allowance { count: limit.count.max(1), per: limit.per }
}

/// All limits of one app.
#[derive(Debug, Default)]
pub(crate) struct Rates(Vec<Rate>);

impl Rates {
    pub(crate) fn new(limits: &[RateLimit]) -> Self {
        Self(limits.iter().copied().map(Rate::new).collect())
    }

    pub(crate) fn limits(&self) -> impl Iterator<Item = RateLimit> + '_ {
        self.0.iter().map(|rate| rate.limit)
    }
}

impl Gateway {
    /// Counts one request of an app towards each of its limits.
    pub(crate) async fn count(&self, app: &str, rates: &Rates, counted: &Counted<'_>) -> Result<(), Turn> {
        for rate in &rates.0 {
            let key = match rate.limit.by {
                LimitBy::User => counted.user.to_owned(),
                LimitBy::Address => network(counted.address),
                LimitBy::App => String::new(),
                LimitBy::Route => counted.route.to_owned(),
            };
            // One key of an app is drawn for once at a time, whoever comes; addresses are as many as somebody likes.
            let drawer = match rate.limit.by {
                LimitBy::User | LimitBy::Address => counted.drawer,
                LimitBy::App | LimitBy::Route => Drawer::Known,
            };
            self.count_one(app, rate, &key, drawer).await?;
        }
        Ok(())
    }

    /// One request of an address that is not signed in: the first few on this node alone, the others out of what all nodes
    /// draw from.
    pub(crate) async fn count_stranger(&self, address: IpAddr) -> Result<(), Turn> {
        let (rate, key) = (&self.strangers, network(address));
        let came = rate.check(&key).map_err(Turn::Over)?;
        if self.allowances.is_none() {
            return Ok(());
        }
        let nodes = self.lease.nodes_within(unshared::span(rate.limit.per));
        if came.is_some_and(|came| came <= unshared::here(rate.limit.count, nodes)) {
            return Ok(());
        }
        let shared = Allowance { count: unshared::shared(rate.limit.count, nodes), per: rate.limit.per };
        self.draw_one("strangers", rate, shared, &key, Drawer::Stranger).await
    }

    /// Counts a session that the console does not remember, by the address that brought it: made-up ones make the
    /// database answer so often alone. On this node: a question to all of them would be the database's to answer, too. Not
    /// with the strangers at apps, who keep nobody from the console.
    ///
    /// # Errors
    /// It was once too often; when to come back.
    pub fn count_unknown(&self, address: IpAddr) -> Result<(), Box<Problem>> {
        self.unknown.check(&network(address)).map(drop).map_err(|over| {
            let page = *pages::over_limit(&over.limit, over.wait);
            Box::new(page.problem)
        })
    }

    /// Counts one towards one limit: here with one node, else with all.
    async fn count_one(&self, scope: &str, rate: &Rate, key: &str, drawer: Drawer) -> Result<(), Turn> {
        if self.allowances.is_none() {
            return rate.check(key).map(drop).map_err(Turn::Over);
        }
        self.draw_one(scope, rate, allowance(&rate.limit), key, drawer).await
    }

    async fn draw_one(
        &self,
        scope: &str,
        rate: &Rate,
        shared: Allowance,
        key: &str,
        drawer: Drawer,
    ) -> Result<(), Turn> {
        let Some(allowances) = &self.allowances else { return Ok(()) };
        let limit = rate.limit.words();
        match allowances.take(&format!("{scope}\0{limit}\0{key}"), shared, drawer).await {
            Taken::One => Ok(()),
            Taken::Over(wait) => Err(Turn::Over(Over { limit, wait })),
            Taken::Unanswered => Err(Turn::Uncounted),
        }
    }
}

/// One household or machine: an IPv4 address, or the /64 of an IPv6 one.
pub(crate) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(count: u32, secs: u64, by: LimitBy) -> Rate {
        Rate::new(RateLimit { count, per: Duration::from_secs(secs), by })
    }

    #[test]
    fn each_key_has_counts_of_its_own_and_never_more_than_the_limit() {
        let by_user = rate(2, 3600, LimitBy::User);
        assert!(by_user.check("ana").is_ok() && by_user.check("ana").is_ok());
        let over = by_user.check("ana").unwrap_err();
        assert_eq!(over.limit, "2 requests an hour per user");
        assert!(over.wait > Duration::from_secs(3590) && over.wait <= Duration::from_secs(3600), "{:?}", over.wait);
        assert!(by_user.check("bo").is_ok());
        assert!(rate(10_000_000, 1, LimitBy::App).check("").is_ok());
    }

    #[test]
    fn whoever_counts_with_others_has_no_number() {
        let strangers = rate(120, 60, LimitBy::Address);
        let came: Vec<_> = (0..3).map(|_| strangers.check("often").unwrap()).collect();
        assert_eq!(came, [Some(1), Some(2), Some(3)]);
        for address in 0..KEYS_MAX * 2 {
            drop(strangers.check(&address.to_string()));
        }
        let late = (0..100).map(|address| strangers.check(&format!("late {address}")).unwrap_or(None));
        assert!(late.into_iter().all(|came| came.is_none()));
    }

    #[test]
    fn a_household_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn made_up_keys_fill_no_memory_and_open_no_door() {
        let by_address = rate(1, 3600, LimitBy::Address);
        let let_in = (0..KEYS_MAX * 2).filter(|number| by_address.check(&number.to_string()).is_ok()).count();
        assert!(let_in <= KEYS_MAX + PARTS, "{let_in}");
        let kept: usize = by_address.parts.iter().map(|part| part.lock().unwrap().windows.len()).sum();
        assert!(kept <= KEYS_MAX + PARTS, "{kept}");
    }
}
