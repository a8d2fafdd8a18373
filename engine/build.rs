//! Compiles the prelude's files to one piece of QuickJS bytecode, without sources and line numbers,
//! so that no app's snapshot carries the platform's text and `init` parses none of it.
//! Refuses a prelude that does not parse.
use std::path::Path;
use std::{env, fs};

use rquickjs::{CatchResultExt, Context, Module, Runtime, WriteOptions};

/// Order matters: each file may use what the files before it declare.
const PARTS: [&str; 30] = [
    "start",
    "errors",
    "inspect",
    "console",
    "event",
    "abort",
    "timers",
    "queue",
    "readable",
    "reader",
    "pipe",
    "writable",
    "transform",
    "text",
    "url",
    "blob",
    "formdata",
    "headers",
    "body",
    "request",
    "response",
    "http",
    "fetch",
    "crypto",
    "subtle",
    "clone",
    "data",
    "env",
    "send",
    "handle",
];

#[allow(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by a variable where to write"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut source = String::from("export default (native) => {\n");
    for part in PARTS {
        let file = format!("prelude/{part}.js");
        println!("cargo:rerun-if-changed={file}");
        source.push_str(&fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?);
    }
    source.push_str("\nreturn hooks;\n};\n");
    let runtime = Runtime::new()?;
    let bytecode = Context::full(&runtime)?.with(|ctx| {
        let options = WriteOptions {
            strip_source: true,
            strip_debug: true,
            ..WriteOptions::default()
        };
        Module::declare(ctx.clone(), "bailiwick:prelude", source)
            .and_then(|module| module.write(options))
            .catch(&ctx)
            .map_err(|error| error.to_string())
    })?;
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("prelude.bin"),
        bytecode,
    )?;
    Ok(())
}
