//! The journey of a request: host name → route → session or token → permit → limits → sandbox → response → event.
//!
//! Routes, decisions and limits are in memory: no database read on the way, no lock held across a wait.

use crate::{
    Gateway, SignedIn,
    act::{UseApp, UsePublic},
    arrival::Arrival,
    body::{self, Judged},
    browser::{self, Reader},
    context::{Trigger, context},
    cookies,
    door::GuestDoor,
    headers::{self, Authorization, Inward, Openness},
    live::Running,
    page::Page,
    pages,
    rates::{Counted, network},
    record::{self, Answering, Record},
    route::{Route, grants::Kind},
    sign_in,
    trace::Trace,
};
use authority::{Act, AppState, Caller, Factor, Instance, Permit, Target, Who};
use axum::body::Body;
use http::{Request, Response, header};
use model::{ProblemKind, RequestId, Timestamp};
use sandbox::{Run, Stopped};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use store::Outcome;

/// How a request ends before it reaches an app.
pub(crate) enum Turned {
    Page(Box<Page>),
    Elsewhere(Response<Body>),
}

impl From<Box<Page>> for Turned {
    fn from(page: Box<Page>) -> Self {
        Self::Page(page)
    }
}

/// Who came, by what, and whether the path is open to anyone.
pub(crate) struct Came {
    caller: Caller,
    authorization: Authorization,
    openness: Openness,
    /// When session or token end.
    until: Timestamp,
}

/// A request that is about to be let in.
struct Visit<'a> {
    arrival: &'a Arrival,
    route: Arc<Route>,
    running: Running,
    came: Came,
    request: Request<Body>,
}

impl Gateway {
    /// Answers a request for a host under the apps domain. Never fails: refusals are pages.
    pub async fn handle(&self, request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        let trace = Trace::of(request.headers());
        let reader = Reader::of(request.headers());
        let answered = match Arrival::read(&self.config, &request, peer, trace.clone()) {
            Ok(arrival) => self.enter(&arrival, request).await,
            Err(page) => Err(page.into()),
        };
        match answered {
            Ok(response) | Err(Turned::Elsewhere(response)) => response,
            Err(Turned::Page(page)) => page.respond(reader, &trace),
        }
    }

    async fn enter(&self, arrival: &Arrival, request: Request<Body>) -> Result<Response<Body>, Turned> {
        if !self.lease.holds(self.clock.now()) {
            return Err(pages::cut_off().into());
        }
        let Some(route) = arrival.label.as_deref().and_then(|label| self.routes.at(label)) else {
            self.stranger_refused(arrival, &Target::new(self.config.tenant.clone(), "host/unknown"))?;
            return Err(pages::unknown_host(&self.config.control_url).into());
        };
        if browser::is_foreign(&arrival.method, request.headers(), &route.url) {
            self.stranger_refused(arrival, &route.target)?;
            return Err(pages::foreign().into());
        }
        if let Some(page) = self.dead(&route) {
            self.stranger_refused(arrival, &route.target)?;
            return Err(page.into());
        }
        if let Some(rest) = sign_in::reserved(&arrival.path) {
            return self.own_path(arrival, &route, &request, rest).await;
        }
        let Some(running) = route.live.enter() else { return Err(pages::switched_off(&route.name).into()) };
        let came = self.who(arrival, &route, request.headers()).await?;
        let visit = Visit { arrival, route, running, came, request };
        match visit.came.openness {
            Openness::SignedIn => self.admit(UseApp::new(visit.route.target.clone()), visit).await,
            Openness::Public => self.admit(UsePublic::new(visit.route.target.clone()), visit).await,
        }
    }

    /// Counts one request of nobody, and the refusal of it.
    pub(crate) fn stranger_refused(&self, arrival: &Arrival, target: &Target) -> Result<(), Box<Page>> {
        let caller = arrival.stranger(&self.config);
        self.store.count(&caller, UseApp::RULE.name, target, Outcome::Denied);
        self.stranger_counts(arrival)
    }

    pub(crate) fn stranger_counts(&self, arrival: &Arrival) -> Result<(), Box<Page>> {
        self.strangers.check(network(arrival.client)).map_err(|over| pages::over_limit(&over.limit, over.wait))
    }

