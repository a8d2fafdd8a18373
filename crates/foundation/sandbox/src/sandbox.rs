//! The machine that all instances share: wasmtime, the threads that run guests, the engine, the cache.

use crate::{
    Error,
    admission::{Admission, Place},
    compiled::{BroughtBy, Cache, Code, CodeKind},
    component,
    config::{Config, Maxima},
    data_module::{self, Unfit},
    elsewhere::Compiler,
    guest::{Guest, linker},
    image::{Image, ImageKind},
    machine::{self, PREPARING},
    resident::{Loaded, Residents},
    stopped::Stopped,
    template::{self, Template},
    ticker::{Ticker, Ticking},
    waited::Waited,
};
use model::{Problem, ProblemKind};
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::watch,
};
use wasmtime::{Engine, component::Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// The engine compiles behind requests that are already served.
const COMPILING_NICENESS: i32 = 10;

type Compiled = Option<Result<Arc<Template>, Arc<Error>>>;

/// Runs apps. One per process is enough; dropping the last clone ends all that runs in it.
pub struct Sandbox {
    machine: Engine,
    cache: Arc<Cache>,
    linker: Linker<Guest>,
    template: watch::Receiver<Compiled>,
    ticker: Ticker,
    waited: Arc<Waited>,
    admission: Admission,
    preparing: Admission,
    residents: Residents,
    maxima: Maxima,
    guests: Handle,
    /// Of guests alone, so that one that spins holds up neither the gateway nor a revoke.
    runtime: Option<Runtime>,
}

impl Sandbox {
    /// Starts at once; the engine is compiled in the background unless the cache has it.
    pub fn start(config: Config) -> Result<Arc<Self>, Error> {
        Self::start_with(config, Compiler::Here)
    }

    /// The same, with somebody else to compile the engine.
    pub fn start_with(config: Config, compiler: Compiler) -> Result<Arc<Self>, Error> {
        let Config { cache_dir, authenticator, maxima } = config;
        let machine = machine::engine(&maxima)?;
        let cache = Arc::new(Cache::open(&cache_dir, authenticator, machine.clone())?);
        let linker = linker(&machine)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(maxima.workers.max(1))
            .thread_name("guest")
            .enable_all()
            .build()
            .map_err(start_failed)?;
        let (done, template) = watch::channel(None);
        let making = Making { machine: machine.clone(), cache: Arc::clone(&cache), linker: linker.clone(), compiler };
        compile(making, runtime.handle().clone(), done)?;
        Ok(Arc::new(Self {
            ticker: Ticker::start(machine.clone()).map_err(start_failed)?,
            waited: Arc::default(),
            admission: Admission::new(maxima.instances, maxima.queue),
            preparing: Admission::new(PREPARING, maxima.queue.saturating_mul(10)),
            residents: Residents::new(maxima.apps),
            guests: runtime.handle().clone(),
            runtime: Some(runtime),
            machine,
            cache,
            linker,
            template,
            maxima,
        }))
    }

    /// Waits until the engine is compiled.
    pub async fn ready(&self) -> Result<(), Error> {
        self.template().await.map(drop)
    }

    pub(crate) async fn template(&self) -> Result<Arc<Template>, Error> {
        let mut template = self.template.clone();
        let done = template.wait_for(Option::is_some).await.map_err(|_| Error::Lost)?;
        match done.as_ref() {
            Some(Ok(template)) => Ok(Arc::clone(template)),
            Some(Err(why)) => Err(Error::Engine(chain(why.as_ref()))),
            None => Err(Error::Lost),
        }
    }

    /// Compiles an image unless the cache has it; the name under which it is kept.
    pub(crate) async fn open(self: &Arc<Self>, image: &Image) -> Result<String, Error> {
        let template = match image.kind() {
            ImageKind::Script => Some(self.template().await?),
            ImageKind::Component => None,
        };
        let (sandbox, image) = (Arc::clone(self), image.clone());
        let opened = self.guests.spawn_blocking(move || {
            let name = sandbox.cache.name_of(&image.to_bytes());
            if sandbox.residents.find(&name).is_none() {
                let pre = sandbox.link(&image, &name, template.as_deref())?;
                sandbox.residents.keep(name.clone(), pre);
            }
            Ok(name)
        });
        opened.await.map_err(|_| Error::Lost)?
    }

    fn link(&self, image: &Image, name: &str, template: Option<&Template>) -> Result<ProxyPre<Guest>, Error> {
        let wasm = image.wasm()?;
        let kind = match template {
            Some(template) => {
                data_module::check(&wasm, &template.memory_export).map_err(unfit)?;
                CodeKind::Module
            }
            None => {
                component::check(&wasm)?;
                CodeKind::Component
            }
        };
        let build = || self.cache.build(name, kind, &wasm, BroughtBy::Builder);
        let code = self.cache.load(name, kind).map_or_else(build, Ok)?;
        self.bind(code, template).map_err(|error| match template {
            Some(_) => Error::compile(error),
            None => unlinkable(&error).into(),
        })
    }

    fn bind(&self, code: Code, template: Option<&Template>) -> wasmtime::Result<ProxyPre<Guest>> {
        match (code, template) {
            (Code::Module(data), Some(template)) => template.bind(&data),
            (Code::Component(component), None) => ProxyPre::new(self.linker.instantiate_pre(&component)?),
            (Code::Module(_), None) | (Code::Component(_), Some(_)) => {
                Err(wasmtime::Error::msg("the code is of another kind"))
            }
        }
    }

    /// The code of an app that was opened before: still mapped, or in the cache.
    pub(crate) async fn resident(self: &Arc<Self>, name: &str, kind: ImageKind) -> Result<Arc<Loaded>, Stopped> {
        if let Some(loaded) = self.residents.find(name) {
            return Ok(loaded);
        }
        let (code_kind, template) = match kind {
            ImageKind::Script => (CodeKind::Module, Some(self.template().await.map_err(|_| Stopped::NotLoaded)?)),
            ImageKind::Component => (CodeKind::Component, None),
        };
        let (sandbox, name) = (Arc::clone(self), name.to_owned());
        let opened = self.guests.spawn_blocking(move || {
            let code = sandbox.cache.load(&name, code_kind)?;
            let pre = sandbox.bind(code, template.as_deref()).ok()?;
            Some(sandbox.residents.keep(name, pre))
        });
        opened.await.ok().flatten().ok_or(Stopped::NotLoaded)
    }

    pub(crate) fn machine(&self) -> Engine {
        self.machine.clone()
    }

    pub(crate) fn maxima(&self) -> &Maxima {
        &self.maxima
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(crate) fn guests(&self) -> &Handle {
        &self.guests
    }

    /// Deletes compiled code that no app used for so long, and that of engines of before; how many files. An app that
    /// is used again is compiled again.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn prune(&self, unused: Duration) -> Result<usize, std::io::Error> {
        self.cache.prune(unused, &|name| name == template::NAME || self.residents.find(name).is_some())
    }

    /// How long instances waited for a thread just now; nothing while there are enough.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited.now()
    }

    pub(crate) fn waits(&self) -> Arc<Waited> {
        Arc::clone(&self.waited)
    }

    pub(crate) fn ticking(&self) -> Ticking {
        self.ticker.ticking()
    }

    /// A place among the apps that are being prepared.
    pub(crate) async fn preparing(&self) -> Result<Place, Error> {
        self.preparing.enter().await.map_err(|_| {
            let (what, why) = ("too many apps are being prepared", "each takes memory and CPU time while it loads");
            Problem::new(ProblemKind::Unavailable, "sandbox.busy", what, why, "try again in a moment").into()
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A runtime must not be dropped by a thread of another one, which may well be where this happens.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What the engine's template is made with.
struct Making {
    machine: Engine,
    cache: Arc<Cache>,
    linker: Linker<Guest>,
    compiler: Compiler,
}

fn compile(making: Making, runtime: Handle, done: watch::Sender<Compiled>) -> Result<(), Error> {
    let work = move || {
        let Making { machine, cache, linker, compiler } = making;
        // Before this thread steps back: whoever deploys first waits for it.
        Template::fetch(&cache, &compiler);
        // Only a courtesy to requests; without it the engine is ready no later.
        let _ = rustix::process::setpriority_process(None, COMPILING_NICENESS);
        let template = runtime.block_on(Template::open(&machine, &cache, linker));
        done.send_replace(Some(template.map(Arc::new).map_err(Arc::new)));
    };
    std::thread::Builder::new().name("engine".into()).spawn(work).map(drop).map_err(start_failed)
}

fn start_failed(error: std::io::Error) -> Error {
    Error::Start(Box::new(error))
}

fn unfit(why: Unfit) -> Error {
    match why {
        Unfit::Engine => Error::OtherEngine { image: "another".into(), here: crate::artefacts::engine_id().to_owned() },
        Unfit::Span | Unfit::Memory => Error::Image("it is too large"),
        Unfit::Shape => Error::Image("it holds more than an app's memory"),
    }
}

fn unlinkable(error: &wasmtime::Error) -> Problem {
    let what = format!("the component does not fit: {}", error.root_cause());
    let why = "what it imports and exports must be as WASI 0.2 says";
    Problem::new(ProblemKind::Unprocessable, "app.component", what, why, "build it with a current toolchain")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
