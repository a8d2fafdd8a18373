//! One run from its row to its end: begun, carried out, ended or left to be tried again.
//!
//! Refuses to begin beside another run of the same job, to begin the same due time twice, and to end what a cut ended.

use super::{AGAIN_AFTER, AGAIN_FOR, AppJobs, JobCall, JobDone, KEPT, LEASE, RunJob};
use crate::{
    Error,
    jobs::{JobRef, sql},
};
use authority::{AppRef, Caller};
use model::{AppId, Problem, ProblemKind, Timestamp};
use std::{collections::HashMap, sync::Arc, time::Duration};
use store::params;

/// How a run ended, as its row says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Done,
    Failed,
    /// The app's code never began: it is tried again.
    Again,
}

impl Ended {
    fn of(outcome: &Result<(), Problem>, late: Duration) -> Self {
        match outcome {
            Ok(()) => Self::Done,
            Err(problem) if problem.kind == ProblemKind::Unavailable && late < AGAIN_FOR => Self::Again,
            Err(_) => Self::Failed,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Again => "again",
        }
    }
}

impl AppJobs {
    /// Carries a run out in a task of its own.
    pub(super) fn start(self: &Arc<Self>, caller: &Caller, call: JobCall) -> usize {
        self.under_way().insert(call.run_id.clone());
        // The task is the runner's own: if it held the runner, dropping the runner would stop nothing.
        let (jobs, runner, caller) = (Arc::downgrade(self), Arc::clone(&self.runner), caller.clone());
        self.runs().spawn(async move {
            let outcome = runner.run(&call).await;
            let Some(jobs) = jobs.upgrade() else { return };
            if let Err(problem) = &outcome {
                tracing::warn!(app = %call.app.id, job = call.job, code = problem.code, "a job did not end well");
            }
            if let Err(error) = jobs.catalog.store.again(|| jobs.end(&caller, &call, &outcome)).await {
                let error: &dyn std::error::Error = &error;
                tracing::error!(app = %call.app.id, job = call.job, error, "the end of a job could not be recorded");
            }
            jobs.under_way().remove(&call.run_id);
        });
        1
    }

    /// Writes that the run begins; false when another run of the job is under way, or this one was.
    pub(super) async fn begin(&self, caller: &Caller, call: &JobCall) -> Result<bool, Error> {
        let catalog = &self.catalog;
        let act = RunJob { tenant: catalog.tenant.clone(), app: call.app.clone(), job: call.job.clone() };
        let permit = catalog.authority.permit(caller, act).await?;
        let (act, mut tx) = catalog.store.write(permit).await?;
        let (env, now) = (act.app.env.as_str(), tx.now());
        let running = params![&act.tenant, &act.app.id, env, act.job.as_str()];
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

    async fn end(&self, caller: &Caller, call: &JobCall, outcome: &Result<(), Problem>) -> Result<(), Error> {
        let catalog = &self.catalog;
        let act = JobDone { tenant: catalog.tenant.clone(), app: call.app.clone(), job: call.job.clone() };
        let permit = catalog.authority.permit(caller, act).await?;
        let (act, mut tx) = catalog.store.write(permit).await?;
        let (ended, now) = (Ended::of(outcome, tx.now().since(call.due_at)), tx.now());
        let (env, job, run_id) = (act.app.env.as_str(), act.job.as_str(), call.run_id.as_str());
        let changed = if ended == Ended::Again {
            let row = params![&act.tenant, &act.app.id, env, job, run_id, now.plus(AGAIN_AFTER)];
            tx.execute(sql::AGAIN, row).await?
        } else {
            let row = params![&act.tenant, &act.app.id, env, job, run_id, ended.as_str(), now];
            tx.execute(sql::END, row).await?
        };
        if changed == 0 {
            // A cut ended it, and is in the record.
            return Ok(());
        }
        tx.execute(sql::PRUNE, params![&act.tenant, &act.app.id, env, job, now.minus(KEPT)]).await?;
        let code = outcome.as_ref().err().map(|problem| problem.code.as_str());
        let detail = serde_json::json!({ "run_id": call.run_id, "state": ended.as_str(), "problem": code });
        tx.commit(detail, None).await?;
        Ok(())
    }

    /// Runs that began and never ended, whose lease is over, and which are not under way here.
    pub(super) async fn lost(&self, now: Timestamp) -> Result<Vec<JobCall>, Error> {
        let catalog = &self.catalog;
        let serving = catalog.serving();
        let mut calls = Vec::new();
        for row in catalog.store.read(sql::LOST, params![&catalog.tenant, now]).await? {
            let Ok(env) = row.text(1)?.parse() else { continue };
            let call = JobCall {
                app: AppRef { id: AppId::new(row.text(0)?), env },
                job: row.text(2)?.to_owned(),
                due_at: row.time(3)?,
                run_id: row.text(4)?.to_owned(),
            };
            if serving.contains(&call.app) && !self.under_way().contains(&call.run_id) {
                calls.push(call);
            }
        }
        Ok(calls)
    }

    /// Takes a lost run; false when another node was faster, or a cut ended it meanwhile.
    pub(super) async fn take(&self, caller: &Caller, call: &JobCall) -> Result<bool, Error> {
        let catalog = &self.catalog;
        let act = RunJob { tenant: catalog.tenant.clone(), app: call.app.clone(), job: call.job.clone() };
        let permit = catalog.authority.permit(caller, act).await?;
        let (act, mut tx) = catalog.store.write(permit).await?;
        let now = tx.now();
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

    /// When each job was last due, by the runs that are kept.
    pub(super) async fn last_runs(&self) -> Result<HashMap<JobRef, Timestamp>, Error> {
        let catalog = &self.catalog;
        let mut last = HashMap::new();
        for row in catalog.store.read(sql::LAST, params![&catalog.tenant]).await? {
            let Ok(env) = row.text(1)?.parse() else { continue };
            let app = AppRef { id: AppId::new(row.text(0)?), env };
            last.insert(JobRef { app, job: row.text(2)?.to_owned() }, row.time(3)?);
        }
        Ok(last)
    }
}