    /// The page of an app that does not serve.
    fn dead(&self, route: &Route) -> Option<Box<Page>> {
        let facts = self.authority.facts(&self.config.tenant);
        let app = facts.apps.get(&(route.app.id.clone(), route.app.env));
        let name = &route.name;
        match app.map(|app| (app.state, app.expires_at)) {
            Some((AppState::Retired, _)) => Some(pages::retired(name)),
            Some((AppState::Revoked, _)) => Some(pages::switched_off(name)),
            Some((AppState::Expired, _)) => Some(pages::expired(name)),
            Some((AppState::Live, until)) if self.clock.now() >= until => Some(pages::expired(name)),
            Some((AppState::Live, _)) => route.live.is_cut().then(|| pages::switched_off(name)),
            Some((AppState::Waiting, _)) | None => {
                Some(if route.live.is_cut() { pages::switched_off(name) } else { pages::not_live(name) })
            }
        }
    }

    async fn who(&self, arrival: &Arrival, route: &Route, headers: &http::HeaderMap) -> Result<Came, Turned> {
        if route.is_public(&arrival.path) {
            self.stranger_counts(arrival)?;
            let caller = arrival.stranger(&self.config);
            let (openness, until) = (Openness::Public, Timestamp::from_ms(i64::MAX));
            return Ok(Came { caller, authorization: Authorization::TheApps, openness, until });
        }
        let known = |found: SignedIn, authorization: Authorization| Came {
            caller: found.caller.from(arrival.origin()).traced(arrival.trace.id.clone()),
            authorization,
            openness: Openness::SignedIn,
            until: found.expires_at,
        };
        let now = self.clock.now();
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = authorization.and_then(headers::bearer_of).map(|token| self.sign_ins.bearer(token, &route.app));
        if let Some(Ok(found)) = &bearer
            && now < found.expires_at
        {
            return Ok(known(found.clone(), Authorization::Used));
        }
        if let Some(cookie) = cookies::find(headers, &self.cookies.session)
            && let Some(found) = self.sign_ins.session(cookie, &route.app).await
            && now < found.expires_at
        {
            return Ok(known(found, Authorization::TheApps));
        }
        self.stranger_refused(arrival, &route.target)?;
        match bearer {
            Some(Err(problem)) => Err(pages::bad_token(problem).into()),
            Some(Ok(_)) | None => Err(self.signed_out(arrival, route, headers)),
        }
    }

    async fn admit<A: Act + Clone + Unpin>(&self, act: A, visit: Visit<'_>) -> Result<Response<Body>, Turned> {
        let (route, arrival, caller) = (&visit.route, visit.arrival, &visit.came.caller);
        let permit = match self.authority.decide(caller, act) {
            Ok(permit) => permit,
            Err(denied) => {
                // Each refusal of a person is an event of its own: not faster than strangers may come.
                self.stranger_counts(arrival)?;
                if let Err(error) = self.store.denied(&denied, caller, &route.target).await {
                    tracing::error!(%error, "a refusal could not be recorded");
                    return Err(pages::unrecorded().into());
                }
                let again = denied.kind == ProblemKind::Unauthenticated;
                return Err(if again { pages::signed_out() } else { pages::not_allowed(&route.name, &denied) }.into());
            }
        };
        if let Some((page, code)) = self.limited(&visit) {
            let mut detail = arrival.detail();
            detail.insert("status".to_owned(), json!(page.status));
            detail.insert("code".to_owned(), json!(code));
            let taken = self.recorder.write(permit, Outcome::Denied, detail.into());
            return Err(if taken { page } else { pages::unrecorded() }.into());
        }
        route.live.count(self.clock.now());
        match route.kind {
            Kind::Wasm => self.run(permit, visit).await.map_err(Turned::Page),
            Kind::Static => self.file(permit, visit).await.map_err(Turned::Page),
            Kind::External => {
                self.recorder.write(permit, Outcome::Failed, arrival.detail().into());
                Err(pages::elsewhere().into())
            }
        }
    }

    /// What a permit does not judge: the factor that a path asks for, and how often.
    fn limited(&self, visit: &Visit<'_>) -> Option<(Box<Page>, &'static str)> {
        let (route, arrival, caller) = (&visit.route, visit.arrival, &visit.came.caller);
        let has_second = matches!(caller.who, Who::Person { factor: Factor::Second { .. }, .. });
        if route.needs_second_factor(&arrival.path) && !has_second {
            return Some((pages::second_factor(&self.config.control_url), "second_factor.needed"));
        }
        let user = caller.person().map_or_else(|| network(arrival.client), |person| person.to_string());
        let shape = record::shape(&arrival.path);
        let counted = Counted { user: &user, address: arrival.client, route: &shape };
        route.rates.check(&counted).err().map(|over| (pages::over_limit(&over.limit, over.wait), "rate.over"))
    }

