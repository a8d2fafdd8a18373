//! An app's memory as a core module: one memory, its export, data; nothing that could run.
//!
//! Refuses: images above their size, and any module that holds more than that or fits another engine.

use std::ops::Range;
use wasm_encoder::{ConstExpr, DataSection, ExportKind, ExportSection, MemorySection, MemoryType, Module as Encoded};
use wasmparser::{DataKind, ExternalKind, Operator, Parser, Payload};

/// From the first to the last byte of an image. Up to this, wasmtime maps it, however sparse it is
/// (`memory_guaranteed_dense_image_size`); a larger one that is mostly zeros it copies.
pub(crate) const SPAN_BYTES: usize = 16 << 20;
/// The module's own bytes: the span, and what names its pieces.
pub(crate) const MODULE_BYTES: usize = SPAN_BYTES + (2 << 20);
/// The memory that an instance starts with; the rest of its limit is for the request.
pub(crate) const MEMORY_BYTES: usize = 48 << 20;
const PAGE_BYTES: usize = 64 << 10;
/// Runs of zeros from this length on are left out.
const BLOCK_BYTES: usize = 64;
/// wasm's own limit is 100,000 segments; coarser blocks are tried above this.
const SEGMENTS: usize = 50_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("what the app keeps in memory after it was loaded is larger than {} MiB", SPAN_BYTES >> 20)]
    Span,
    #[error("the app used more than {} MiB of memory while it was loaded", MEMORY_BYTES >> 20)]
    Memory,
    #[error("it holds more than a memory and its data")]
    Shape,
    #[error("it was made for another engine")]
    Engine,
}

/// Encodes `memory` from `from` on: below lies the stack, which is dead between calls.
pub(crate) fn encode(memory: &[u8], from: usize, export: &str) -> Result<Vec<u8>, Unfit> {
    if memory.len() > MEMORY_BYTES {
        return Err(Unfit::Memory);
    }
    let pieces = pieces(memory, from / BLOCK_BYTES * BLOCK_BYTES);
    let span = pieces.first().map_or(0, |p| p.start)..pieces.last().map_or(0, |p| p.end);
    if span.len() > SPAN_BYTES {
        return Err(Unfit::Span);
    }
    let mut memories = MemorySection::new();
    let minimum = u64::try_from(memory.len() / PAGE_BYTES).unwrap_or(u64::MAX);
    memories.memory(MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut exports = ExportSection::new();
    exports.export(export, ExportKind::Memory, 0);
    let mut data = DataSection::new();
    for piece in pieces {
        let Ok(at) = i32::try_from(piece.start) else { return Err(Unfit::Memory) };
        let bytes = memory.get(piece).unwrap_or_default();
        data.active(0, &ConstExpr::i32_const(at), bytes.iter().copied());
    }
    let mut module = Encoded::new();
    module.section(&memories).section(&exports).section(&data);
    Ok(module.finish())
}

fn pieces(memory: &[u8], from: usize) -> Vec<Range<usize>> {
    let mut block = BLOCK_BYTES;
    loop {
        let found = runs(memory, from, block);
        if found.len() <= SEGMENTS {
            return found;
        }
        block *= 16;
    }
}

/// The runs of blocks that are not all zeros.
fn runs(memory: &[u8], from: usize, block: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let blocks = memory.get(from..).unwrap_or_default().chunks(block);
    for (start, bytes) in (from..).step_by(block).zip(blocks) {
        if bytes.iter().all(|byte| *byte == 0) {
            continue;
        }
        let end = start + bytes.len();
        match runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}

/// The name of the one memory that a module exports.
pub(crate) fn memory_export(module: &[u8]) -> Option<String> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(exports) = payload.ok()? {
            let named = exports.into_iter().flatten().find(|export| export.kind == ExternalKind::Memory);
            return named.map(|export| export.name.to_owned());
        }
    }
    None
}

