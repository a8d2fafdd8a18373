//! The journey of a request: host name → route → session or token → permit → limits → sandbox → response → event.
//!
//! Routes, decisions and limits are in memory: no database read on the way, but for limits that several nodes share,
//! and a session that another node made; no lock held across a wait.

use crate::{
    Gateway, SignedIn,
    act::{UseApp, UsePublic},
    arrival::Arrival,
    body,
    browser::{self, Reader},
    cookies,
    headers::{self, Authorization, Openness},
    live::Running,
    page::Page,
    pages,
    rates::{Counted, Turn, network},
    record,
    route::{Route, grants::Kind},
    run::said_of,
    serve::Connection,
    shares::{Crowded, Share},
    sign_in,
    trace::Trace,
};
use authority::{Act, AppState, Caller, Permit, SECOND_FACTOR_FRESH, Target};
use axum::body::Body;
use http::{Request, Response, header};
use http_body::Body as _;
use model::{Problem, ProblemKind, Timestamp};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc};
use store::{Drawer, Outcome};
use tracing::Instrument;

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

/// The manifest names the networks from which the app may be used, and this is none of them.
fn not_from_here(app: &str) -> Box<Page> {
    Problem::new(
        ProblemKind::Denied,
        "address.not_allowed",
        format!("`{app}` cannot be used from here"),
        "it answers only the networks that its team named",
        "open it from the company's network, or ask the team that runs it",
    )
    .into()
}

/// The page of a limit, and its code.
fn refusal(turn: Turn) -> (Box<Page>, &'static str) {
    match turn {
        Turn::Over(over) => (pages::over_limit(&over.limit, over.wait), "rate.over"),
        Turn::Uncounted => (pages::uncounted(), "rate.uncounted"),
    }
}

/// Who came, by what, and whether the path is open to anyone.
pub(crate) struct Came {
    pub(crate) caller: Caller,
    pub(crate) authorization: Authorization,
    pub(crate) openness: Openness,
    /// When session or token end.
    pub(crate) until: Timestamp,
}

/// A request that is about to be let in.
pub(crate) struct Visit<'a> {
    pub(crate) arrival: &'a Arrival,
    pub(crate) route: Arc<Route>,
    pub(crate) running: Running,
    pub(crate) came: Came,
    pub(crate) request: Request<Body>,
}

impl Gateway {
    /// Answers a request for a host under the apps domain. Never fails: refusals are pages.
    pub async fn handle(&self, request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        let trace = Trace::of(request.headers());
        let span = trace.span(request.method());
        let response = self.answered(request, peer, trace).instrument(span.clone()).await;
        span.record("http.response.status_code", u64::from(response.status().as_u16()));
        response
    }

    async fn answered(&self, request: Request<Body>, peer: SocketAddr, trace: Trace) -> Response<Body> {
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
        if !self.lease.holds() {
            return Err(pages::cut_off().into());
        }
        if arrival.connection.as_ref().is_some_and(Connection::is_crowded) {
            return Err(pages::crowded(Crowded::Node).into());
        }
        let Some(route) = arrival.label.as_deref().and_then(|label| self.routes.at(label)) else {
            self.refused(arrival, &Target::new(self.config.tenant.clone(), "host/unknown"));
            return Err(pages::unknown_host(&self.config.control_url).into());
        };
        tracing::Span::current().record("app", route.app.id.as_str());
        if browser::is_foreign(&arrival.method, request.headers(), &route.url) {
            self.refused(arrival, &route.target);
            return Err(pages::foreign().into());
        }
        if let Some(page) = self.dead(&route) {
            self.refused(arrival, &route.target);
            return Err(page.into());
        }
        if !route.answers(arrival.client) {
            self.refused(arrival, &route.target);
            return Err(not_from_here(&route.name).into());
        }
        if self.lacks_certificate(arrival, &route) {
            self.refused(arrival, &route.target);
            return Err(pages::uncertified(&route.name).into());
        }
        if browser::is_for_worker(request.headers()) {
            self.refused(arrival, &route.target);
            return Err(pages::service_worker(&route.name).into());
        }
        if let Some(rest) = sign_in::reserved(&arrival.path) {
            // Without its body, which cannot be shared between threads.
            let (asked, _body) = request.into_parts();
            return self.own_path(arrival, &route, &asked, rest).await;
        }
        let Some(mut running) = route.live.enter() else { return Err(pages::switched_off(&route.name).into()) };
        let came = self.who_came(arrival, &route, request.headers()).await?;
        running.holds(self.share(arrival, &route, &came.caller)?);
        let visit = Visit { arrival, route, running, came, request };
        match visit.came.openness {
            Openness::SignedIn => self.admit(UseApp::new(visit.route.target.clone()), visit).await,
            Openness::Public => self.admit(UsePublic::new(visit.route.target.clone()), visit).await,
        }
    }

