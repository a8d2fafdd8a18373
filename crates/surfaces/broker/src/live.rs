//! What the broker keeps in memory of an app in one environment: its grants, its calls under way, its limits.
//!
//! INVARIANT: a cut takes the entry out of the map and cancels its token; whoever got hold of the entry before sees
//! the token. Rows of credentials that were cut never come back, however late they are read.

use crate::{Grant, config::Limits, refusal};
use arc_swap::ArcSwap;
use authority::AppRef;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use model::Problem;
use std::{collections::HashMap, num::NonZeroU32, sync::Arc};
use store::StoreError;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) struct Live {
    grants: ArcSwap<Vec<Arc<Grant>>>,
    pub(crate) token: CancellationToken,
    rate: DefaultDirectRateLimiter,
    in_flight: Arc<Semaphore>,
    limits: Limits,
}

impl Live {
    fn new(limits: Limits) -> Self {
        let per_minute = NonZeroU32::new(limits.per_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            grants: ArcSwap::default(),
            token: CancellationToken::new(),
            rate: RateLimiter::direct(Quota::per_minute(per_minute)),
            in_flight: Arc::new(Semaphore::new(limits.in_flight)),
            limits,
        }
    }

    pub(crate) fn grants(&self) -> Arc<Vec<Arc<Grant>>> {
        self.grants.load_full()
    }

    /// Which credentials the grants belong to.
    pub(crate) fn credential_epoch(&self) -> u64 {
        self.grants.load().iter().map(|grant| grant.credential_epoch).max().unwrap_or(0)
    }

    /// A place among the calls under way, given back when it is dropped.
    pub(crate) fn begin(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let limit = || refusal::too_many(&format!("{} calls at once", self.limits.in_flight));
        Arc::clone(&self.in_flight).try_acquire_owned().map_err(|_| limit())
    }

    /// Counts one call, or one hop of one.
    pub(crate) fn count(&self) -> Result<(), Problem> {
        let limit = |_| refusal::too_many(&format!("{} calls a minute", self.limits.per_minute));
        self.rate.check().map_err(limit)
    }

    pub(crate) fn under_way(&self) -> usize {
        self.limits.in_flight.saturating_sub(self.in_flight.available_permits())
    }
}

/// Every app's entry.
#[derive(Default)]
pub(crate) struct Lives {
    map: ArcSwap<HashMap<AppRef, Arc<Live>>>,
    /// Credentials up to this epoch were cut.
    cut: ArcSwap<HashMap<AppRef, u64>>,
    /// One reader of rows at a time, so that older rows never replace newer ones. A cut does not wait for it.
    reading: Mutex<()>,
}

impl Lives {
    pub(crate) fn find(&self, app: &AppRef) -> Option<Arc<Live>> {
        self.map.load().get(app).cloned()
    }

    /// Whether the app was cut, and nothing was opened for it since.
    pub(crate) fn was_cut(&self, app: &AppRef) -> bool {
        self.cut.load().contains_key(app)
    }

