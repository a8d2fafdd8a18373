//! The run of one request or job in an instance of its own: what goes in, what comes out, and what is said when
//! nothing does.

use crate::{
    Gateway, Told,
    arrival::Arrival,
    body::{self, Judged, Over},
    context::{Trigger, context},
    door::GuestDoor,
    headers::{self, Inward},
    journey::{Came, Visit},
    live::Running,
    page::Page,
    pages,
    record::{Answering, Record},
    route::Route,
    trace::{TRACES, Trace},
};
use authority::{Act, Caller, Instance, Permit};
use axum::body::Body;
use http::{Request, Response};
use model::{Problem, ProblemKind, RequestId, Timestamp};
use sandbox::{Run, Stopped};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tracing::Instrument;

impl Gateway {
    pub(crate) async fn run<A: Act + Clone + Unpin>(
        &self,
        permit: Permit<A>,
        visit: Visit<'_>,
    ) -> Result<Response<Body>, Box<Page>> {
        let Visit { arrival, route, running, came, request } = visit;
        if !self.recorder.ready(|| self.authority.decide(permit.caller(), permit.act().clone())) {
            return Err(pages::unrecorded());
        }
        let mut judged = self.judged(&permit, came.until);
        let mut detail = arrival.detail();
        detail.insert("release".to_owned(), json!(route.release));
        let record = Record::new(&self.recorder, permit, detail);
        let answering = Answering(Arc::clone(&record));
        let over = Arc::new(AtomicBool::new(false));
        let inside = self.inside(arrival, &came, &route, request, &over);
        let outcome =
            self.in_sandbox(&route, &record, &running, &came.caller, (inside, &Trigger::Fetch), &arrival.trace).await;
        let refused = match outcome {
            _ if over.load(Ordering::Acquire) => pages::too_large(self.config.limits.body_bytes),
            // The app was cut, or this node was, while the answer was made.
            Ok(_) if running.is_cut() => self.stopped(&route, &running, &Stopped::Cancelled),
            Ok(_) if !self.lease.holds() => pages::cut_off(),
            Ok(response) => match judged.still_may() {
                Ok(()) => {
                    answering.0.answered(Some(response.status().as_u16()));
                    running.streams_over(arrival.closing());
                    let mut response = response.map(|body| body::judged(body, running, judged));
                    headers::outward(response.headers_mut(), &route, came.openness);
                    return Ok(response);
                }
                // Signed out, or not let in any more, while it was made.
                Err(over) => said_of(over, &route),
            },
            Err(Some(Stopped::Cancelled)) if !running.is_cut() && !self.lease.holds() => pages::cut_off(),
            Err(Some(Stopped::Uncaught { .. })) if answering.0.was_put_off() => put_off(),
            Err(Some(stopped)) => self.stopped(&route, &running, &stopped),
            Err(None) => pages::not_ready(),
        };
        answering.0.answered(Some(refused.status));
        Err(refused)
    }

    /// Whoever got the permit, for as long as an answer to them is on its way. `until`: when their session or token ends.
    pub(crate) fn judged<A: Act + Clone>(&self, permit: &Permit<A>, until: Timestamp) -> Judged<A> {
        Judged {
            sign_ins: Arc::clone(&self.sign_ins),
            authority: Arc::clone(&self.authority),
            clock: Arc::clone(&self.clock),
            lease: Arc::clone(&self.lease),
            caller: permit.caller().clone(),
            act: permit.act().clone(),
            epoch: permit.epoch(),
            good_until: permit.good_until(),
            until,
        }
    }

    /// The request as the app gets it.
    fn inside(
        &self,
        arrival: &Arrival,
        came: &Came,
        route: &Route,
        request: Request<Body>,
        over: &Arc<AtomicBool>,
    ) -> Request<sandbox::Body> {
        let (mut head, body) = request.into_parts();
        let inward = Inward {
            authorization: came.authorization,
            client: arrival.proxied.then_some(arrival.client),
            scheme: self.config.scheme.as_str(),
            host: &route.host,
            trace: &arrival.trace,
        };
        headers::inward(&mut head.headers, &inward);
        head.uri = arrival.address.parse().unwrap_or_default();
        head.extensions = http::Extensions::new();
        Request::from_parts(head, body::bounded(body, self.config.limits.body_bytes, Arc::clone(over)))
    }

