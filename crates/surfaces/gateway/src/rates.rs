//! How often: per user, address, app and route as the manifest says, and per address before sign-in (GCRA).
//!
//! Refuses to grow with what callers make up: past a number of keys, those that are at rest are forgotten.

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::keyed::DefaultKeyedStateStore,
};
use model::manifest::{LimitBy, RateLimit};
use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Keys of one limit: at some 100 bytes each.
const KEYS_MAX: usize = 50_000;
/// Between looks at the number of keys, in checks.
const LOOK_EVERY: u32 = 1024;

type Keyed = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock>;

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
}

/// One limit and its counts.
pub(crate) struct Rate {
    limit: RateLimit,
    keyed: Keyed,
    checks: AtomicU32,
}

impl std::fmt::Debug for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rate").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Rate {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let burst = NonZeroU32::new(limit.count).unwrap_or(NonZeroU32::MIN);
        let every = limit.per / burst.get();
        let quota = Quota::with_period(every.max(Duration::from_nanos(1))).unwrap_or(Quota::per_minute(burst));
        Self { limit, keyed: Keyed::keyed(quota.allow_burst(burst)), checks: AtomicU32::new(0) }
    }

    /// Counts one.
    pub(crate) fn check(&self, key: String) -> Result<(), Over> {
        if self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK_EVERY) && self.keyed.len() > KEYS_MAX {
            self.keyed.retain_recent();
        }
        self.keyed.check_key(&key).map_err(|until| Over {
            limit: words(&self.limit),
            wait: until.wait_time_from(DefaultClock::default().now()),
        })
    }
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

    pub(crate) fn check(&self, counted: &Counted<'_>) -> Result<(), Over> {
        for rate in &self.0 {
            rate.check(match rate.limit.by {
                LimitBy::User => counted.user.to_owned(),
                LimitBy::Address => network(counted.address),
                LimitBy::App => String::new(),
                LimitBy::Route => counted.route.to_owned(),
            })?;
        }
        Ok(())
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

/// `60 requests a minute per user`.
pub(crate) fn words(limit: &RateLimit) -> String {
    let per = match limit.per.as_secs() {
        1 => "a second",
        60 => "a minute",
        _ => "an hour",
    };
    let by = match limit.by {
        LimitBy::User => "user",
        LimitBy::Address => "address",
        LimitBy::App => "app",
        LimitBy::Route => "route",
    };
    let requests = if limit.count == 1 { "request" } else { "requests" };
    format!("{} {requests} {per} per {by}", limit.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(limits: &[(u32, u64, LimitBy)]) -> Rates {
        let limit = |&(count, secs, by): &(u32, u64, LimitBy)| RateLimit { count, per: Duration::from_secs(secs), by };
        Rates::new(&limits.iter().map(limit).collect::<Vec<_>>())
    }

    fn count(rates: &Rates, user: &str, address: &str, route: &str) -> Result<(), Over> {
        rates.check(&Counted { user, address: address.parse().unwrap(), route })
    }

    #[test]
    fn each_key_has_counts_of_its_own() {
        let by_user = rates(&[(2, 3600, LimitBy::User)]);
        assert!(count(&by_user, "ana", "10.0.0.1", "/").is_ok() && count(&by_user, "ana", "10.0.0.2", "/").is_ok());
        let over = count(&by_user, "ana", "10.0.0.1", "/").unwrap_err();
        assert_eq!(over.limit, "2 requests an hour per user");
        assert!(over.wait > Duration::from_secs(1700) && over.wait <= Duration::from_secs(1800));
        assert!(count(&by_user, "bo", "10.0.0.1", "/").is_ok());

        let by_address = rates(&[(1, 3600, LimitBy::Address)]);
        assert!(count(&by_address, "a", "2001:db8::1", "/").is_ok());
        assert!(count(&by_address, "b", "2001:db8::ffff", "/").is_err());
        assert!(count(&by_address, "b", "2001:db8:0:1::1", "/").is_ok());

        let by_app = rates(&[(1, 3600, LimitBy::App)]);
        assert!(count(&by_app, "a", "10.0.0.1", "/").is_ok() && count(&by_app, "b", "10.0.0.2", "/x").is_err());

        let by_route = rates(&[(1, 3600, LimitBy::Route)]);
        assert!(count(&by_route, "a", "10.0.0.1", "/x").is_ok() && count(&by_route, "a", "10.0.0.1", "/y").is_ok());
        assert!(count(&by_route, "b", "10.0.0.2", "/x").is_err());
    }

    #[test]
    fn the_largest_rate_counts_too() {
        assert!(count(&rates(&[(10_000_000, 1, LimitBy::App)]), "a", "10.0.0.1", "/").is_ok());
    }
}