    /// Sessions of an app end with it: whoever came in that moment is told of the app, and not sent to sign in.
    async fn who_came(&self, arrival: &Arrival, route: &Route, headers: &http::HeaderMap) -> Result<Came, Turned> {
        self.who(arrival, route, headers).await.map_err(|turned| self.dead(route).map_or(turned, Into::into))
    }

    /// Whether the operator asks for a client's certificate here, and this connection showed none that counts now.
    fn lacks_certificate(&self, arrival: &Arrival, route: &Route) -> bool {
        let clients = self.config.clients.as_ref();
        let Some(clients) = clients.filter(|clients| clients.are_needed(&route.label, &arrival.path)) else {
            return false;
        };
        arrival.connection.as_ref().and_then(Connection::certified) != Some(clients.reading())
    }

    /// A part of what this node can do at once, before anything is done.
    fn share(&self, arrival: &Arrival, route: &Route, caller: &Caller) -> Result<Share, Box<Page>> {
        let whom = caller.person().map_or_else(|| network(arrival.client), |person| person.to_string());
        let share = if route.code.is_full() {
            Err(Crowded::Parallel)
        } else {
            self.shares.enter(&route.app, &whom, self.loader.sandbox.waited())
        };
        share.map_err(|crowded| {
            self.store.count(caller, UseApp::RULE.name, &route.target, Outcome::Failed);
            pages::crowded(crowded)
        })
    }

    /// A refusal of nobody in particular: counted in the record.
    fn refused(&self, arrival: &Arrival, target: &Target) {
        let caller = arrival.stranger(&self.config);
        self.store.count(&caller, UseApp::RULE.name, target, Outcome::Denied);
    }

    /// One request of somebody who is not signed in.
    pub(crate) async fn stranger_counts(&self, arrival: &Arrival) -> Result<(), Box<Page>> {
        self.count_stranger(arrival.client).await.map_err(|turn| refusal(turn).0)
    }

    /// The page of an app that does not serve.
    pub(crate) fn dead(&self, route: &Route) -> Option<Box<Page>> {
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
            self.stranger_counts(arrival).await?;
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
        if let Some(found) = self.signed_in(arrival, route, headers).await? {
            return Ok(known(found, Authorization::TheApps));
        }
        match bearer {
            Some(Err(problem)) => Err(pages::bad_token(*problem).into()),
            Some(Ok(_)) | None => Err(self.signed_out(arrival, route, headers)),
        }
    }

    /// Whoever the cookie says that it is. Everybody else has been counted as a stranger.
    async fn signed_in(
        &self,
        arrival: &Arrival,
        route: &Route,
        headers: &http::HeaderMap,
    ) -> Result<Option<SignedIn>, Box<Page>> {
        let now = self.clock.now();
        let lasting = |found: Option<SignedIn>| found.filter(|found| now < found.expires_at);
        let cookie = cookies::one_cookie(headers, &self.cookies.session);
        let remembered = cookie.map_or(Ok(None), |cookie| self.sign_ins.remembered(cookie, &route.app)).map(lasting);
        if let Ok(Some(found)) = remembered {
            return Ok(Some(found));
        }
        // INVARIANT: counted before the database is asked, and once: a stranger makes up as many cookies as they like.
        let counted = self.stranger_counts(arrival).await;
        let mut found = None;
        if counted.is_ok()
            && remembered.is_err()
            && let Some(cookie) = cookie
        {
            found = lasting(self.sign_ins.session(cookie, &route.app).await);
        }
        if found.is_none() {
            self.refused(arrival, &route.target);
        }
        counted.map(|()| found)
    }