    /// Runs one request or job in an instance of its own. `None` when the code is not ready.
    pub(crate) async fn in_sandbox(
        &self,
        route: &Arc<Route>,
        record: &Arc<Record>,
        running: &Running,
        caller: &Caller,
        (request, trigger): (Request<sandbox::Body>, &Trigger<'_>),
        trace: &Trace,
    ) -> Result<Response<sandbox::Body>, Option<Stopped>> {
        let ready = route.code.ready(&self.loader).await.map_err(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::error!(app = %route.app.id, error, "the app's code could not be made ready");
            record.not_run(Some(503), "not_ready");
        });
        let Ok(ready) = ready else { return Err(None) };
        let instance = Instance {
            id: RequestId::generate().as_str().into(),
            app: route.app.clone(),
            name: Arc::clone(&route.name),
            release: route.release,
            caller: caller.through(route.app.clone()),
            proved: caller.proved(),
            credential_epoch: route.credential_epoch,
        };
        let opened = self.doors.open(instance, &route.secrets);
        let url = format!("{}{}", route.url, request.uri());
        let facts = self.authority.facts(&self.config.tenant);
        let user = caller.person().and_then(|id| Some((id, facts.people.get(id)?.as_ref())));
        let context = context(route, trigger, user, &opened.placeholders, &url);
        let sinks = (Arc::clone(&self.log), Arc::clone(&self.clock));
        let told = Told(context.as_str().into());
        let door =
            GuestDoor::new(opened.door, sinks, Arc::clone(record), route, trace.id.clone(), told, running.share());
        let door = Arc::new(door);
        let ended = matches!(trigger, Trigger::Scheduled { .. }).then(|| door.end());
        let run = Run { request, context, limits: route.limits, door, stop: running.stop() };
        let span =
            tracing::info_span!(target: TRACES, "sandbox", trace_id = trace.id.as_str(), app = route.app.id.as_str());
        let outcome = ready.app.run(run).instrument(span).await;
        if let Some(ended) = ended {
            return crate::jobs::whole(outcome, ended).await;
        }
        if matches!(outcome, Err(Stopped::NotLoaded)) {
            route.code.forget();
        }
        outcome.map_err(Some)
    }

    fn stopped(&self, route: &Route, running: &Running, stopped: &Stopped) -> Box<Page> {
        match stopped {
            Stopped::Cpu { .. } => pages::over_cpu(),
            Stopped::Memory { .. } => pages::over_memory(),
            Stopped::Output { .. } => pages::over_output(),
            Stopped::Time { .. } => pages::over_time(),
            Stopped::Busy => pages::busy(),
            Stopped::NotLoaded => pages::not_ready(),
            Stopped::Unfit { what } => pages::malformed(what),
            Stopped::Cancelled if running.is_cut() => {
                self.dead(route).unwrap_or_else(|| pages::switched_off(&route.name))
            }
            Stopped::Cancelled
            | Stopped::Trap { .. }
            | Stopped::Uncaught { .. }
            | Stopped::NoResponse
            | Stopped::Incomplete => pages::failed(),
        }
    }
}

/// The app did not finish since the platform could not do its part: not the app's error, and over soon.
fn put_off() -> Box<Page> {
    let mut problem = Problem::new(
        ProblemKind::Unavailable,
        "app.put_off",
        "the app could not finish this at the moment",
        "what it reads or saves could not be reached in time",
        "try again in a moment; what you entered may have to be entered again",
    );
    problem.retry_after = Some(Duration::from_secs(2));
    problem.into()
}

/// Why what was made is not given out.
pub(crate) fn said_of(over: Over, route: &Route) -> Box<Page> {
    match over {
        Over::CutOff => pages::cut_off(),
        Over::SignedOut => pages::signed_out(),
        Over::Denied(denied) => pages::not_allowed(&route.name, &denied),
    }
}
