//! The engine compiled by a process of its own. Compiling takes some 60 MiB that the allocator would keep for as long as
//! the server lives, more than all else in it; a process that ends gives back everything.
//!
//! Trusted as far as this program itself: it is the same file, told to compile what is built into it.

use crate::{Error, artefacts, config::Maxima, machine};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Who compiles the engine when the cache does not have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Compiler {
    /// A thread of this process.
    #[default]
    Here,
    /// A program that prints [`compile_engine`]'s bytes when it is given this one word. If it does not, a thread does.
    Program { path: PathBuf, word: &'static str },
}

/// The engine's code, for a process that does nothing else.
///
/// # Errors
/// When it cannot be compiled.
pub fn compile_engine() -> Result<Vec<u8>, Error> {
    machine::engine(&Maxima::default())?.precompile_component(artefacts::TEMPLATE).map_err(Error::compile)
}

impl Compiler {
    /// `None` when the program failed, or there is none.
    pub(crate) fn ask(&self) -> Option<Vec<u8>> {
        match self {
            Self::Here => None,
            Self::Program { path, word } => printed(path, word),
        }
    }
}

fn printed(path: &Path, word: &str) -> Option<Vec<u8>> {
    let mut command = Command::new(path);
    command.arg(word).env_clear().stdin(Stdio::null()).stderr(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => Some(output.stdout),
        Ok(output) => {
            tracing::warn!(status = %output.status, "the engine could not be compiled by a process of its own");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "no process could be started to compile the engine");
            None
        }
    }
}
