//! A loaded app, and the door by which requests enter it.
//!
//! Refuses: contexts that a header cannot carry, and more requests at once than the app may serve.

use crate::{
    Error, Sandbox,
    admission::{Admission, Place},
    ahead::gather,
    body::Body,
    door::Door,
    image::{Image, ImageKind},
    instance::{self, Held, Job, Limits, Reporter},
    outgoing::inward,
    positions::Positions,
    resident::Loaded,
    response::remove_own,
    stop::Stop,
    stopped::Stopped,
};
use http::{HeaderName, HeaderValue};
use model::manifest::SandboxLimits;
use std::{sync::Arc, time::Instant};
use tokio::{runtime::Handle, sync::oneshot};

/// Carries the context to the engine, which takes it out of what the app sees.
const CONTEXT: HeaderName = HeaderName::from_static("bailiwick-context");
/// The context holds user, groups and placeholders; with all of them it is a few kilobytes.
const CONTEXT_BYTES: usize = 64 << 10;

/// One request, and all that it may have.
pub struct Run {
    pub request: http::Request<Body>,
    /// JSON in ASCII: who asks, for which app, with which placeholders. Components ask the door for it instead.
    pub context: String,
    pub limits: SandboxLimits,
    pub door: Arc<dyn Door>,
    pub stop: Stop,
}

/// An app that is ready to serve. Clones are the same app, and count together.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    sandbox: Arc<Sandbox>,
    name: String,
    kind: ImageKind,
    positions: Arc<Positions>,
    admission: Admission,
}

impl Sandbox {
    /// Makes an image ready to serve `parallel` requests at once: compiles it, unless that was done before.
    pub async fn load(self: &Arc<Self>, image: &Image, parallel: u32) -> Result<App, Error> {
        let name = self.open(image).await?;
        Ok(App(Arc::new(Inner {
            name,
            kind: image.kind(),
            positions: Arc::new(image.positions().clone()),
            admission: Admission::new(parallel, self.maxima().queue),
            sandbox: Arc::clone(self),
        })))
    }
}

impl App {
    /// Whether as many run as may, and as many again wait: one more would be refused, after more work.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.admission.is_full()
    }

    /// Runs one request in a fresh instance. The response streams; the instance lives until its handler has returned
    /// and its body was read. Dropping this future, or the response's body, ends it, and so does `stop`.
    ///
    /// The door hears of the end exactly once, whatever happens.
    pub async fn run(&self, run: Run) -> Result<http::Response<Body>, Stopped> {
        let Run { request, context, limits, door, mut stop } = run;
        let sandbox = &self.0.sandbox;
        let limits = self.bounded(limits);
        let reporter = Reporter::new(door, limits);
        let admitted = tokio::select! {
            biased;
            () = stop.stopped() => Err(Stopped::Cancelled),
            admitted = self.admit(request, &context) => admitted,
        };
        let (request, loaded, places) = match admitted {
            Ok(admitted) => admitted,
            Err(why) => {
                reporter.end(Some(why.clone()));
                return Err(why);
            }
        };
        let (head, answer) = oneshot::channel();
        let job = Job {
            machine: sandbox.machine(),
            loaded,
            positions: Arc::clone(&self.0.positions),
            request: request.map(inward),
            limits,
            host: Handle::current(),
            stop,
            reporter,
            head,
            held: Held { _ticking: sandbox.ticking(), _places: places },
        };
        // Not kept: the task ends when the answer's receiver is dropped.
        let (waits, handed_over) = (sandbox.waits(), Instant::now());
        drop(sandbox.guests().spawn(async move {
            waits.note(handed_over.elapsed());
            instance::run(job).await;
        }));
        answer.await.unwrap_or(Err(Stopped::Cancelled))
    }

    async fn admit(
        &self,
        mut request: http::Request<Body>,
        context: &str,
    ) -> Result<(http::Request<Body>, Arc<Loaded>, [Place; 2]), Stopped> {
        remove_own(request.headers_mut());
        if self.0.kind == ImageKind::Script {
            let fits = context.len() <= CONTEXT_BYTES && context.is_ascii();
            let value = HeaderValue::from_str(context).ok().filter(|_| fits);
            let value = value.ok_or(Stopped::Unfit { what: "its context does not fit a header" })?;
            request.headers_mut().insert(CONTEXT, value);
        }
        // The guest's library cannot take a request without an authority; what apps see comes from the context.
        if request.uri().authority().is_none() && !request.headers().contains_key(http::header::HOST) {
            request.headers_mut().insert(http::header::HOST, HeaderValue::from_static("app.bailiwick"));
        }
        let (head, body) = request.into_parts();
        let request = http::Request::from_parts(head, gather(body).await);
        let own = self.0.admission.enter().await?;
        let shared = self.0.sandbox.admission().enter().await?;
        let loaded = self.0.sandbox.resident(&self.0.name, self.0.kind).await?;
        Ok((request, loaded, [own, shared]))
    }

    fn bounded(&self, limits: SandboxLimits) -> Limits {
        let maxima = self.0.sandbox.maxima();
        Limits {
            memory_bytes: limits.memory_bytes.min(maxima.memory_bytes),
            cpu: limits.cpu,
            time: limits.time,
            response_bytes: maxima.response_bytes,
            outgoing: maxima.outgoing,
        }
    }
}