    async fn admit<A: Act + Clone + Unpin>(&self, act: A, visit: Visit<'_>) -> Result<Response<Body>, Turned> {
        let (route, arrival, caller) = (&visit.route, visit.arrival, &visit.came.caller);
        let permit = match self.authority.decide(caller, act) {
            Ok(permit) => permit,
            Err(denied) => {
                // Each refusal of a person is an event of its own: not faster than strangers may come.
                self.stranger_counts(arrival).await?;
                if let Err(error) = self.store.denied(&denied, caller, &route.target).await {
                    tracing::error!(%error, "a refusal could not be recorded");
                    return Err(pages::unrecorded().into());
                }
                let again = denied.kind == ProblemKind::Unauthenticated;
                return Err(if again { pages::signed_out() } else { pages::not_allowed(&route.name, &denied) }.into());
            }
        };
        if self.lacks_factor(&visit) {
            let mut detail = arrival.detail();
            detail.insert("code".to_owned(), json!("second_factor.needed"));
            let taken = self.recorder.write(permit, Outcome::Denied, detail.into());
            let asked = visit.request.headers();
            return Err(if taken { self.needs_more(arrival, route, asked) } else { pages::unrecorded().into() });
        }
        if let Some((page, code)) = self.limited(route, arrival, caller).await {
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

    /// Whether the path asks for a second factor, and this session has none that is fresh.
    fn lacks_factor(&self, visit: &Visit<'_>) -> bool {
        let now = self.clock.now();
        let fresh = visit.came.caller.proved().is_some_and(|at| now.is_within(SECOND_FACTOR_FRESH, at));
        visit.route.needs_second_factor(&visit.arrival.path) && !fresh
    }

    /// What a permit does not judge: how often.
    async fn limited(&self, route: &Route, arrival: &Arrival, caller: &Caller) -> Option<(Box<Page>, &'static str)> {
        let user = caller.person().map_or_else(|| network(arrival.client), |person| person.to_string());
        let shape = record::shape(&arrival.path);
        let drawer = if caller.person().is_some() { Drawer::Known } else { Drawer::Stranger };
        let counted = Counted { user: &user, address: arrival.client, route: &shape, drawer };
        let scope = format!("{}/{}", route.app.id, route.app.env);
        self.count(&scope, &route.rates, &counted).await.err().map(refusal)
    }

    /// A static file is counted, not recorded one by one.
    async fn file<A: Act + Clone + Unpin>(
        &self,
        permit: Permit<A>,
        visit: Visit<'_>,
    ) -> Result<Response<Body>, Box<Page>> {
        let Visit { arrival, route, mut running, came, request } = visit;
        let mut judged = self.judged(&permit, came.until);
        let (_, spent) = permit.spend();
        self.store.count(spent.caller(), spent.rule().name, spent.target(), Outcome::Allowed);
        if !matches!(arrival.method, http::Method::GET | http::Method::HEAD) {
            return Err(pages::method("`GET` and `HEAD`"));
        }
        let found = self.files.find(&route.listing, &arrival.path).await.map_err(|error| {
            tracing::error!(%error, app = %route.app.id, "a file could not be read");
            pages::not_ready()
        })?;
        let asked = request.headers();
        let response = found.ok_or_else(pages::not_found)?.respond(&arrival.method, asked);
        let mut response = crate::assets::compressed(response, asked).await;
        headers::outward(response.headers_mut(), &route, came.openness);
        if running.is_cut() {
            return Err(pages::switched_off(&route.name));
        }
        judged.still_may().map_err(|over| said_of(over, &route))?;
        if response.body().is_end_stream() {
            return Ok(response);
        }
        // Who reads a file slowly takes nothing of what others need: its bytes are there once, for all.
        running.lets_go();
        running.streams_over(arrival.closing());
        Ok(response.map(|body| body::judged(body, running, judged)))
    }
}
