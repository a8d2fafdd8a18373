//! What the engine may call while an app's modules run for the first time: a log and a clock.
//!
//! Refuses: randomness, waiting and requests, since their results would be frozen into every later request.

use crate::{
    clocks::{CoarseMonotonic, CoarseWall, GRAIN_NS},
    log::Log,
    memory::MemoryLimit,
};
use wasmtime::{Caller, Engine, ExternType, Linker, Memory, Module};

/// A write of the engine's log is never longer.
const WRITE_BYTES: usize = 64 << 10;

pub(crate) struct Loading {
    pub(crate) limit: MemoryLimit,
    pub(crate) memory: Option<Memory>,
    pub(crate) log: Log,
    pub(crate) clock: CoarseMonotonic,
}

/// The app asked for what is not there yet.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TooEarly(pub(crate) &'static str);

/// A linker for the engine's core module; its own memory is still to be defined.
pub(crate) fn linker(machine: &Engine, core: &Module) -> wasmtime::Result<Linker<Loading>> {
    let mut linker = Linker::new(machine);
    linker.allow_shadowing(true);
    for import in core.imports() {
        let ExternType::Func(signature) = import.ty() else { continue };
        let (module, name) = (import.module(), import.name());
        let interface = module.split('@').next().unwrap_or(module);
        if !answer(&mut linker, module, interface, name)? {
            let why = too_early(interface);
            linker.func_new(module, name, signature, move |_, _, _| Err(wasmtime::Error::from(TooEarly(why))))?;
        }
    }
    Ok(linker)
}

fn too_early(interface: &str) -> &'static str {
    if interface.starts_with("wasi:random") {
        "randomness is not there yet while modules load: every later request would see the same"
    } else if interface.starts_with("wasi:http") {
        "requests are not there yet while modules load: ask in a handler"
    } else {
        "waiting is not possible while modules load: wait in a handler"
    }
}

fn answer(l: &mut Linker<Loading>, module: &str, interface: &str, name: &str) -> wasmtime::Result<bool> {
    match (interface, name) {
        ("wasi:clocks/monotonic-clock", "now") => {
            l.func_wrap(module, name, |guest: Caller<'_, Loading>| guest.data().clock.nanoseconds())?;
        }
        ("wasi:clocks/monotonic-clock", "resolution") => {
            l.func_wrap(module, name, || GRAIN_NS)?;
        }
        ("wasi:clocks/wall-clock", "now") => {
            l.func_wrap(module, name, |mut guest: Caller<'_, Loading>, to: u32| {
                let now = CoarseWall::since_epoch();
                write(&mut guest, to, &now.as_secs().to_le_bytes())?;
                write(&mut guest, to.saturating_add(8), &now.subsec_nanos().to_le_bytes())
            })?;
        }
        ("wasi:cli/stderr" | "wasi:cli/stdout", "get-stderr" | "get-stdout") => {
            l.func_wrap(module, name, || 1_u32)?;
        }
        ("wasi:io/streams", "[resource-drop]output-stream") => {
            l.func_wrap(module, name, |_: u32| {})?;
        }
        ("wasi:io/streams", "[method]output-stream.check-write") => {
            l.func_wrap(module, name, |mut guest: Caller<'_, Loading>, _: u32, result: u32| {
                write(&mut guest, result, &[0])?;
                write(&mut guest, result.saturating_add(8), &(WRITE_BYTES as u64).to_le_bytes())
            })?;
        }
        ("wasi:io/streams", "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush") => {
            l.func_wrap(module, name, |mut guest: Caller<'_, Loading>, _: u32, from: u32, size: u32, result: u32| {
                print(&mut guest, from, size)?;
                write(&mut guest, result, &[0])
            })?;
        }
        ("wasi:io/streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            l.func_wrap(module, name, |mut guest: Caller<'_, Loading>, _: u32, result: u32| {
                write(&mut guest, result, &[0])
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn memory(guest: &Caller<'_, Loading>) -> wasmtime::Result<Memory> {
    guest.data().memory.ok_or_else(|| wasmtime::Error::msg("no memory yet"))
}

fn write(guest: &mut Caller<'_, Loading>, to: u32, bytes: &[u8]) -> wasmtime::Result<()> {
    Ok(memory(guest)?.write(guest, usize::try_from(to)?, bytes)?)
}

fn print(guest: &mut Caller<'_, Loading>, from: u32, size: u32) -> wasmtime::Result<()> {
    let mut bytes = vec![0; usize::try_from(size)?.min(WRITE_BYTES)];
    memory(guest)?.read(&guest, usize::try_from(from)?, &mut bytes)?;
    guest.data().log.write(&bytes);
    Ok(())
}
