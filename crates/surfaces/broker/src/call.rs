//! One call of a guest: from the request as it came to the head of the answer, over every redirect.
//!
//! Refuses more redirects than five, bodies that cannot be sent again, and the way from outside to an inside name.

use crate::{
    Body, Broker,
    body::{empty, full},
    destination::Destination,
    grants::{Covered, cover},
    headers::{self, Asked},
    hop::Answer,
    live::Live,
    redirect::{self, Carry, Mode},
    refusal,
    sent::Kept,
};
use authority::Instance;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body::Body as _;
use model::Problem;
use std::sync::Arc;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tracing::Instrument;

/// A request of the guest as it stands now: first its own, then what each redirect made of it. Placeholders are
/// still in it; values never are.
pub(crate) struct Outgoing {
    pub(crate) uri: Uri,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// The length that goes into the head.
    pub(crate) length: Option<u64>,
}

/// What stays the same over all redirects of one call.
pub(crate) struct Trip<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) instance: &'a Instance,
    pub(crate) live: Arc<Live>,
    pub(crate) begun: Instant,
}

/// Where an answer came from in the end, when redirects were followed: `response.url` of the guest. Only the platform may
/// say it, and what came back in a `Location` was scrubbed.
const URL_HEADER: &str = "bailiwick-url";

/// What spans for the operator's collector are under.
const TRACES: &str = "bailiwick::trace";

impl Broker {
    /// Carries one request. What is refused comes back as a response with `bailiwick-problem: 1`.
    pub async fn call(&self, instance: &Instance, request: Request<Body>) -> Response<Body> {
        let caller = &instance.caller;
        let span = tracing::info_span!(
            target: TRACES,
            "call",
            trace_id = caller.trace.as_ref().map(model::TraceId::as_str),
            app = instance.app.id.as_str(),
            http.response.status_code = tracing::field::Empty,
        );
        let response = match self.carry(instance, request).instrument(span.clone()).await {
            Ok(response) => response,
            Err(problem) => refusal::answer(&problem),
        };
        span.record("http.response.status_code", u64::from(response.status().as_u16()));
        response
    }

    async fn carry(&self, instance: &Instance, request: Request<Body>) -> Result<Response<Body>, Problem> {
        let method = request.method().clone();
        let refused = |to: Option<&Destination>, problem: Problem| {
            self.record.refused(instance, to, &method, &problem);
            problem
        };
        let to = Destination::read(request.uri()).map_err(|problem| refused(None, problem))?;
        if to.is_inside() {
            let answered = self.answer_inside(instance, &to, request).await;
            return answered.map_err(|problem| refused(Some(&to), problem));
        }
        self.record.ready(instance)?;
        let Some(live) = self.live(&instance.app) else {
            let problem = match cover(&[], &method, &to) {
                Err(problem) if !self.lives.was_cut(&instance.app) => problem,
                Ok(_) | Err(_) => refusal::cut(&instance.name),
            };
            return Err(refused(Some(&to), problem));
        };
        if instance.credential_epoch < live.credential_epoch() {
            return Err(refused(Some(&to), refusal::cut(&instance.name)));
        }
        let place = live.begin().map_err(|problem| refused(Some(&to), problem))?;
        let token = live.token.clone();
        let trip = Trip { broker: self, instance, live, begun: Instant::now() };
        tokio::select! {
            biased;
            () = token.cancelled() => Err(refusal::cut(&instance.name)),
            answer = trip.go(request, to, place) => answer,
        }
    }
}

