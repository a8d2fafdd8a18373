//! The system's own jobs: expiry and what comes after it, roles that end, retention, notices and warnings, old log lines,
//! releases of another engine, content outside the database, backups, and the scheduled jobs of apps. Each acts as a
//! named system caller through the same permits as anyone; each runs on the one node that leads it.

use crate::{Bailiwick, backup, storage};
use async_trait::async_trait;
use authority::Caller;
use catalog::{AppJobs, JobCall, JobRunner};
use futures_util::FutureExt;
use gateway::Gateway;
use model::{Problem, Timestamp};
use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use store::{Leadership, StoreError, forever};
use tokio::task::JoinSet;

const APP_JOBS_EVERY: Duration = Duration::from_secs(1);
const EXPIRY_EVERY: Duration = Duration::from_secs(5);
const RETENTION_EVERY: Duration = Duration::from_secs(60);
const NOTICES_EVERY: Duration = Duration::from_secs(1);
const WARNINGS_EVERY: Duration = Duration::from_secs(5);
/// A schedule is kept to within this.
const BACKUP_EVERY: Duration = Duration::from_secs(10);
const LOGS_EVERY: Duration = Duration::from_secs(3_600);
/// At start, above all; after that for a release that came back with an older copy of the data.
const REBUILD_EVERY: Duration = Duration::from_secs(3_600);

const TIDY_EVERY: Duration = Duration::from_secs(3_600);
/// Compiled code that no app used for so long is deleted: making it again takes a moment, keeping it a megabyte.
const UNUSED: Duration = Duration::from_secs(30 * 86_400);

