//! Splits the engine's core module: code with an imported memory on one side, the memory's first contents on the
//! other. Refuses an engine for which that would not be the same program: see each check.

use super::digest;
use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    DataSection, ExportKind, ExportSection, ImportSection, MemorySection, MemoryType, Module, RawSection, SectionId,
};
use wasmparser::{DataKind, FunctionBody, Operator, Parser, Payload};

/// What the engine's core module is taken apart into.
pub(crate) struct Parts {
    /// The engine without memory, data and start; it imports its memory and exports its stack pointer.
    pub(crate) code: Vec<u8>,
    /// The engine's memory before any app ran in it.
    pub(crate) base_data: Vec<u8>,
    /// Names the engine: 16 hexadecimal digits of the digest of its code and first contents.
    pub(crate) id: String,
    /// The name of the memory, which ties an app's data module to this engine alone.
    pub(crate) memory: String,
    /// The memory's first size, in pages of 64 KiB.
    pub(crate) pages: u64,
}

/// Where the engine imports its memory from.
pub(crate) const MEMORY_MODULE: &str = "env";

pub(crate) fn split(core: &[u8]) -> Result<Parts> {
    let memory = memory_type(core)?;
    let (code, base_data) = (code(core, memory, "memory")?, data(core, memory, "memory")?);
    let digest = digest::of(&[code, base_data].concat());
    let id = digest.get(..16).context("a digest is longer than that")?.to_owned();
    let name = format!("memory-{id}");
    Ok(Parts {
        code: self::code(core, memory, &name)?,
        base_data: data(core, memory, &name)?,
        id,
        memory: name,
        pages: memory.minimum,
    })
}

fn memory_type(core: &[u8]) -> Result<MemoryType> {
    let mut found = None;
    for payload in Parser::new(0).parse_all(core) {
        if let Payload::MemorySection(section) = payload? {
            ensure!(section.count() == 1 && found.is_none(), "the engine has not exactly one memory");
            found = section.into_iter().next().transpose()?;
        }
    }
    Ok(RoundtripReencoder.memory_type(found.context("the engine has no memory")?)?)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other section is copied as it is, new kinds too")]
fn code(core: &[u8], memory: MemoryType, name: &str) -> Result<Vec<u8>> {
    let mut module = Module::new();
    let mut reencode = RoundtripReencoder;
    for payload in Parser::new(0).parse_all(core) {
        let payload = payload?;
        match &payload {
            Payload::ImportSection(section) => {
                let mut imports = ImportSection::new();
                reencode.parse_import_section(&mut imports, section.clone())?;
                imports.import(MEMORY_MODULE, name, memory);
                module.section(&imports);
            }
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                reencode.parse_export_section(&mut exports, section.clone())?;
                exports.export("__stack_pointer", ExportKind::Global, 0);
                module.section(&exports);
            }
            Payload::GlobalSection(section) => {
                check_globals(section.clone())?;
                copy(&mut module, &payload, core)?;
            }
            Payload::CodeSectionStart { unchecked_range: range, .. } => {
                let data = bytes(core, range.start, range.end)?;
                module.section(&RawSection { id: SectionId::Code.into(), data });
            }
            Payload::CodeSectionEntry(body) => check_instructions(body)?,
            Payload::StartSection { .. } => {
                bail!("the engine has a start function: it would run in every request")
            }
            Payload::MemorySection(_)
            | Payload::DataSection(_)
            | Payload::DataCountSection { .. }
            | Payload::CustomSection(_)
            | Payload::Version { .. }
            | Payload::End(_) => {}
            _ => copy(&mut module, &payload, core)?,
        }
    }
    Ok(module.finish())
}

fn data(core: &[u8], memory: MemoryType, name: &str) -> Result<Vec<u8>> {
    let mut memories = MemorySection::new();
    memories.memory(memory);
    let mut exports = ExportSection::new();
    exports.export(name, ExportKind::Memory, 0);
    let mut segments = DataSection::new();
    for payload in Parser::new(0).parse_all(core) {
        if let Payload::DataSection(section) = payload? {
            for segment in section {
                let segment = segment?;
                let active = matches!(segment.kind, DataKind::Active { memory_index: 0, .. });
                ensure!(active, "the engine has a passive data segment: an app's memory could not carry it");
                RoundtripReencoder.parse_data(&mut segments, segment)?;
            }
        }
    }
    let mut module = Module::new();
    module.section(&memories).section(&exports).section(&segments);
    Ok(module.finish())
}

/// Only memory is kept between deploy and request, so there is one global that changes, the stack pointer, and it is
/// where it was whenever no call is under way.
fn check_globals(section: wasmparser::GlobalSectionReader<'_>) -> Result<()> {
    for (index, global) in section.into_iter().enumerate() {
        let mutable = global?.ty.mutable;
        ensure!(mutable == (index == 0), "global {index} is not as expected: the first one alone may change");
    }
    Ok(())
}

/// Tables are not kept either; and what is dropped here must not be asked for.
fn check_instructions(body: &FunctionBody<'_>) -> Result<()> {
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        let refused = matches!(
            operator,
            Operator::TableSet { .. }
                | Operator::TableGrow { .. }
                | Operator::TableFill { .. }
                | Operator::TableCopy { .. }
                | Operator::TableInit { .. }
                | Operator::ElemDrop { .. }
                | Operator::MemoryInit { .. }
                | Operator::DataDrop { .. }
        );
        ensure!(!refused, "the engine has the instruction {operator:?}, whose effect an app's memory could not carry");
    }
    Ok(())
}

fn copy(module: &mut Module, payload: &Payload<'_>, core: &[u8]) -> Result<()> {
    if let Some((id, range)) = payload.as_section() {
        module.section(&RawSection { id, data: bytes(core, range.start, range.end)? });
    }
    Ok(())
}

fn bytes<N: TryInto<usize>>(core: &[u8], start: N, end: N) -> Result<&[u8]> {
    let (start, end) = (start.try_into().ok(), end.try_into().ok());
    start.zip(end).and_then(|(start, end)| core.get(start..end)).context("a section lies outside the module")
}
