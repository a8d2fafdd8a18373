//! Which sources the checked-in engine was built from. Covers names and contents of all that goes into it;
//! its tests and this crate are left out.

use anyhow::{Context, Result};
use seal::{Digest, DigestWriter};
use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders of `engine/` that go into the engine.
const SOURCES: [&str; 5] = ["Cargo.toml", "Cargo.lock", "build.rs", "src", "prelude"];

/// SHA-256 over name, length and contents of every source file, in the order of their names; hexadecimal.
pub(crate) fn sources(root: &Path) -> Result<String> {
    let engine = root.join("engine");
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&engine.join(source), &mut files)?;
    }
    let mut named = Vec::new();
    for file in files {
        let name = file.strip_prefix(&engine)?.to_str().context("a file name is not Unicode")?;
        named.push((name.replace('\\', "/"), file));
    }
    named.sort();
    let mut hash = DigestWriter::new();
    for (name, file) in named {
        let contents = fs::read(&file).with_context(|| format!("{}", file.display()))?;
        hash.update(name.as_bytes());
        hash.update(&[0]);
        hash.update(&u64::try_from(contents.len())?.to_le_bytes());
        hash.update(&contents);
    }
    Ok(hash.finish().to_hex())
}

/// SHA-256 of some bytes, hexadecimal.
pub(crate) fn of(bytes: &[u8]) -> String {
    Digest::of(bytes).to_hex()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_engine_was_built_from_these_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let written = fs::read_to_string(root.join(crate::engine::ARTEFACTS).join("sources.digest")).unwrap();
        assert_eq!(sources(&root).unwrap(), written.trim(), "run `cargo xtask engine` and commit what it writes");
    }

    #[test]
    fn the_memory_of_the_checked_in_engine_carries_its_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").join(crate::engine::ARTEFACTS);
        let id = fs::read_to_string(folder.join("engine.id")).unwrap();
        let base = fs::read(folder.join("base-data.wasm")).unwrap();
        let name = format!("memory-{}", id.trim());
        assert!(base.windows(name.len()).any(|window| window == name.as_bytes()), "{name} is not in base-data.wasm");
    }
}
