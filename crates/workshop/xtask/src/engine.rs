//! `cargo xtask engine`: builds the JavaScript engine and splits it into the artefacts that stand checked in, so that
//! ordinary builds need only Rust. Installs what it needs by itself; refuses an engine that cannot be split soundly.
//! With the same toolchain the result is the same to the byte.

mod build;
mod digest;
mod split;
mod template;

use crate::screen;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// Where the artefacts stand: beside the crate that embeds them.
pub(crate) const ARTEFACTS: &str = "crates/foundation/sandbox/engine";

pub(crate) fn run(root: &Path) -> Result<()> {
    screen::say("building the engine");
    let core = build::core_module(root)?;
    screen::say(format_args!("splitting {} bytes", core.len()));
    let parts = split::split(&core)?;
    let template = template::template(&core, &parts)?;
    wasmparser::Validator::new().validate_all(&template).context("the template is not valid")?;
    wasmparser::Validator::new().validate_all(&parts.base_data).context("the base data is not valid")?;
    let folder = root.join(ARTEFACTS);
    fs::create_dir_all(&folder)?;
    let sources = digest::sources(root)?;
    for (name, bytes) in [
        ("template.wasm", template.as_slice()),
        ("base-data.wasm", parts.base_data.as_slice()),
        ("engine.id", format!("{}\n", parts.id).as_bytes()),
        ("sources.digest", format!("{sources}\n").as_bytes()),
    ] {
        fs::write(folder.join(name), bytes)?;
        screen::say(format_args!("{:>9} bytes  {ARTEFACTS}/{name}", bytes.len()));
    }
    ensure!(digest::sources(root)? == sources, "the engine's sources changed while it was built; run it again");
    Ok(())
}