/// How often each job of the system came to an end on this node, well or not; a look for alarms is one too.
#[derive(Debug, Default)]
pub(crate) struct Ended(Mutex<BTreeMap<&'static str, u64>>);

impl Ended {
    pub(crate) fn count(&self, job: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(job).or_default() += 1;
    }

    pub(crate) fn all(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct ByGateway(Arc<Gateway>);

#[async_trait]
impl JobRunner for ByGateway {
    async fn run(&self, call: &JobCall) -> Result<(), Problem> {
        self.0.run_job(&call.app, &call.job, call.due_at, &call.run_id).await
    }
}

#[derive(Debug, Clone, Copy)]
enum Job {
    AppJobs,
    Expiry,
    Roles,
    Retention,
    Notices,
    Warnings,
    Logs,
    Rebuild,
    Storage,
    Backup,
}

impl Job {
    const ALL: [Self; 10] = [
        Self::AppJobs,
        Self::Expiry,
        Self::Roles,
        Self::Retention,
        Self::Notices,
        Self::Warnings,
        Self::Logs,
        Self::Rebuild,
        Self::Storage,
        Self::Backup,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::AppJobs => "app-jobs",
            Self::Expiry => "expiry",
            Self::Roles => "roles",
            Self::Retention => "retention",
            Self::Notices => "notices",
            Self::Warnings => "warnings",
            Self::Logs => "app-logs",
            Self::Rebuild => "rebuild",
            Self::Storage => storage::JOB,
            Self::Backup => backup::JOB,
        }
    }

    const fn every(self) -> Duration {
        match self {
            Self::AppJobs => APP_JOBS_EVERY,
            Self::Expiry | Self::Roles => EXPIRY_EVERY,
            Self::Retention | Self::Storage => RETENTION_EVERY,
            Self::Notices => NOTICES_EVERY,
            Self::Warnings => WARNINGS_EVERY,
            Self::Backup => BACKUP_EVERY,
            Self::Logs => LOGS_EVERY,
            Self::Rebuild => REBUILD_EVERY,
        }
    }
}

pub(crate) fn start(server: &Arc<Bailiwick>, jobs: &mut JoinSet<()>) {
    let tidied = Arc::downgrade(server);
    jobs.spawn(forever("code", move || tidy(tidied.clone())));
    let runner = Arc::new(ByGateway(Arc::clone(&server.gateway)));
    let app_jobs = Arc::new(AppJobs::new(Arc::clone(&server.catalog), runner));
    for job in Job::ALL {
        let (server, app_jobs) = (Arc::downgrade(server), Arc::clone(&app_jobs));
        jobs.spawn(forever(job.name(), move || run(server.clone(), Arc::clone(&app_jobs), job)));
    }
}

async fn run(server: Weak<Bailiwick>, app_jobs: Arc<AppJobs>, job: Job) {
    let caller = Caller::system(job.name());
    let mut every = tokio::time::interval(job.every());
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut leadership, mut unanswered) = (None, false);
    loop {
        every.tick().await;
        let Some(server) = server.upgrade() else { return };
        if !server.may_lead() {
            leadership = None;
            continue;
        }
        if leadership.as_ref().is_none_or(|held: &Leadership| !held.is_held()) {
            leadership = led(server.store.lead(job.name()).await, job, &mut unanswered);
        }
        if leadership.is_none() {
            continue;
        }
        let done = survived(job.name(), tick(&server, &app_jobs, job, &caller)).await;
        server.ended.count(job.name());
        if let Err(problem) = done {
            tracing::error!(job = job.name(), %problem, "a job of the system failed; it runs again");
        }
    }
}

/// Why nobody can be asked who leads is said once, not at each tick.
fn led(answer: Result<Option<Leadership>, StoreError>, job: Job, unanswered: &mut bool) -> Option<Leadership> {
    let was = std::mem::replace(unanswered, answer.is_err());
    match answer {
        Ok(leadership) => {
            if was {
                tracing::info!(job = job.name(), "who leads this job can be asked again");
            }
            leadership
        }
        Err(error) => {
            if !was {
                tracing::warn!(job = job.name(), %error, "who leads this job cannot be asked: it does not run here");
            }
            None
        }
    }
}

async fn tick(server: &Arc<Bailiwick>, app_jobs: &Arc<AppJobs>, job: Job, caller: &Caller) -> Result<(), Problem> {
    match job {
        Job::AppJobs => app_jobs.tick(caller).await.map(drop).map_err(|error| Problem::from(&error)),
        Job::Expiry => {
            server.catalog.expire_due(caller).await.map_err(|error| Problem::from(&error))?;
            // Of nodes that never came back.
            server.catalog.finish_receipts(Timestamp::from_ms(0)).await.map_err(|error| Problem::from(&error))?;
            server.store.tell_lost_runs().await.map_err(|error| error.problem())?;
            server.remove_due(caller).await
        }
        Job::Roles => server.identity.lapse_due(caller).await.map(drop).map_err(|error| Problem::from(&error)),
        Job::Retention => server.data.purge_due(caller).await.map(drop).map_err(|error| Problem::from(&error)),
        Job::Notices => server.watch.tell().await.map_err(|error| Problem::from(&error)),
        Job::Warnings => server.watch.warn_due(caller).await.map(drop).map_err(|error| Problem::from(&error)),
        Job::Logs => server.prune().await,
        Job::Storage => server.tidy_content().await,
        Job::Backup => server.back_up_when_due().await,
        Job::Rebuild => {
            server.catalog.rebuild(caller, &server.sandbox).await.map(drop).map_err(|error| Problem::from(&error))
        }
    }
}

/// Work of the system that panics has failed, and is tried again as any that failed: nothing of it ends for good.
pub(crate) async fn survived<T>(work: &str, running: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    AssertUnwindSafe(running).catch_unwind().await.unwrap_or_else(|_panic| {
        tracing::error!(work, "work of the system panicked; what it said stands on stderr");
        Err(Problem::internal())
    })
}

/// Each node's own folder.
async fn tidy(server: Weak<Bailiwick>) {
    let mut every = tokio::time::interval(TIDY_EVERY);
    loop {
        every.tick().await;
        let Some(sandbox) = server.upgrade().map(|server| Arc::clone(&server.sandbox)) else { return };
        match tokio::task::spawn_blocking(move || sandbox.prune(UNUSED)).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(files)) => tracing::info!(files, "compiled code that no app used was deleted"),
            Ok(Err(error)) => tracing::warn!(%error, "compiled code that no app used could not be deleted"),
        }
    }
}

impl Bailiwick {
    /// Whether a job would come to anything here: whoever may not write, or trusts nothing that it reads, leaves the jobs to
    /// the others.
    fn may_lead(&self) -> bool {
        self.gateway.lease().holds() && !self.is_recovering()
    }

    /// Ends every app whose grace is over and whose people were warned. One that cannot be ended holds up no other.
    async fn remove_due(&self, caller: &Caller) -> Result<(), Problem> {
        let mut done = Ok(());
        for app in self.watch.ripe().await.map_err(|error| Problem::from(&error))? {
            if let Err(error) = self.catalog.remove(caller, &app).await {
                done = Err(Problem::from(&error));
            }
        }
        done
    }

    /// Rows that nobody asks for any more.
    async fn prune(&self) -> Result<(), Problem> {
        self.app_log.prune().await.map(drop).map_err(|error| error.problem())?;
        self.watch.prune_notices().await.map_err(|error| Problem::from(&error))?;
        self.identity.prune_seen().await.map_err(|error| Problem::from(&error))?;
        self.identity.prune_forms().await.map_err(|error| Problem::from(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_and_the_next_tick_comes() {
        for (tick, wanted) in [Err("internal".to_owned()), Ok(1)].into_iter().enumerate() {
            let ticked = survived("test", async {
                assert!(tick > 0, "the first one panics");
                Ok(tick)
            });
            assert_eq!(ticked.await.map_err(|problem| problem.code.to_string()), wanted);
        }
    }
}