/// Whether these bytes are what [`encode`] writes. The type check of a component does not see a start function, and
/// the name is what ties an app to its engine.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not named here is refused")]
pub(crate) fn check(module: &[u8], export: &str) -> Result<(), Unfit> {
    if module.len() > MODULE_BYTES {
        return Err(Unfit::Span);
    }
    let mut order = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|_| Unfit::Shape)? {
            Payload::Version { encoding: wasmparser::Encoding::Module, .. } | Payload::End(_) => {}
            Payload::MemorySection(memories) => {
                order.push('m');
                let limits: Vec<_> = memories.into_iter().collect::<Result<_, _>>().map_err(|_| Unfit::Shape)?;
                let [memory] = limits.as_slice() else { return Err(Unfit::Shape) };
                let pages = u64::try_from(MEMORY_BYTES / PAGE_BYTES).unwrap_or(u64::MAX);
                if memory.memory64 || memory.shared || memory.maximum.is_some() || memory.initial > pages {
                    return Err(Unfit::Shape);
                }
            }
            Payload::ExportSection(exports) => {
                order.push('e');
                let exports: Vec<_> = exports.into_iter().collect::<Result<_, _>>().map_err(|_| Unfit::Shape)?;
                let [only] = exports.as_slice() else { return Err(Unfit::Shape) };
                if only.kind != ExternalKind::Memory || only.name != export {
                    return Err(Unfit::Engine);
                }
            }
            Payload::DataSection(data) => {
                order.push('d');
                for piece in data {
                    check_piece(&piece.map_err(|_| Unfit::Shape)?)?;
                }
            }
            _ => return Err(Unfit::Shape),
        }
    }
    if order == ['m', 'e', 'd'] { Ok(()) } else { Err(Unfit::Shape) }
}

fn check_piece(piece: &wasmparser::Data<'_>) -> Result<(), Unfit> {
    let DataKind::Active { memory_index: 0, offset_expr } = &piece.kind else { return Err(Unfit::Shape) };
    let mut operators = offset_expr.get_operators_reader();
    match (operators.read(), operators.read()) {
        (Ok(Operator::I32Const { .. }), Ok(Operator::End)) => Ok(()),
        _ => Err(Unfit::Shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_encoded_passes_and_nothing_else_does() {
        let mut memory = vec![0; 2 * PAGE_BYTES];
        memory[70_000] = 7;
        let module = encode(&memory, 1024, "memory-x").unwrap();
        assert_eq!(check(&module, "memory-x"), Ok(()));
        assert_eq!(check(&module, "memory-y"), Err(Unfit::Engine));
        assert_eq!(memory_export(&module).unwrap(), "memory-x");
        for (wat, why) in [
            (r#"(module (memory (export "m") 20) (func $s) (start $s))"#, Unfit::Shape),
            (r#"(module (import "x" "y" (func)) (memory (export "m") 20))"#, Unfit::Shape),
            (r#"(module (memory (export "m") i64 20) (data (i64.const 0) "x"))"#, Unfit::Shape),
            (r#"(module (memory (export "m") 2000) (data (i32.const 0) "x"))"#, Unfit::Shape),
            (r#"(module (memory (export "m") 20) (data "passive"))"#, Unfit::Shape),
            (r#"(module (memory (export "m") 20) (global i32 (i32.const 1)) (data (global.get 0) "x"))"#, Unfit::Shape),
            (r#"(component)"#, Unfit::Shape),
        ] {
            assert_eq!(check(&wat::parse_str(wat).unwrap(), "m"), Err(why), "{wat}");
        }
    }

    #[test]
    fn scattered_bytes_stay_under_the_limit_of_segments_and_spans_are_bounded() {
        let mut memory = vec![0; 8 << 20];
        memory.iter_mut().step_by(2 * BLOCK_BYTES).for_each(|byte| *byte = 1);
        let module = encode(&memory, 0, "m").unwrap();
        wasmparser::Validator::new().validate_all(&module).unwrap();
        assert_eq!(check(&module, "m"), Ok(()));

        let mut wide = vec![0; SPAN_BYTES + 2 * PAGE_BYTES];
        wide[0] = 1;
        *wide.last_mut().unwrap() = 1;
        assert_eq!(encode(&wide, 0, "m"), Err(Unfit::Span));
        assert_eq!(encode(&vec![0; MEMORY_BYTES + PAGE_BYTES], 0, "m"), Err(Unfit::Memory));
    }

    proptest! {
        #[test]
        fn any_memory_comes_back(bytes in proptest::collection::vec((0..PAGE_BYTES, any::<u8>()), 0..40)) {
            let mut memory = vec![0; PAGE_BYTES];
            for (at, byte) in bytes {
                memory[at] = byte;
            }
            let mut back = vec![0; PAGE_BYTES];
            for run in runs(&memory, 0, BLOCK_BYTES) {
                back[run.clone()].copy_from_slice(&memory[run]);
            }
            prop_assert_eq!(memory, back);
        }
    }
}
