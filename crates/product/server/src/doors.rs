//! The way out of an instance: the broker, with the vault's placeholders; and the names that never leave the process.
//!
//! What is refused on the way stands in the app's log too, so that its team sees it without the code printing it.

use authority::Instance;
use broker::{Broker, Inside};
use data::Data;
use futures_util::future::BoxFuture;
use gateway::{Doors, Gateway, Line, Log, Opened, Told};
use http::{Request, Response};
use http_body_util::BodyExt;
use model::{Clock, Problem, ProblemKind, TraceId};
use sandbox::{Door, Level, LogLine, Report, Sending};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
};
use vault::Vault;

/// Refusals of one instance that its app's log takes: a loop of refused calls says nothing more.
const REFUSALS_SAID: u32 = 20;
/// As much of a host as a line names.
const HOST_SHOWN_CHARS: usize = 120;

/// As a call to the app's own data is named.
const DATA: &str = " http://data.bailiwick";

/// Opens a way out for each instance.
pub(crate) struct WaysOut {
    pub(crate) broker: Arc<Broker>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
}

struct WayOut {
    broker: Arc<Broker>,
    vault: Arc<Vault>,
    said: Arc<Saying>,
    instance: Instance,
}

/// Where refusals are said.
struct Saying {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    count: AtomicU32,
}

impl Saying {
    fn line(&self, instance: &Instance, text: String) {
        self.log.line(Line {
            app: instance.app.clone(),
            name: Arc::clone(&instance.name),
            release: instance.release,
            trace: instance.caller.trace.clone().unwrap_or_else(|| TraceId::new("")),
            level: Level::Warn,
            text,
            at: None,
            time: self.clock.now(),
        });
    }

    /// Says why a call was refused, when the answer is the broker's own.
    async fn hear(&self, instance: &Instance, call: &str, response: Response<broker::Body>) -> Response<broker::Body> {
        let by_data = call.ends_with(DATA) && data_refused(&response);
        if !by_data && !response.headers().contains_key(broker::PROBLEM_HEADER) {
            return response;
        }
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let problem: Option<Problem> = serde_json::from_slice(&bytes).ok();
        match self.count.fetch_add(1, Ordering::Relaxed) {
            count if count < REFUSALS_SAID => {
                let words = problem
                    .map_or_else(String::new, |Problem { code, what, fix, .. }| format!(" ({code}): {what}; {fix}"));
                self.line(instance, format!("refused: {call}{words}"));
            }
            REFUSALS_SAID => self.line(instance, "refused: more calls of this request, not said one by one".to_owned()),
            _ => {}
        }
        Response::from_parts(parts, broker::full(bytes))
    }
}

/// A refusal by the app's own declarations. That a record is not there is an answer.
fn data_refused(response: &Response<broker::Body>) -> bool {
    let kind = response.headers().get(http::header::CONTENT_TYPE);
    let problem = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
    problem && response.status() != http::StatusCode::NOT_FOUND
}

/// Method and host of a call; path and query may hold what is personal.
fn named(request: &Request<sandbox::Body>) -> String {
    let host = request.uri().authority().map_or("", http::uri::Authority::as_str);
    let host = host.rsplit('@').next().unwrap_or_default();
    let shown: String = host.chars().take(HOST_SHOWN_CHARS).collect();
    format!("{} {}://{shown}", request.method(), request.uri().scheme_str().unwrap_or("?"))
}

impl Doors for WaysOut {
    fn open(&self, instance: Instance, secrets: &[String]) -> Opened {
        let placeholders = if secrets.is_empty() { BTreeMap::new() } else { self.vault.placeholders(&instance) };
        let (log, clock) = (Arc::clone(&self.log), Arc::clone(&self.clock));
        let said = Arc::new(Saying { log, clock, count: AtomicU32::new(0) });
        let door = WayOut { broker: Arc::clone(&self.broker), vault: Arc::clone(&self.vault), said, instance };
        Opened { door: Arc::new(door), placeholders }
    }
}

impl Door for WayOut {
    fn send(&self, request: Request<sandbox::Body>) -> Sending {
        let (broker, instance, said) = (Arc::clone(&self.broker), self.instance.clone(), Arc::clone(&self.said));
        let call = named(&request);
        Box::pin(async move {
            let response = broker.call(&instance, request).await;
            Ok(said.hear(&instance, &call, response).await)
        })
    }

    fn log(&self, _line: LogLine) {
        // The gateway wraps this door, and takes the lines.
    }

    fn ended(&self, _report: Report) {
        self.vault.forget(&self.instance.id);
    }
}

impl Drop for WayOut {
    fn drop(&mut self) {
        self.vault.forget(&self.instance.id);
    }
}

/// A guest's body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
struct Failed(#[source] broker::BoxError);

/// `http://data.bailiwick`.
pub(crate) struct DataInside(pub(crate) Arc<Data>);

impl Inside for DataInside {
    fn answer(
        &self,
        instance: &Instance,
        request: Request<broker::Body>,
    ) -> BoxFuture<'static, Response<broker::Body>> {
        let (data, instance) = (Arc::clone(&self.0), instance.clone());
        // Erased to an error that has a name, which the future's type needs.
        let request = request.map(|body| body.map_err(Failed).boxed_unsync());
        Box::pin(async move {
            let response = data.answer(&instance, request).await;
            response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
        })
    }
}

/// `http://assets.bailiwick`: the static files of the app that asks.
pub(crate) struct AssetsInside(pub(crate) Weak<Gateway>);

impl Inside for AssetsInside {
    fn answer(
        &self,
        instance: &Instance,
        request: Request<broker::Body>,
    ) -> BoxFuture<'static, Response<broker::Body>> {
        let (gateway, app) = (self.0.upgrade(), instance.app.clone());
        Box::pin(async move {
            let (asked, _body) = request.into_parts();
            match gateway {
                Some(gateway) => gateway.asset(&app, &asked).await.map(|body| body.map_err(Into::into).boxed_unsync()),
                None => Response::new(broker::empty()),
            }
        })
    }
}

/// `http://self.bailiwick/v1/context`: what the instance was told of its request, for components that do not use the shared
/// engine: who asks, which app, the placeholders, the address, what made it run.
pub(crate) struct SelfInside;

impl Inside for SelfInside {
    fn answer(
        &self,
        _instance: &Instance,
        request: Request<broker::Body>,
    ) -> BoxFuture<'static, Response<broker::Body>> {
        let told = request.extensions().get::<Told>().filter(|_| request.uri().path() == "/v1/context");
        let (kind, text) = match told {
            Some(Told(text)) => ("application/json", text.to_string()),
            None => {
                let problem = unknown_call(request.uri().path());
                ("application/problem+json", problem.document(problem.status()).to_string())
            }
        };
        let mut response = Response::new(broker::full(text));
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
        if told.is_none() {
            *response.status_mut() = http::StatusCode::NOT_FOUND;
            response.headers_mut().insert(broker::PROBLEM_HEADER, http::HeaderValue::from_static("1"));
        }
        Box::pin(std::future::ready(response))
    }
}

fn unknown_call(path: &str) -> Problem {
    let what = format!("nothing answers at `http://self.bailiwick{path}`");
    let why = "there is one thing to ask for there";
    Problem::new(ProblemKind::NotFound, "self.unknown_call", what, why, "call `http://self.bailiwick/v1/context`")
}
