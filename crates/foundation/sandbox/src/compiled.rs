//! The cache of precompiled code on disk: authenticated, replaced by rename, rebuilt when anything is off.
//!
//! Refuses: files that this server did not write, files of another wasmtime, configuration or engine.

use crate::{Error, artefacts, config::Authenticator, machine, pruned};
use std::{
    fs::{self, File, OpenOptions},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use wasmtime::{Engine, Module, component::Component};

const TAG_BYTES: usize = 32;
/// Larger than any code that is compiled here; stops a hostile file from filling memory.
const FILE_BYTES: u64 = 512 << 20;

/// Code that wasmtime can run.
pub(crate) enum Code {
    Module(Module),
    Component(Component),
}

/// Who brought what is compiled, and so how many cores it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BroughtBy {
    /// Every core: the start waits for it.
    Us,
    /// One.
    Builder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeKind {
    Module,
    Component,
}

/// Bytes that this server wrote, as their tag proves, and the open file that they came from.
struct Verified {
    kind: CodeKind,
    bytes: Vec<u8>,
    file: File,
}

pub(crate) struct Cache {
    dir: PathBuf,
    authenticator: Arc<dyn Authenticator>,
    engine: Engine,
    /// Compiles what builders send.
    compiler: Engine,
    /// Names wasmtime's version, its configuration and the JavaScript engine.
    prefix: String,
}

impl Cache {
    pub(crate) fn open(dir: &Path, authenticator: Arc<dyn Authenticator>, engine: Engine) -> Result<Self, Error> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| Error::Cache { path: dir.to_owned(), source })?;
        let mut compatible = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatible);
        let prefix = format!("{:016x}-{}", compatible.finish(), artefacts::engine_id());
        Ok(Self { dir: dir.to_owned(), authenticator, engine, compiler: machine::compiler()?, prefix })
    }

    /// The name under which the code of these bytes is kept.
    pub(crate) fn name_of(&self, bytes: &[u8]) -> String {
        let tag = self.authenticator.tag("bailiwick sandbox: name of an image", bytes);
        tag.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The code, if it is there and ours.
    pub(crate) fn load(&self, name: &str, kind: CodeKind) -> Option<Code> {
        let verified = self.verify(name, kind).ok().flatten()?;
        self.deserialize(verified).ok()
    }

    /// Compiles, keeps and loads; never trusts what stood there before.
    pub(crate) fn build(&self, name: &str, kind: CodeKind, wasm: &[u8], by: BroughtBy) -> Result<Code, Error> {
        let engine = match by {
            BroughtBy::Us => &self.engine,
            BroughtBy::Builder => &self.compiler,
        };
        let compiled = match kind {
            CodeKind::Module => engine.precompile_module(wasm),
            CodeKind::Component => engine.precompile_component(wasm),
        };
        self.adopt(name, kind, &compiled.map_err(Error::compile)?)
    }

    /// Whether something of this name is kept; whether it is ours, `load` tells.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.code_path(name).exists()
    }

    /// Keeps and loads what was compiled for this machine, by this program.
    pub(crate) fn adopt(&self, name: &str, kind: CodeKind, compiled: &[u8]) -> Result<Code, Error> {
        self.keep(name, compiled)?;
        let verified = self.verify(name, kind).map_err(|source| self.failed(name, source))?;
        let gone = || self.failed(name, io::ErrorKind::NotFound.into());
        self.deserialize(verified.ok_or_else(gone)?).map_err(Error::compile)
    }

    /// Deletes code that was not used for so long; what is mapped is in use. How many files.
    pub(crate) fn prune(&self, unused: Duration, mapped: &dyn Fn(&str) -> bool) -> io::Result<usize> {
        let kept = |file: &str| {
            let name = file.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix('-'));
            name.and_then(|rest| rest.rsplit_once('.')).is_some_and(|(name, _)| mapped(name))
        };
        pruned::prune(&self.dir, unused, &kept)
    }

    fn failed(&self, name: &str, source: io::Error) -> Error {
        Error::Cache { path: self.code_path(name), source }
    }

    fn code_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{}-{name}.cwasm", self.prefix))
    }

    fn tag_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{}-{name}.tag", self.prefix))
    }

    /// Binds the bytes to their place, so that files cannot be swapped.
    fn context(&self, name: &str) -> String {
        format!("bailiwick sandbox: compiled code {}-{name}", self.prefix)
    }

    fn verify(&self, name: &str, kind: CodeKind) -> io::Result<Option<Verified>> {
        let tag = fs::read(self.tag_path(name))?;
        let mut file = File::open(self.code_path(name))?;
        let mut bytes = Vec::new();
        pruned::used(&file, &self.dir);
        (&mut file).take(FILE_BYTES).read_to_end(&mut bytes)?;
        let ours = tag.len() == TAG_BYTES && self.authenticator.verify(&self.context(name), &bytes, &tag);
        Ok(ours.then_some(Verified { kind, bytes, file }))
    }

    fn keep(&self, name: &str, compiled: &[u8]) -> Result<(), Error> {
        let tag = self.authenticator.tag(&self.context(name), compiled);
        self.replace(&self.tag_path(name), &tag)?;
        self.replace(&self.code_path(name), compiled)
    }

    /// By rename, since the old file may be mapped.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let unique = format!("new-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let fresh = self.dir.join(unique);
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(bytes)?;
            fs::rename(&fresh, path)
        };
        write().map_err(|source| {
            // Whatever is left of it has no name that is ever read.
            let _ = fs::remove_file(&fresh);
            Error::Cache { path: path.to_owned(), source }
        })
    }

    // INVARIANT: `Verified` is made by `verify` alone, from bytes whose tag only this server can make.
    #[expect(unsafe_code, reason = "precompiled code runs as it stands; these bytes are authenticated as our own")]
    fn deserialize(&self, code: Verified) -> wasmtime::Result<Code> {
        // SAFETY: the bytes came from `Engine::precompile_*` of this configuration, as their tag proves. A module is
        // mapped from the very file that was read, which is only ever replaced by rename.
        unsafe {
            match code.kind {
                CodeKind::Module => Module::deserialize_open_file(&self.engine, code.file).map(Code::Module),
                CodeKind::Component => Component::deserialize(&self.engine, &code.bytes).map(Code::Component),
            }
        }
    }
}
