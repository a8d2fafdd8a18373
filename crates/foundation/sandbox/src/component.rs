//! What a component may import and must export, by name, before anything of it is compiled.
//!
//! Refuses: sockets, and every interface that is not answered here, by the name the component gives it.

use crate::image::COMPONENT_BYTES;
use model::{Problem, ProblemKind};
use wasmparser::{Parser, Payload, Validator};

/// Standard WASI 0.2 that is answered. What toolchains import by habit (folders, arguments, terminals) is empty.
const ANSWERED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];
const HANDLER: &str = "wasi:http/incoming-handler";
const VERSION: &str = "0.2.";

/// Checks a component's shape, imports and exports.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Problem> {
    if bytes.len() > COMPONENT_BYTES {
        let what = format!("the component is larger than {} MiB", COMPONENT_BYTES >> 20);
        return Err(refused("app.component", what, "larger ones take too long to compile", "build it for release"));
    }
    let whole = Validator::new().validate_all(bytes).is_ok();
    let (imports, exports) = names(bytes).filter(|_| whole).ok_or_else(|| {
        let what = "the file is not a WebAssembly component".to_owned();
        let fix = "build it for `wasm32-wasip2`, or wrap it with `wasm-tools component new`";
        refused("app.component", what, "only components say what they import", fix)
    })?;
    if let Some(import) = imports.iter().find(|import| !answered(import)) {
        let what = format!("the component imports `{import}`");
        let why = "an app reaches the world through `wasi:http` alone; nothing else is answered";
        let fix = "use HTTP instead, or build it without what imports that";
        return Err(refused("app.import", what, why, fix));
    }
    if !exports.iter().any(|export| is(export, HANDLER)) {
        let what = format!("the component does not export `{HANDLER}`");
        let fix = "build it for the world `wasi:http/proxy`, version 0.2";
        return Err(refused("app.component", what, "requests come in by that export", fix));
    }
    Ok(())
}

fn refused(code: &str, what: String, why: &str, fix: &str) -> Problem {
    Problem::new(ProblemKind::Unprocessable, code, what, why, fix)
}

fn answered(import: &str) -> bool {
    ANSWERED.iter().any(|name| is(import, name))
}

fn is(versioned: &str, name: &str) -> bool {
    versioned.split_once('@').is_some_and(|(interface, version)| interface == name && version.starts_with(VERSION))
}

/// The outermost imports and exports.
#[expect(clippy::wildcard_enum_match_arm, reason = "most payloads say nothing of imports and exports")]
fn names(bytes: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::Version { encoding: wasmparser::Encoding::Module, .. } if depth == 0 => return None,
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.ok()?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.ok()?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Some((imports, exports))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(wat: &str) -> Problem {
        check(&wat::parse_str(wat).unwrap()).unwrap_err()
    }

    #[test]
    fn an_import_that_is_not_answered_is_refused_by_its_name() {
        for import in ["wasi:sockets/tcp@0.2.0", "wasi:http/types@0.3.0", "wasi:keyvalue/store@0.2.0", "acme:db/sql"] {
            let problem = refusal(&format!(r#"(component (import "{import}" (instance)))"#));
            assert!(problem.what.contains(import) && problem.code == "app.import", "{problem}");
        }
    }

    #[test]
    fn nested_imports_do_not_count_and_outer_ones_after_them_do() {
        let nested = r#"(component (component (import "a:b/c" (instance))) (core module))"#;
        assert!(refusal(nested).what.contains("does not export"));
        let after = r#"(component (component (core module)) (import "wasi:sockets/udp@0.2.1" (instance)))"#;
        assert!(refusal(after).what.contains("wasi:sockets/udp@0.2.1"));
    }

    #[test]
    fn modules_and_noise_are_no_components() {
        assert_eq!(refusal("(module)").code, "app.component");
        assert_eq!(check(b"\0asm").unwrap_err().code, "app.component");
        assert_eq!(check(b"").unwrap_err().code, "app.component");
    }
}
