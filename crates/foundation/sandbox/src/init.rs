//! Loading an app: its modules run once in the engine, and the memory that is left becomes its image.
//!
//! Refuses: code that throws, never ends, grows too large, or leaves more behind than memory.

use crate::{
    Error,
    clocks::CoarseMonotonic,
    cpu::{CpuSpent, Meter, Metered},
    data_module,
    init_imports::{Loading, TooEarly, linker},
    instance::yield_on_tick,
    log::Log,
    memory::{MemoryLimit, Usage},
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use wasmtime::{Engine, Global, Instance, InstancePre, Linker, Memory, Module, Mutability, Store, Val};

/// Tables and parsers that apps build once take milliseconds.
const CPU: Duration = Duration::from_secs(2);
/// Nothing can be waited for; this covers a machine that is busy.
const TIME: Duration = Duration::from_secs(20);

/// Why modules did not load: in the builder's words, or ours to mend.
#[derive(Debug)]
pub(crate) enum Failed {
    /// As the engine says it, with the places of the running code.
    App(String),
    TooEarly(&'static str),
    Cpu,
    Time,
    Memory,
    Unfit(data_module::Unfit),
    Ours(Error),
}

/// A loaded app.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) module: Vec<u8>,
    pub(crate) said: Said,
}

/// What the engine says of the app.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    pub(crate) handlers: Vec<String>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
}

pub(crate) struct Loader {
    machine: Engine,
    core: Module,
    base: InstancePre<Loading>,
    imports: Linker<Loading>,
    memory_export: String,
    /// The module and name under which the engine imports its memory.
    memory_import: (String, String),
}

impl Loader {
    pub(crate) fn new(machine: &Engine, core: &Module, base: &Module, memory_export: String) -> Result<Self, Error> {
        let imports = linker(machine, core).map_err(Error::start)?;
        let memory_import = core.imports().find(|import| import.ty().memory().is_some());
        let memory_import = memory_import.map(|import| (import.module().to_owned(), import.name().to_owned()));
        let memory_import = memory_import.ok_or_else(|| Error::Engine("it imports no memory".into()))?;
        let base = Linker::new(machine).instantiate_pre(base).map_err(Error::start)?;
        Ok(Self { machine: machine.clone(), core: core.clone(), base, imports, memory_export, memory_import })
    }

    /// Runs `init` with `input` (JSON of modules, collections and secrets) under its limits.
    pub(crate) async fn load(&self, input: String, log: Log) -> Result<Loaded, Failed> {
        let (meter, usage) = (Meter::new(CPU), Arc::new(Usage::default()));
        let limit = MemoryLimit::new(data_module::MEMORY_BYTES as u64, Arc::clone(&usage));
        let state = Loading { limit, memory: None, log: log.clone(), clock: CoarseMonotonic::start() };
        let running = Metered::new(Arc::clone(&meter), self.run(state, meter, &input));
        let ended = tokio::time::timeout(TIME, running).await;
        log.close();
        match ended {
            Err(_) => Err(Failed::Time),
            Ok(Err(CpuSpent)) => Err(Failed::Cpu),
            Ok(Ok(Ok(loaded))) => loaded,
            Ok(Ok(Err(error))) => Err(failure(error, &usage)),
        }
    }

    async fn run(&self, state: Loading, meter: Arc<Meter>, input: &str) -> wasmtime::Result<Result<Loaded, Failed>> {
        let mut store = Store::new(&self.machine, state);
        store.limiter(|state| &mut state.limit);
        yield_on_tick(&mut store, meter);
        let base = self.base.instantiate_async(&mut store).await?;
        let memory = base.get_memory(&mut store, &self.memory_export).ok_or_else(|| missing("memory"))?;
        store.data_mut().memory = Some(memory);
        let mut linker = self.imports.clone();
        linker.define(&store, &self.memory_import.0, &self.memory_import.1, memory)?;
        let engine = linker.instantiate_async(&mut store, &self.core).await?;

        let globals = globals(&mut store, &engine);
        let before = values(&mut store, &globals);
        let said = match init(&mut store, &engine, memory, input).await? {
            Ok(said) => said,
            Err(why) => return Ok(Err(Failed::App(why))),
        };
        // Only memory is kept: what an app changed elsewhere would be lost.
        if before.is_empty() || values(&mut store, &globals) != before {
            return Err(wasmtime::Error::msg("loading left the engine's globals changed"));
        }
        let stack_end = before.iter().flatten().copied().max().unwrap_or(0);
        let from = usize::try_from(stack_end)?;
        Ok(data_module::encode(memory.data(&store), from, &self.memory_export)
            .map(|module| Loaded { module, said })
            .map_err(Failed::Unfit))
    }
}

fn failure(error: wasmtime::Error, usage: &Usage) -> Failed {
    if error.is::<CpuSpent>() {
        return Failed::Cpu;
    }
    if let Some(TooEarly(why)) = error.downcast_ref() {
        return Failed::TooEarly(why);
    }
    if usage.denied() { Failed::Memory } else { Failed::Ours(Error::start(error)) }
}

fn missing(what: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the engine does not export `{what}`"))
}

/// Calls `init(string) -> result<string, string>` as the canonical ABI lowers it.
async fn init(
    store: &mut Store<Loading>,
    engine: &Instance,
    memory: Memory,
    input: &str,
) -> wasmtime::Result<Result<Said, String>> {
    let size = u32::try_from(input.len())?;
    let allocate = engine.get_typed_func::<(u32, u32, u32, u32), u32>(&mut *store, "cabi_realloc")?;
    let at = allocate.call_async(&mut *store, (0, 0, 1, size.max(1))).await?;
    memory.write(&mut *store, usize::try_from(at)?, input.as_bytes())?;
    let init = engine.get_typed_func::<(u32, u32), u32>(&mut *store, "init")?;
    let result = init.call_async(&mut *store, (at, size)).await?;
    let mut head = [0; 12];
    memory.read(&*store, usize::try_from(result)?, &mut head)?;
    let [refused, _, _, _, a0, a1, a2, a3, n0, n1, n2, n3] = head;
    let text_at = usize::try_from(u32::from_le_bytes([a0, a1, a2, a3]))?;
    let text_size = usize::try_from(u32::from_le_bytes([n0, n1, n2, n3]))?;
    let text = text_at.checked_add(text_size).and_then(|end| memory.data(&*store).get(text_at..end));
    let text = text.ok_or_else(|| wasmtime::Error::msg("the engine answered outside its memory"))?;
    let text = String::from_utf8_lossy(text).into_owned();
    if refused != 0 {
        return Ok(Err(text));
    }
    let free = engine.get_typed_func::<u32, ()>(&mut *store, "cabi_post_init")?;
    free.call_async(&mut *store, result).await?;
    Ok(Ok(serde_json::from_str(&text)?))
}

/// The engine's build asserts that there is one, the stack pointer, and exports it.
fn globals(store: &mut Store<Loading>, engine: &Instance) -> Vec<Global> {
    let exports: Vec<_> = engine.exports(&mut *store).filter_map(wasmtime::Export::into_global).collect();
    exports.into_iter().filter(|global| global.ty(&*store).mutability() == Mutability::Var).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the stack pointer is an i32")]
fn values(store: &mut Store<Loading>, globals: &[Global]) -> Vec<Option<i32>> {
    globals
        .iter()
        .map(|global| match global.get(&mut *store) {
            Val::I32(value) => Some(value),
            _ => None,
        })
        .collect()
}