    /// Reads and puts, with no other reader between.
    pub(crate) async fn renew<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>>,
        put: impl FnOnce(T),
    ) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        put(read.await?);
        Ok(())
    }

    /// Puts in what the rows say. Calls under way and counts go on under the same credentials; an app without rows is
    /// forgotten.
    pub(crate) fn put(&self, app: &AppRef, grants: Vec<Grant>, limits: Limits) {
        let cut = self.cut.load().get(app).copied();
        let alive = |grant: &Grant| cut.is_none_or(|cut| grant.credential_epoch > cut);
        let grants: Vec<_> = grants.into_iter().filter(alive).map(Arc::new).collect();
        if grants.is_empty() {
            self.take(app);
            return;
        }
        let newest = grants.iter().map(|grant| grant.credential_epoch).max().unwrap_or(0);
        let live = match self.find(app) {
            Some(live) if live.credential_epoch() >= newest => live,
            // Newer credentials say that there was a cut, which this node may hear of with what opened the app again.
            Some(older) => {
                older.token.cancel();
                Arc::new(Live::new(limits))
            }
            None => Arc::new(Live::new(limits)),
        };
        live.grants.store(Arc::new(grants));
        self.map.rcu(|map| {
            let mut next = HashMap::clone(map);
            next.insert(app.clone(), Arc::clone(&live));
            next
        });
    }

    /// The same for every app; one that is not among these is forgotten.
    pub(crate) fn put_all(&self, all: HashMap<AppRef, Vec<Grant>>, limits: Limits) {
        for app in self.map.load().keys().filter(|app| !all.contains_key(app)) {
            self.take(app);
        }
        for (app, grants) in all {
            self.put(&app, grants, limits);
        }
    }

    fn take(&self, app: &AppRef) -> Option<Arc<Live>> {
        let before = self.map.rcu(|map| {
            let mut next = HashMap::clone(map);
            next.remove(app);
            next
        });
        let live = before.get(app).cloned();
        if let Some(live) = &live {
            live.token.cancel();
        }
        live
    }

    /// Takes the app's grants away and stops its calls. What was held, and how many calls were under way.
    pub(crate) fn cut(&self, app: &AppRef) -> Option<(Arc<Vec<Arc<Grant>>>, usize)> {
        let live = self.find(app)?;
        let (grants, epoch, under_way) = (live.grants(), live.credential_epoch(), live.under_way());
        self.cut.rcu(|cut| {
            let mut next = HashMap::clone(cut);
            next.entry(app.clone()).and_modify(|known| *known = epoch.max(*known)).or_insert(epoch);
            next
        });
        self.take(app);
        Some((grants, under_way))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AppId, Env, ReleaseNumber};
    use std::time::Duration;
    use tokio::sync::oneshot;

    fn grant(host: &str, credential_epoch: u64) -> Grant {
        Grant {
            name: "one".to_owned(),
            host: host.to_owned(),
            port: 443,
            tls: true,
            methods: vec![],
            paths: vec![],
            secret: None,
            why: String::new(),
            line: 1,
            release: ReleaseNumber(1),
            credential_epoch,
            time: Duration::from_secs(1),
            until: None,
        }
    }

    fn hosts(lives: &Lives, app: &AppRef) -> Vec<String> {
        lives.find(app).unwrap().grants().iter().map(|grant| grant.host.clone()).collect()
    }

    #[tokio::test]
    async fn rows_that_were_read_first_never_replace_newer_ones() {
        let (lives, limits) = (Lives::default(), Limits::default());
        let app = AppRef { id: AppId::new("0190poll"), env: Env::Prod };
        let (go_on, held_up) = oneshot::channel();
        let older = async {
            held_up.await.unwrap();
            Ok(HashMap::from([(app.clone(), vec![grant("old.example", 1)])]))
        };
        let older = lives.renew(older, |all| lives.put_all(all, limits));
        let newer = async { Ok(vec![grant("new.example", 1)]) };
        let newer = lives.renew(newer, |grants| lives.put(&app, grants, limits));
        // Looked at in this order: the older one waits for its rows when the newer one comes.
        let (older, newer, ()) = tokio::join!(older, newer, async { go_on.send(()).unwrap() });
        older.unwrap();
        newer.unwrap();
        assert_eq!(hosts(&lives, &app), ["new.example"]);
    }

    #[tokio::test]
    async fn newer_credentials_end_the_calls_of_older_ones() {
        let (lives, limits) = (Lives::default(), Limits::default());
        let app = AppRef { id: AppId::new("0190poll"), env: Env::Prod };
        lives.put(&app, vec![grant("old.example", 1)], limits);
        let older = lives.find(&app).unwrap();
        lives.put(&app, vec![grant("new.example", 1)], limits);
        assert!(!older.token.is_cancelled(), "only the release changed");
        lives.put(&app, vec![grant("new.example", 2)], limits);
        assert!(older.token.is_cancelled() && !lives.find(&app).unwrap().token.is_cancelled());
    }
}