impl Trip<'_> {
    async fn go(
        &self,
        request: Request<Body>,
        first: Destination,
        place: OwnedSemaphorePermit,
    ) -> Result<Response<Body>, Problem> {
        let limits = &self.broker.config.limits;
        let (parts, body) = request.into_parts();
        let mut out = Outgoing { uri: parts.uri, method: parts.method, headers: parts.headers, body, length: None };
        let asked = self.judge_head(&mut out, &first)?;
        let (mut to, mut followed) = (first, false);
        for _ in 0..=limits.redirects {
            let covered = self.cover(&out.method, &to)?;
            let (uri, method, clean) = (out.uri.clone(), out.method.clone(), out.headers.clone());
            let kept = Arc::new(Kept::default());
            let answer = self.hop(&to, &covered, out, &kept).await?;
            if !redirect::is_redirect(answer.parts.status, &answer.parts.headers) || asked.redirect == Mode::Manual {
                let mut response = answer.into_response(place, self);
                if followed && let Ok(uri) = HeaderValue::try_from(uri.to_string()) {
                    response.headers_mut().insert(URL_HEADER, uri);
                }
                return Ok(response);
            }
            if asked.redirect == Mode::Error {
                let problem = refusal::redirects("the app asked for no redirect", "call the final address itself");
                return Err(answer.refuse(problem));
            }
            (out, to) = self.follow(answer, &uri, &method, clean, &to, &kept)?;
            followed = true;
        }
        let problem = refusal::redirects("it was sent elsewhere more than five times", "call the final address itself");
        self.broker.record.refused(self.instance, Some(&to), &out.method, &problem);
        Err(problem)
    }

    /// Judges the guest's own head, and settles the length of its body.
    fn judge_head(&self, out: &mut Outgoing, to: &Destination) -> Result<Asked, Problem> {
        let judged = method(&out.method)
            .and_then(|()| headers::judge(&mut out.headers, &out.method, to, &self.broker.config.limits))
            .and_then(|asked| {
                out.length = length(&out.method, asked.length, &out.body)?;
                match out.length.filter(|length| *length > self.broker.config.limits.request_bytes) {
                    Some(_) => Err(refusal::too_large("the request", self.broker.config.limits.request_bytes)),
                    None => Ok(asked),
                }
            });
        judged.inspect_err(|problem| self.broker.record.refused(self.instance, Some(to), &out.method, problem))
    }

    fn cover(&self, method: &Method, to: &Destination) -> Result<Covered, Problem> {
        let grants = self.live.grants();
        cover(&grants, method, to)
            .and_then(|covered| self.live.count().map(|()| covered))
            .inspect_err(|problem| self.broker.record.refused(self.instance, Some(to), method, problem))
    }

    /// The next request, read and stripped as a new one; what it may reach is judged by the next hop.
    fn follow(
        &self,
        answer: Answer,
        uri: &Uri,
        method: &Method,
        mut headers: HeaderMap,
        from: &Destination,
        kept: &Kept,
    ) -> Result<(Outgoing, Destination), Problem> {
        let next = match redirect::next(uri, method, answer.parts.status, &answer.parts.headers) {
            Ok(next) => next,
            Err(problem) => return Err(answer.refuse(problem)),
        };
        answer.pass();
        let refused = |to: Option<&Destination>, problem: Problem| {
            self.broker.record.refused(self.instance, to, &next.method, &problem);
            problem
        };
        let to = Destination::read(&next.uri).map_err(|problem| refused(None, problem))?;
        if to.is_inside() {
            let fix = "call the platform's own names from the app itself";
            return Err(refused(Some(&to), refusal::redirects("a host outside may not send a call inside", fix)));
        }
        if !to.same_origin(from) {
            headers::leave_origin(&mut headers);
        }
        let body = match next.carry {
            Carry::Nothing => {
                headers::leave_body(&mut headers);
                None
            }
            Carry::Body => Some(kept.again().ok_or_else(|| {
                let fix = "call the final address itself, or send a smaller body";
                refused(Some(&to), refusal::redirects("its body is too large to be sent a second time", fix))
            })?),
        };
        let length = Some(body.as_ref().map_or(0, |body| body.len() as u64));
        let body = body.map_or_else(empty, full);
        Ok((Outgoing { uri: next.uri, method: next.method, headers, body, length }, to))
    }
}

/// Methods that ask for something else than one request and one answer, or that echo what was sent.
fn method(method: &Method) -> Result<(), Problem> {
    let never = ["CONNECT", "TRACE", "TRACK", "PRI", "UPGRADE"];
    if never.iter().any(|never| method.as_str().eq_ignore_ascii_case(never)) {
        let what = format!("`{}` never leaves an app", method.as_str());
        let why = "it opens tunnels, switches protocols or echoes credentials";
        return Err(refusal::denied("egress.method", what, why, "use `GET`, `POST` or another plain method"));
    }
    Ok(())
}

fn has_body(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// The body's own length and the promised one must agree.
fn length(method: &Method, promised: Option<u64>, body: &Body) -> Result<Option<u64>, Problem> {
    let exact = body.size_hint().exact();
    if !has_body(method) {
        return match exact.or(promised) {
            Some(length) if length > 0 => {
                Err(refusal::header("content-length", "a `GET` or `HEAD` has no body", "use `POST`"))
            }
            Some(_) | None => Ok(Some(0)),
        };
    }
    match (promised, exact) {
        (Some(promised), Some(exact)) if promised != exact => Err(refusal::length()),
        (promised, exact) => Ok(exact.or(promised)),
    }
}
