//! What `wasmtime serve` does for a WASI 0.2 component, written out, with the sandbox's own engine and app: hyper, a task
//! for each request, a store and a fresh instance from the pool, the handler's call. None of the house: no gateway, no
//! session, no permit, no limit on CPU, time or output, no event.
//!
//! The pool is set as the sandbox sets it (keep-resident, pagemap scan); code is compiled without epochs, as
//! `wasmtime serve` compiles it when no time-out is asked for.

use super::announce;
use crate::apps;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sandbox::{Config as SandboxConfig, Maxima, Sandbox, Source};
use std::{io::Read as _, sync::Arc};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, Module, PoolingAllocationConfig, Store, StoreLimits,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as WasiError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    p2::bindings::{ProxyPre, http::types::Scheme},
};

/// As it is checked in: what the sandbox compiles.
const TEMPLATE: &[u8] = include_bytes!("../../../../../../foundation/sandbox/engine/template.wasm");

/// As the sandbox allows.
const TABLE_ELEMENTS: usize = 50_000;

struct Host {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoWayOut,
    limits: StoreLimits,
}

/// The app calls nobody.
struct NoWayOut;

type Io = Box<dyn Future<Output = Result<(), WasiError>> + Send>;

impl WasiHttpHooks for NoWayOut {
    fn send_request(
        &mut self,
        _request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Io,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Io), WasiError>> + Send> {
        Box::new(async { Err(WasiError::HttpRequestDenied) })
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

pub(super) async fn run() {
    let module = image().await;
    let engine = engine();
    let mut linker = Linker::new(&engine);
    wasmtime_wasi_http::p2::add_to_linker_async(&mut linker).unwrap();
    linker.root().module("data", &Module::new(&engine, &module).unwrap()).unwrap();
    let component = Component::new(&engine, TEMPLATE).unwrap();
    let app = Arc::new(ProxyPre::new(linker.instantiate_pre(&component).unwrap()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    announce(listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (engine, app) = (engine.clone(), Arc::clone(&app));
        let service = service_fn(move |request| answer(engine.clone(), Arc::clone(&app), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    engine: Engine,
    app: Arc<ProxyPre<Host>>,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<bytes::Bytes, WasiError>>, wasmtime::Error> {
    let (sender, receiver) = oneshot::channel();
    let mut store = Store::new(&engine, host());
    store.limiter(|host| &mut host.limits);
    let request = request.map(|body| body.map_err(|_| WasiError::ConnectionTerminated).boxed_unsync());
    let task = tokio::spawn(async move {
        let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
        let out = store.data_mut().http().new_response_outparam(sender)?;
        let proxy = app.instantiate_async(&mut store).await?;
        proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out).await
    });
    match receiver.await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(code)) => Err(wasmtime::Error::msg(format!("{code:?}"))),
        Err(_) => task.await.unwrap().and_then(|()| Err(wasmtime::Error::msg("no answer"))),
    }
}

fn host() -> Host {
    Host {
        table: ResourceTable::new(),
        wasi: WasiCtxBuilder::new().inherit_stdout().inherit_stderr().build(),
        http: WasiHttpCtx::new(),
        hooks: NoWayOut,
        limits: StoreLimits::default(),
    }
}

fn engine() -> Engine {
    let maxima = Maxima::default();
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(maxima.instances)
        .total_core_instances(maxima.instances * 8)
        .total_memories(maxima.instances * 2)
        .total_tables(maxima.instances * 4)
        .total_stacks(maxima.instances)
        .max_memory_size(usize::try_from(maxima.memory_bytes).unwrap())
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(maxima.instances * 2);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(1 << 20)
            .table_keep_resident(TABLE_ELEMENTS * size_of::<usize>());
    }
    let mut config = Config::new();
    config.wasm_component_model(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).unwrap()
}

/// The app's memory after its modules ran, as a core module: made by the sandbox, taken out of its image.
async fn image() -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let authenticator = Arc::new(AnyCode);
    let config = SandboxConfig { cache_dir: folder.path().join("cache"), authenticator, maxima: Maxima::default() };
    let sandbox = Sandbox::start(config).unwrap();
    let files = [("app.js".to_owned(), apps::JSON_CODE.as_bytes().to_vec())].into();
    let source = Source { main: "app.js".to_owned(), files, ..Source::default() };
    let bytes = sandbox.prepare(source).await.unwrap().image.to_bytes();
    // A line of magic, then compressed: the length of a description, the description, the module.
    let start = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut whole = Vec::new();
    zstd::Decoder::new(&bytes[start..]).unwrap().read_to_end(&mut whole).unwrap();
    let length = usize::try_from(u32::from_le_bytes(whole[..4].try_into().unwrap())).unwrap();
    whole.split_off(4 + length)
}

/// Nobody else writes into a folder that was made a moment ago.
struct AnyCode;

impl sandbox::Authenticator for AnyCode {
    fn tag(&self, _context: &str, _bytes: &[u8]) -> [u8; 32] {
        [0; 32]
    }

    fn verify(&self, _context: &str, _bytes: &[u8], _tag: &[u8]) -> bool {
        true
    }
}
