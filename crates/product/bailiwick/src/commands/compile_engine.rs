//! `compile-engine`: what `up` starts once after an update, so that the memory which compiling takes ends with a process
//! of its own. Not for people; prints code on stdout, and takes nothing.

use crate::exit::Exit;
use sandbox::Compiler;
use std::io::Write as _;

const WORD: &str = "compile-engine";

/// This program, told to compile.
pub(super) fn compiler() -> Compiler {
    // Without its own path, the server compiles by itself.
    std::env::current_exe().map_or(Compiler::Here, |path| Compiler::Program { path, word: WORD })
}

pub(super) fn run() -> Exit {
    let written = sandbox::compile_engine().ok().and_then(|code| std::io::stdout().write_all(&code).ok());
    if written.is_some() { Exit::Done } else { Exit::Refused }
}
