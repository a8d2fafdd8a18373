//! Traces for the operator's collector (`[telemetry] otlp`): a span for each request, its run in the sandbox, each call
//! out; for each request of the API, and the deploy or revoke within it; under the trace id that the events carry.
//!
//! Refuses whatever is not on a short list: an attribute leaves only if it is named here, so no body, value, token, query
//! or person can. Never waits for the collector: what does not fit into a bounded queue is dropped and counted.

mod wire;

use axum::{body::Body, extract::MatchedPath, middleware::Next};
use http::{Request, Response};
use model::{Clock, SystemClock};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tracing::{
    Instrument, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, filter, layer::Context, registry::LookupSpan};

/// What spans of traces are under; libraries have spans of their own, which never leave.
pub(crate) use gateway::TRACES as TARGET;

/// Spans that wait for the collector.
const QUEUE: usize = 4096;
const BATCH: usize = 512;
/// How long spans gather before they are sent.
const GATHER: Duration = Duration::from_millis(500);
const WITHIN: Duration = Duration::from_secs(5);
/// Between two tries, when the collector is away.
const PAUSE: Duration = Duration::from_secs(5);
/// Attributes that may leave: ids of apps, methods and routes of ours, numbers.
const TEXTS: &[&str] = &["app", "http.request.method", "http.route"];
const NUMBERS: &[&str] = &["http.response.status_code"];

static TO: OnceLock<Queue> = OnceLock::new();

struct Queue {
    to: mpsc::Sender<Ended>,
    dropped: Arc<AtomicU64>,
}

/// A span that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    trace: [u8; 16],
    id: [u8; 8],
    parent: Option<[u8; 8]>,
    name: &'static str,
    begun_ns: u64,
    ended_ns: u64,
    texts: Vec<(&'static str, String)>,
    numbers: Vec<(&'static str, i64)>,
}

struct Open {
    span: Ended,
    begun: Instant,
}

/// Listens to spans and hands them over when they end.
#[derive(Default)]
struct Traces {
    /// The newest open span of each trace: what is done for it on another task stands under it.
    newest: Mutex<HashMap<[u8; 16], [u8; 8]>>,
}

/// For the subscriber of the process. Costs nothing before `[telemetry]` is read, or without it.
pub(crate) fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Traces::default().with_filter(filter::dynamic_filter_fn(|about, _| about.target() == TARGET && TO.get().is_some()))
}

#[derive(Default)]
struct Fields {
    trace: Option<[u8; 16]>,
    id: Option<[u8; 8]>,
    parent: Option<[u8; 8]>,
    texts: Vec<(&'static str, String)>,
    numbers: Vec<(&'static str, i64)>,
}

fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

impl Fields {
    fn text(&mut self, name: &'static str, text: &str) {
        match name {
            "trace_id" => self.trace = digits(text),
            "span_id" => self.id = digits(text),
            "parent_id" => self.parent = digits(text),
            _ if TEXTS.contains(&name) => self.texts.push((name, text.to_owned())),
            _ => {}
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if NUMBERS.contains(&field.name()) {
            self.numbers.push((field.name(), i64::try_from(value).unwrap_or(i64::MAX)));
        }
    }
}

impl Traces {
    fn newest(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 16], [u8; 8]>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Layer<S> for Traces
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let above = span.parent().and_then(|parent| {
            let extensions = parent.extensions();
            extensions.get::<Open>().map(|open| (open.span.trace, open.span.id))
        });
        let (trace, parent) = match (fields.trace, above) {
            // One that says its own id begins here; whoever called may stand above it.
            (Some(trace), _) if fields.id.is_some() => (trace, fields.parent),
            (None, Some((trace, parent))) => (trace, Some(parent)),
            (Some(trace), Some((of, parent))) if of == trace => (trace, Some(parent)),
            (Some(trace), _) => match self.newest().get(&trace) {
                Some(parent) => (trace, Some(*parent)),
                None => return,
            },
            (None, None) => return,
        };
        let own = fields.id.unwrap_or_else(seal::random_bytes);
        if fields.id.is_some() {
            self.newest().insert(trace, own);
        }
        let begun_ns = u64::try_from(SystemClock.now().as_ms()).unwrap_or(0).saturating_mul(1_000_000);
        let Fields { texts, numbers, .. } = fields;
        let name = attributes.metadata().name();
        let ended = Ended { trace, id: own, parent, name, begun_ns, ended_ns: begun_ns, texts, numbers };
        span.extensions_mut().insert(Open { span: ended, begun: Instant::now() });
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            let mut fields = Fields::default();
            values.record(&mut fields);
            open.span.texts.append(&mut fields.texts);
            open.span.numbers.append(&mut fields.numbers);
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Open { span: mut ended, begun }) = span.extensions_mut().remove::<Open>() else { return };
        ended.ended_ns += u64::try_from(begun.elapsed().as_nanos()).unwrap_or(0);
        let mut newest = self.newest();
        if newest.get(&ended.trace) == Some(&ended.id) {
            newest.remove(&ended.trace);
        }
        drop(newest);
        if let Some(queue) = TO.get()
            && queue.to.try_send(ended).is_err()
        {
            queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A request of the control origin, under its trace: its own, or one that begins here and is carried on.
pub(crate) async fn traced(mut request: Request<Body>, next: Next) -> Response<Body> {
    let (span, parent) = gateway::control_span(request.headers(), request.method());
    if let Some(parent) = parent {
        request.headers_mut().insert("traceparent", parent);
    }
    if let Some(route) = request.extensions().get::<MatchedPath>() {
        span.record("http.route", route.as_str());
    }
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", u64::from(response.status().as_u16()));
    response
}

/// Sends what ends to the collector, until the process does. Nothing waits for it.
pub(crate) fn export(
    collector: &str,
    node: &str,
    trusted: &[rustls_pki_types::CertificateDer<'static>],
) -> Result<Option<impl Future<Output = ()> + Send + use<>>, reqwest::Error> {
    let (to, mut ended) = mpsc::channel(QUEUE);
    let dropped = Arc::<AtomicU64>::default();
    if TO.set(Queue { to, dropped: Arc::clone(&dropped) }).is_err() {
        // Another server of this process has it already: tests alone.
        return Ok(None);
    }
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let certificates: Result<Vec<_>, _> = trusted.iter().map(|one| reqwest::Certificate::from_der(one)).collect();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(WITHIN)
        .tls_certs_merge(certificates?)
        .build()?;
    let (address, node) = (format!("{collector}/v1/traces"), node.to_owned());
    Ok(Some(async move {
        let mut batch = Vec::new();
        while ended.recv_many(&mut batch, BATCH).await > 0 {
            tokio::time::sleep(GATHER).await;
            while batch.len() < BATCH
                && let Ok(more) = ended.try_recv()
            {
                batch.push(more);
            }
            let body = wire::request(&node, &batch);
            batch.clear();
            let sent = client.post(&address).header("content-type", "application/x-protobuf").body(body).send().await;
            let refused = match sent.and_then(reqwest::Response::error_for_status) {
                Ok(_) => None,
                Err(error) => Some(error.without_url()),
            };
            let lost = dropped.swap(0, Ordering::Relaxed);
            if let Some(error) = refused {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    lost,
                    "the collector of traces was not reached"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }))
}
