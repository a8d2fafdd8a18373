//! TypeScript to JavaScript: types go, lines stay known. Plain JavaScript is left byte for byte alone.
//!
//! Refuses: JSX, files that do not parse, and files so large or nested that a parser could be hurt.

use crate::positions::{FileMap, Mapping};
use model::{Problem, ProblemKind};
use oxc::{
    allocator::Allocator,
    codegen::{Codegen, CodegenOptions, CodegenReturn},
    diagnostics::OxcDiagnostic,
    parser::Parser,
    semantic::SemanticBuilder,
    span::SourceType,
    transformer::{TransformOptions, Transformer},
};
use std::path::Path;

/// Parsers recurse, and a nesting costs one byte. Together with [`STACK_BYTES`] this is out of harm's way.
const FILE_BYTES: usize = 256 << 10;
/// Deeper than people or tools write.
const NESTING: usize = 256;
/// Reserved, not used, until a hostile file asks for it.
const STACK_BYTES: usize = 2 << 30;

/// What becomes of a file by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    JavaScript,
    TypeScript,
    Jsx,
}

impl Language {
    pub(crate) fn of(name: &str) -> Self {
        match Path::new(name).extension().and_then(|extension| extension.to_str()) {
            Some("ts" | "mts") => Self::TypeScript,
            Some("tsx" | "jsx") => Self::Jsx,
            _ => Self::JavaScript,
        }
    }
}

/// JavaScript, and where its lines came from.
#[derive(Debug)]
pub(crate) struct Stripped {
    pub(crate) code: String,
    pub(crate) map: FileMap,
}

/// Takes the types out of `files`, on a thread whose stack is large enough for what the sizes allow.
pub(crate) fn strip_all(files: Vec<(String, String)>) -> Result<Vec<(String, Stripped)>, Problem> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let strip_each = move || {
        files.into_iter().map(|(name, source)| strip(&name, &source).map(|stripped| (name, stripped))).collect()
    };
    let thread = std::thread::Builder::new().name("typescript".into()).stack_size(STACK_BYTES).spawn(strip_each);
    thread.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| Err(Problem::internal()))
}

fn strip(name: &str, source: &str) -> Result<Stripped, Problem> {
    if source.len() > FILE_BYTES {
        let what = format!("`{name}` is larger than {} KiB", FILE_BYTES >> 10);
        return Err(problem(name, None, &what, "split it, or build it to JavaScript first"));
    }
    if nesting(source) > NESTING {
        let what = format!("`{name}` nests brackets deeper than {NESTING}");
        return Err(problem(name, None, &what, "split the expression, or build it to JavaScript first"));
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::ts().with_module(true)).parse();
    refuse_first(name, source, &parsed.diagnostics)?;
    let mut program = parsed.program;
    let semantic = SemanticBuilder::new().with_excess_capacity(2.0).with_enum_eval(true).build(&program);
    refuse_first(name, source, &semantic.diagnostics)?;
    let options = TransformOptions::default();
    let scoping = semantic.semantic.into_scoping();
    let done = Transformer::new(&allocator, Path::new(name), &options).build_with_scoping(scoping, &mut program);
    refuse_first(name, source, &done.diagnostics)?;
    let options = CodegenOptions { source_map_path: Some(name.into()), ..CodegenOptions::default() };
    let CodegenReturn { code, map, .. } = Codegen::new().with_options(options).build(&program);
    let tokens = map.iter().flat_map(|map| map.get_tokens());
    let mappings = tokens.filter(|token| token.get_source_id().is_some());
    let mappings = mappings.map(|t| Mapping(t.get_dst_line(), t.get_dst_col(), t.get_src_line(), t.get_src_col()));
    Ok(Stripped { map: FileMap::new(mappings.collect()), code })
}

fn refuse_first<'a>(
    name: &str,
    source: &str,
    diagnostics: impl IntoIterator<Item = &'a OxcDiagnostic>,
) -> Result<(), Problem> {
    let Some(first) = diagnostics.into_iter().next() else { return Ok(()) };
    let offset = first.labels.first().map(|label| label.offset() as usize);
    let what = format!("`{name}` cannot be read as TypeScript: {}", first.message);
    Err(problem(name, offset.map(|offset| place(source, offset)), &what, "mend that line, then deploy again"))
}

/// Line and column, counted from 1.
fn place(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

pub(crate) fn problem(name: &str, at: Option<(usize, usize)>, what: &str, fix: &str) -> Problem {
    let why = "an app's modules are read once, at deploy, and must be whole";
    let at = at.map_or_else(|| name.to_owned(), |(line, column)| format!("{name}:{line}:{column}"));
    Problem::new(ProblemKind::Unprocessable, "app.source", what, why, fix).at(at)
}

/// The deepest that brackets open, text and comments included.
fn nesting(source: &str) -> usize {
    let mut depth = 0_usize;
    let mut most = 0;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(source: &str) -> Result<String, Problem> {
        let files = vec![("a.ts".to_owned(), source.to_owned())];
        strip_all(files).map(|mut files| files.pop().unwrap().1.code)
    }

    #[test]
    fn types_go_and_code_stays() {
        let code = stripped(
            "interface A { x: number }\nenum E { One = 1 }\nimport type { B } from './b.ts';\n\
             export default { fetch(r: Request): Response { const a = { x: E.One } satisfies A; return a as never; } };",
        )
        .unwrap();
        assert!(!code.contains("interface") && !code.contains("./b.ts") && !code.contains("satisfies"), "{code}");
        assert!(code.contains("export default"), "{code}");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let problem = stripped("const a: number = 1;\nconst b: = 2;\n").unwrap_err();
        assert_eq!(problem.at.as_deref(), Some("a.ts:2:10"), "{problem}");
    }

    #[test]
    fn hostile_files_are_refused_or_pass_but_never_break_the_process() {
        for source in [
            "[".repeat(FILE_BYTES),
            "!".repeat(FILE_BYTES),
            "[\")\"".repeat(FILE_BYTES / 4),
            "a=>".repeat(FILE_BYTES / 3),
            format!("x{}", "+x".repeat(FILE_BYTES / 2 - 1)),
            format!("let a: {}", "A<".repeat(FILE_BYTES / 2 - 4)),
            "if(a){}else ".repeat(FILE_BYTES / 12),
            "x".repeat(FILE_BYTES + 1),
        ] {
            let start: String = source.chars().take(12).collect();
            let kind = stripped(&source).map(|_| ()).map_err(|problem| problem.kind);
            assert!(kind.is_ok() || kind == Err(ProblemKind::Unprocessable), "{start}: {kind:?}");
        }
    }
}