    /// A static file is counted, not recorded one by one.
    async fn file<A: Act>(&self, permit: Permit<A>, visit: Visit<'_>) -> Result<Response<Body>, Box<Page>> {
        let (route, arrival) = (&visit.route, visit.arrival);
        let (_, spent) = permit.spend();
        self.store.count(spent.caller(), spent.rule().name, spent.target(), Outcome::Allowed);
        if !matches!(arrival.method, http::Method::GET | http::Method::HEAD) {
            return Err(pages::method("`GET` and `HEAD`"));
        }
        let found = self.files.find(&route.listing, &arrival.path).await.map_err(|error| {
            tracing::error!(%error, app = %route.app.id, "a file could not be read");
            pages::not_ready()
        })?;
        let asked = visit.request.headers();
        let response = found.ok_or_else(pages::not_found)?.respond(&arrival.method, asked);
        let mut response = crate::assets::compressed(response, asked).await;
        headers::outward(response.headers_mut(), route, visit.came.openness);
        if visit.running.is_cut() {
            return Err(pages::switched_off(&route.name));
        }
        Ok(response)
    }

    async fn run<A: Act + Clone + Unpin>(&self, permit: Permit<A>, visit: Visit<'_>) -> Result<Response<Body>, Box<Page>> {
        let Visit { arrival, route, running, came, request } = visit;
        if !self.recorder.takes() {
            return Err(pages::unrecorded());
        }
        let judged = Judged {
            authority: Arc::clone(&self.authority),
            clock: Arc::clone(&self.clock),
            lease: Arc::clone(&self.lease),
            caller: permit.caller().clone(),
            act: permit.act().clone(),
            epoch: permit.epoch(),
            good_until: permit.good_until(),
            until: came.until,
        };
        let mut detail = arrival.detail();
        detail.insert("release".to_owned(), json!(route.release));
        let record = Record::new(&self.recorder, permit, detail);
        let answering = Answering(Arc::clone(&record));
        let over = Arc::new(AtomicBool::new(false));
        let inside = self.inside(arrival, &came, &route, request, &over);
        let outcome = self.in_sandbox(&route, &record, &running, &came.caller, (inside, &Trigger::Fetch), &arrival.trace).await;
        let refused = match outcome {
            _ if over.load(Ordering::Acquire) => pages::too_large(self.config.limits.body_bytes),
            Ok(response) => {
                answering.0.answered(Some(response.status().as_u16()));
                running.streams_over(arrival.connection.as_ref().map(|connection| connection.closing().clone()));
                let mut response = response.map(|body| body::judged(body, running, judged));
                headers::outward(response.headers_mut(), &route, came.openness);
                return Ok(response);
            }
            Err(Some(stopped)) => self.stopped(&route, &running, &stopped),
            Err(None) => pages::not_ready(),
        };
        answering.0.answered(Some(refused.status));
        Err(refused)
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
            credential_epoch: route.credential_epoch,
        };
        let opened = self.doors.open(instance, &route.secrets);
        let url = format!("{}{}", route.url, request.uri());
        let facts = self.authority.facts(&self.config.tenant);
        let user = caller.person().and_then(|id| Some((id, facts.people.get(id)?.as_ref())));
        let context = context(route, trigger, user, &opened.placeholders, &url);
        let sinks = (Arc::clone(&self.log), Arc::clone(&self.clock));
        let door = Arc::new(GuestDoor::new(opened.door, sinks, Arc::clone(record), route, trace.id.clone()));
        let ended = matches!(trigger, Trigger::Scheduled { .. }).then(|| door.end());
        let run = Run { request, context, limits: route.limits, door, stop: running.stop() };
        let outcome = ready.app.run(run).await;
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
            Stopped::Cancelled | Stopped::Trap { .. } | Stopped::Uncaught { .. } | Stopped::NoResponse | Stopped::Incomplete => {
                pages::failed()
            }
        }
    }
}
