//! The compilers, and the engine's core module. Everything is pinned: the C compiler by version, crates by the
//! engine's own lock file, paths by being written out of the result.

use crate::step::{self, Verdict};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// PyPI's `ziglang`: a C compiler that needs nothing else of the machine.
const ZIG: &str = "0.17.1";
const TARGET: &str = "wasm32-unknown-unknown";

/// QuickJS for bare wasm. cc-rs passes a `--target` of its own, which zig does not know.
const CC: &str = r#"#!/bin/sh
for argument in "$@"; do
  shift
  case "$argument" in --target=*) ;; *) set -- "$@" "$argument" ;; esac
done
exec "$ZIG_HOME/zig" cc -target wasm32-freestanding \
  -mcpu=generic+bulk_memory+sign_ext+nontrapping_fptoint+mutable_globals \
  -fno-sanitize=undefined -fno-stack-protector -g0 "$@"
"#;
const AR: &str = "#!/bin/sh\nexec \"$ZIG_HOME/zig\" ar \"$@\"\n";

/// Builds the engine as a core module.
pub(crate) fn core_module(root: &Path) -> Result<Vec<u8>> {
    run(Command::new("rustup").args(["target", "add", TARGET]))?;
    let zig = zig(root)?;
    let target = root.join("target/engine");
    let mut build = step::cargo(root, &["build", "--release", "--locked", "--target", TARGET]);
    build
        .current_dir(root.join("engine"))
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", remap(root)?)
        .env_remove("RUSTFLAGS")
        .env("ZIG_HOME", zig.join("ziglang"))
        .env("ZIG_GLOBAL_CACHE_DIR", zig.join("cache"))
        .env("ZIG_LOCAL_CACHE_DIR", zig.join("cache"))
        .env("CC_wasm32_unknown_unknown", zig.join("cc"))
        .env("AR_wasm32_unknown_unknown", zig.join("ar"));
    run(&mut build)?;
    let wasm = fs::read(target.join(TARGET).join("release/engine.wasm"))?;
    for private in [root.to_string_lossy(), cargo_home()?.to_string_lossy()] {
        let found = wasm.windows(private.len()).any(|window| window == private.as_bytes());
        ensure!(!found, "the engine contains the path {private} of this machine");
    }
    Ok(wasm)
}

/// The C compiler, installed if it is not there, and the two programs that cc-rs calls.
fn zig(root: &Path) -> Result<PathBuf> {
    let zig = root.join("target/zig");
    if !zig.join(format!("ziglang-{ZIG}.dist-info")).is_dir() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"]).arg(&zig).arg(format!("ziglang=={ZIG}"));
        run(&mut pip)?;
    }
    for (name, text) in [("cc", CC), ("ar", AR)] {
        let path = zig.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(zig)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    let home = std::env::home_dir().context("there is no home folder")?;
    Ok(home.join(".cargo"))
}

/// Paths of this machine as they shall stand in the result.
fn remap(root: &Path) -> Result<String> {
    let from_to = [(cargo_home()?, "/cargo"), (root.to_owned(), "/bailiwick")];
    let flags = from_to.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    Ok(flags.join("\u{1f}"))
}

fn run(command: &mut Command) -> Result<()> {
    match step::quiet(command)? {
        Verdict::Passed => Ok(()),
        Verdict::Failed(lines) => bail!("{}", lines.join("\n")),
    }
}
