//! The engine compiled once, and what every app made of it shares.

use crate::{
    Error, artefacts,
    compiled::{BroughtBy, Cache, Code, CodeKind},
    data_module,
    elsewhere::Compiler,
    guest::Guest,
    init::Loader,
};
use wasmtime::{
    Engine, Module, Store,
    component::{Component, Linker},
};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

pub(crate) struct Template {
    component: Component,
    linker: Linker<Guest>,
    /// Names the engine: a memory exported by another name does not fit.
    pub(crate) memory_export: String,
    pub(crate) loader: Loader,
}

pub(crate) const NAME: &str = "template";

impl Template {
    /// Has the engine compiled by somebody else, unless the cache has it. What comes of that, `open` sees.
    pub(crate) fn fetch(cache: &Cache, compiler: &Compiler) {
        if cache.has(NAME) {
            return;
        }
        if let Some(compiled) = compiler.ask()
            && let Err(error) = cache.adopt(NAME, CodeKind::Component, &compiled)
        {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the engine that another process compiled does not fit");
        }
    }

    /// Compiles the engine, or takes it from the cache.
    pub(crate) async fn open(machine: &Engine, cache: &Cache, linker: Linker<Guest>) -> Result<Self, Error> {
        let component = match code(cache, NAME, CodeKind::Component, artefacts::TEMPLATE)? {
            Code::Component(component) => component,
            Code::Module(_) => return Err(Error::Engine("the template is not a component".into())),
        };
        let base = match code(cache, "base-data", CodeKind::Module, artefacts::BASE_DATA)? {
            Code::Module(base) => base,
            Code::Component(_) => return Err(Error::Engine("the engine's memory is not a module".into())),
        };
        let memory_export = data_module::memory_export(artefacts::BASE_DATA)
            .ok_or_else(|| Error::Engine("the engine's memory has no name".into()))?;
        let core = engine_core(machine, &component, &base).await.map_err(Error::start)?;
        let loader = Loader::new(machine, &core, &base, memory_export.clone())?;
        Ok(Self { component, linker, memory_export, loader })
    }

    /// The engine bound to one app's memory, ready to instantiate.
    pub(crate) fn bind(&self, data: &Module) -> wasmtime::Result<ProxyPre<Guest>> {
        let mut linker = self.linker.clone();
        linker.root().module("data", data)?;
        ProxyPre::new(linker.instantiate_pre(&self.component)?)
    }
}

fn code(cache: &Cache, name: &str, kind: CodeKind, wasm: &[u8]) -> Result<Code, Error> {
    cache.load(name, kind).map_or_else(|| cache.build(name, kind, wasm, BroughtBy::Us), Ok)
}

/// The very code that the template runs, so that apps are loaded by it too. It is reached through an instance that
/// can do nothing.
async fn engine_core(machine: &Engine, template: &Component, base: &Module) -> wasmtime::Result<Module> {
    let mut linker = Linker::<()>::new(machine);
    linker.root().module("data", base)?;
    linker.define_unknown_imports_as_traps(template)?;
    let mut store = Store::new(machine, ());
    // Instantiating runs no code of the engine.
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = linker.instantiate_async(&mut store, template).await?;
    let missing = || wasmtime::Error::msg("the template does not export its engine");
    instance.get_module(&mut store, "engine").ok_or_else(missing)
}
