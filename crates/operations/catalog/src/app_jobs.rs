//! Runs the jobs of apps: at least once, with a run id, never overlapping; each run is an act with an event.

use crate::{
    Catalog, Error,
    jobs::{Timetable, sql},
};
use async_trait::async_trait;
use authority::{Act, AppRef, Caller, Rule, Target, rules};
use model::{AppId, Problem, RequestId, TenantId, Timestamp};
use std::{sync::Arc, time::Duration};
use store::params;

/// A run is lost when its node has not ended it by then: longer than any app's wall-clock limit.
const LEASE: Duration = Duration::from_secs(120);

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
    async fn run(&self, call: &JobCall) -> Result<(), Problem>;
}

/// The runner of one node.
pub struct AppJobs {
    catalog: Arc<Catalog>,
    runner: Arc<dyn JobRunner>,
    timetable: Timetable,
}

impl std::fmt::Debug for AppJobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppJobs").finish_non_exhaustive()
    }
}

impl AppJobs {
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, runner: Arc<dyn JobRunner>) -> Self {
        Self { catalog, runner, timetable: Timetable::default() }
    }

    /// Begins what is due, and what another node lost; says how many runs it carried out. Called each second, on the
    /// one node that holds the lease.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn tick(&self, caller: &Caller) -> Result<usize, Error> {
        let catalog = &self.catalog;
        let now = catalog.clock.now();
        let mut calls = self.lost(now).await?;
        for (app, job, due_at) in catalog.due_jobs(&self.timetable, now) {
            let call = JobCall { app, job, run_id: RequestId::generate().to_string(), due_at };
            if catalog.store.again(|| self.begin(caller, &call)).await? {
                calls.push(call);
            }
        }
        let runs = calls.iter().map(|call| self.carry_out(caller, call));
        let done = futures_util::future::join_all(runs).await;
        let count = done.len();
        done.into_iter().collect::<Result<Vec<()>, Error>>()?;
        Ok(count)
    }

    /// Writes that the run begins; false when another run of the job is under way.
    async fn begin(&self, caller: &Caller, call: &JobCall) -> Result<bool, Error> {
        let catalog = &self.catalog;
        let act = RunJob { tenant: catalog.tenant.clone(), app: call.app.clone(), job: call.job.clone() };
        let permit = catalog.authority.permit(caller, act).await?;
        let (act, mut tx) = catalog.store.write(permit).await?;
        let (env, now) = (act.app.env.as_str(), tx.now());
        let running = params![&act.tenant, &act.app.id, env, act.job.as_str(), now];
        if tx.query_one(sql::RUNNING, running).await?.is_some() {
            return Ok(false);
        }
        let row = params![
            &act.tenant,
            &act.app.id,
            env,
            act.job.as_str(),
            call.due_at,
            call.run_id.as_str(),
            now.plus(LEASE),
        ];
        if tx.execute(sql::BEGIN, row).await? == 0 {
            return Ok(false);
        }
        tx.commit(serde_json::json!({ "run_id": call.run_id, "due_at": call.due_at }), None).await?;
        Ok(true)
    }

    async fn carry_out(&self, caller: &Caller, call: &JobCall) -> Result<(), Error> {
        let ended = self.runner.run(call).await;
        if let Err(problem) = &ended {
            tracing::warn!(app = %call.app.id, job = call.job, code = problem.code, "a job failed");
        }
        let ended = &ended;
        self.catalog.store.again(|| self.end(caller, call, ended)).await
    }

    async fn end(&self, caller: &Caller, call: &JobCall, ended: &Result<(), Problem>) -> Result<(), Error> {
        let catalog = &self.catalog;
        let act = JobDone { tenant: catalog.tenant.clone(), app: call.app.clone(), job: call.job.clone() };
        let permit = catalog.authority.permit(caller, act).await?;
        let (act, mut tx) = catalog.store.write(permit).await?;
        let (state, code) = match ended {
            Ok(()) => ("done", None),
            Err(problem) => ("failed", Some(problem.code.as_str())),
        };
        let now = tx.now();
        let row = params![
            &act.tenant,
            &act.app.id,
            act.app.env.as_str(),
            act.job.as_str(),
            call.run_id.as_str(),
            state,
            now,
        ];
        tx.execute(sql::END, row).await?;
        tx.commit(serde_json::json!({ "run_id": call.run_id, "state": state, "problem": code }), None).await?;
        Ok(())
    }

    /// Runs that began and never ended, whose lease is over: this node takes them.
    async fn lost(&self, now: Timestamp) -> Result<Vec<JobCall>, Error> {
        let catalog = &self.catalog;
        let mut calls = Vec::new();
        for row in catalog.store.read(sql::LOST, params![&catalog.tenant, now]).await? {
            let Ok(env) = row.text(1)?.parse() else { continue };
            let call = JobCall {
                app: AppRef { id: AppId::new(row.text(0)?), env },
                job: row.text(2)?.to_owned(),
                due_at: row.time(3)?,
                run_id: row.text(4)?.to_owned(),
            };
            if catalog.serving().contains(&call.app) && self.take(&call, now).await? {
                calls.push(call);
            }
        }
        Ok(calls)
    }

    async fn take(&self, call: &JobCall, now: Timestamp) -> Result<bool, Error> {
        let catalog = &self.catalog;
        let caller = Caller::system("app-jobs");
        let act = RunJob { tenant: catalog.tenant.clone(), app: call.app.clone(), job: call.job.clone() };
        let permit = catalog.authority.permit(&caller, act).await?;
        let (act, mut tx) = catalog.store.write(permit).await?;
        let row = params![
            &act.tenant,
            &act.app.id,
            act.app.env.as_str(),
            act.job.as_str(),
            call.run_id.as_str(),
            now.plus(LEASE),
            now,
        ];
        if tx.execute(sql::TAKE_LOST, row).await? == 0 {
            return Ok(false);
        }
        tx.commit(serde_json::json!({ "run_id": call.run_id, "again": true }), None).await?;
        Ok(true)
    }
}
