//! Runs the jobs of apps: at least once, with a run id, never overlapping; each run is an act with an event.
//!
//! Runs go on beside each other: a slow one delays no other. One that never came to run, since the platform was busy,
//! is tried again under the same run id. One that a cut ended is over: restoring the app does not bring it back.

mod run;

use crate::{
    Catalog, Error,
    jobs::{JobRef, Timetable},
};
use async_trait::async_trait;
use authority::{Act, AppRef, Caller, Rule, Target, rules};
use model::{Problem, RequestId, TenantId, Timestamp};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;

/// A run is lost when its node has not ended it by then: longer than any app's wall-clock limit.
const LEASE: Duration = Duration::from_secs(120);
/// When a run that the platform had no room for is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How late a run may begin; after that it has failed.
const AGAIN_FOR: Duration = Duration::from_secs(3_600);
/// How long runs that are over are kept; their events stay.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// Begin a run of an app's job.
#[derive(Debug, Clone)]
pub struct RunJob {
    pub tenant: TenantId,
    pub app: AppRef,
    pub job: String,
}

impl Act for RunJob {
    const RULE: &'static Rule = &rules::JOB_RUN;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}/job/{}", self.app.id, self.job))
    }
}

/// Record how a run ended.
#[derive(Debug, Clone)]
pub struct JobDone {
    pub tenant: TenantId,
    pub app: AppRef,
    pub job: String,
}

impl Act for JobDone {
    const RULE: &'static Rule = &rules::JOB_DONE;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}/job/{}", self.app.id, self.job))
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCall {
    pub app: AppRef,
    pub job: String,
    /// The same when a lost run is tried again.
    pub run_id: String,
    pub due_at: Timestamp,
}

/// What carries a run into the app: the gateway, through the assembly.
#[async_trait]
pub trait JobRunner: Send + Sync {
    /// An error of kind `Unavailable` says that the app's code never began: the run is tried again.
    async fn run(&self, call: &JobCall) -> Result<(), Problem>;
}

/// The runner of one node. Dropping it stops its runs; they count as lost.
pub struct AppJobs {
    catalog: Arc<Catalog>,
    runner: Arc<dyn JobRunner>,
    timetable: Timetable,
    /// Ids of the runs under way here, so that none is taken for lost however long it waits.
    under_way: Mutex<HashSet<String>>,
    runs: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for AppJobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppJobs").finish_non_exhaustive()
    }
}

impl AppJobs {
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, runner: Arc<dyn JobRunner>) -> Self {
        Self { catalog, runner, timetable: Timetable::default(), under_way: Mutex::default(), runs: Mutex::default() }
    }

    /// Begins what is due, and what was lost; says how many runs it began. Called each second, on the one node that
    /// holds the lease. Waits for none of them.
    ///
    /// # Errors
    /// When the database cannot be read or written; the others of this tick have begun all the same.
    pub async fn tick(self: &Arc<Self>, caller: &Caller) -> Result<usize, Error> {
        let catalog = &self.catalog;
        let now = catalog.clock.now();
        while self.runs().try_join_next().is_some() {}
        let mut begun = 0;
        let mut failed = None;
        for call in self.lost(now).await? {
            match catalog.store.again(|| self.take(caller, &call)).await {
                Ok(true) => begun += self.start(caller, call),
                Ok(false) => {}
                Err(error) => failed = Some(error),
            }
        }
        for (JobRef { app, job }, due_at) in self.due(now).await? {
            let call = JobCall { app, job, run_id: RequestId::generate().to_string(), due_at };
            match catalog.store.again(|| self.begin(caller, &call)).await {
                Ok(true) => begun += self.start(caller, call),
                Ok(false) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(begun), Err)
    }

    /// Waits until every run that is under way now has ended.
    pub async fn settled(&self) {
        let runs = std::mem::take(&mut *self.runs());
        runs.join_all().await;
    }

    /// What is due now; for jobs that this runner has not seen yet, what was missed while no node ran.
    async fn due(&self, now: Timestamp) -> Result<Vec<(JobRef, Timestamp)>, Error> {
        let live = self.catalog.live_jobs();
        if self.timetable.knows(&live) {
            return Ok(self.timetable.due(live, now));
        }
        let last = self.last_runs().await?;
        self.timetable.learn(&live, &last, now);
        Ok(self.timetable.due(live, now))
    }

    fn runs(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
