//! Scheduled work of an app: the same permit, limits, door, log and event as a request, for no user.

use crate::{
    Gateway,
    act::UseApp,
    context::Trigger,
    page::Page,
    pages,
    record::{Answering, Record},
    trace::Trace,
};
use authority::{AppRef, Caller, Who};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use model::{Problem, ProblemKind, Timestamp};
use sandbox::{Report, Stopped};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Ends with the run itself: what it printed, kept and called is done.
pub(crate) async fn whole(
    outcome: Result<Response<sandbox::Body>, Stopped>,
    ended: oneshot::Receiver<Report>,
) -> Result<Response<sandbox::Body>, Option<Stopped>> {
    let (head, body) = outcome.map_err(Some)?.into_parts();
    // Read to its end, so that the run comes to its own; a job's answer says nothing.
    drop(body.collect().await);
    match ended.await.ok().and_then(|report| report.stopped) {
        Some(stopped) => Err(Some(stopped)),
        None => Ok(Response::from_parts(head, sandbox::empty())),
    }
}

impl Gateway {
    /// Runs one job of an app once, to its end.
    ///
    /// # Errors
    /// Why it did not end well, in words for the app's team.
    pub async fn run_job(&self, app: &AppRef, job: &str, scheduled: Timestamp, run_id: &str) -> Result<(), Problem> {
        let words = |page: Box<Page>| page.problem;
        let route = self.routes.of(app).ok_or_else(|| words(pages::not_live(app.id.as_str())))?;
        if !self.lease.holds() {
            return Err(words(pages::cut_off()));
        }
        let running = route.live.enter().ok_or_else(|| words(pages::switched_off(&route.name)))?;
        let trace = Trace::of(&HeaderMap::new());
        let caller = Caller::new(self.config.tenant.clone(), Who::App(app.clone())).traced(trace.id.clone());
        let permit = self.authority.decide(&caller, UseApp::new(route.target.clone()))?;
        if !self.recorder.ready(|| self.authority.decide(&caller, permit.act().clone())) {
            return Err(words(pages::unrecorded()));
        }
        let mut detail = serde_json::Map::new();
        detail.insert("trigger".to_owned(), json!("scheduled"));
        detail.insert("job".to_owned(), json!(job));
        detail.insert("run_id".to_owned(), json!(run_id));
        detail.insert("release".to_owned(), json!(route.release));
        let record = Record::new(&self.recorder, permit, detail);
        let answering = Answering(Arc::clone(&record));
        let handles =
            route.code.ready(&self.loader).await.map(|ready| ready.handlers.iter().any(|name| name == "scheduled"));
        if matches!(handles, Ok(false)) {
            record.not_run(None, "no_handler");
            return Err(no_handler(job));
        }
        let trigger = Trigger::Scheduled { name: job, at: scheduled, run_id };
        let request = Request::new(sandbox::empty());
        match self.in_sandbox(&route, &record, &running, &caller, (request, &trigger), &trace).await {
            Ok(response) => {
                answering.0.answered(Some(response.status().as_u16()));
                Ok(())
            }
            Err(Some(stopped)) => {
                answering.0.answered(None);
                Err(failed(job, &stopped))
            }
            Err(None) => Err(words(pages::not_ready())),
        }
    }
}

fn failed(job: &str, stopped: &Stopped) -> Problem {
    let kind = match stopped {
        Stopped::Busy | Stopped::NotLoaded => ProblemKind::Unavailable,
        Stopped::Cancelled => ProblemKind::Gone,
        Stopped::Time { .. } => ProblemKind::TimedOut,
        Stopped::Cpu { .. }
        | Stopped::Memory { .. }
        | Stopped::Output { .. }
        | Stopped::Trap { .. }
        | Stopped::Uncaught { .. }
        | Stopped::NoResponse
        | Stopped::Incomplete
        | Stopped::Unfit { .. } => ProblemKind::Unprocessable,
    };
    let (what, fix) =
        (format!("the job `{job}` did not come to its end"), "look at the app's log, mend it, then deploy again");
    Problem::new(kind, "job.failed", what, stopped.to_string(), fix)
}

fn no_handler(job: &str) -> Problem {
    Problem::new(
        ProblemKind::Unprocessable,
        "job.no_handler",
        format!("the job `{job}` has nothing to run"),
        "the app's main module exports no `scheduled`",
        "add `async scheduled(event, env, ctx) {}` beside `fetch`, then deploy again",
    )
}
