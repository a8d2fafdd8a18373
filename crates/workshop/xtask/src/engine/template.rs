//! The template component: the engine's code, its WASI imports, and the core module `data` in place of its memory.
//! It is the component that `wit-component` makes of the whole engine, with one module exchanged and one instance
//! added. Refuses a component whose text is not as expected, rather than guess.

use super::split::{MEMORY_MODULE, Parts};
use anyhow::{Context, Result, ensure};
use wasmprinter::{Config, PrintFmtWrite};

pub(crate) fn template(core: &[u8], parts: &Parts) -> Result<Vec<u8>> {
    let component = wit_component::ComponentEncoder::default().module(core)?.validate(true).encode()?;
    let text = exchange(&print(&component)?, &print(&parts.code)?, parts)?;
    Ok(wat::parse_str(&text)?)
}

fn print(wasm: &[u8]) -> Result<String> {
    let mut text = String::new();
    let mut config = Config::new();
    config.name_unnamed(false);
    config.print(wasm, &mut PrintFmtWrite(&mut text))?;
    Ok(text)
}

fn exchange(component: &str, code: &str, parts: &Parts) -> Result<String> {
    let code = code.trim_end().strip_prefix("(module").context("the engine's text is not a module")?;
    let (before, rest) = once(component, "  (core module $main (;0;)\n")?;
    let (_, rest) = rest.split_once("\n  )\n").context("the engine's module has no end")?;
    let (between, rest) = once_matching(rest, "  (core instance $main (;", "(instantiate $main\n")?;
    let (middle, end) = once(rest, "\n  (@producers\n")?;
    let Parts { memory, pages, .. } = parts;
    // INVARIANT: `wit-component` names every core instance that it uses, so adding one shifts nothing.
    let by_number = middle.split("(instance ").skip(1).any(|use_of| use_of.starts_with(|c: char| c.is_ascii_digit()));
    ensure!(!by_number, "an instance is used by number");
    Ok(format!(
        "{before}  (core module $main{code}\n  (import \"data\" (core module $data (export \"{memory}\" (memory {pages}))))\n\
         {between}  (core instance $data (instantiate $data))\n  (core instance $main (instantiate $main\n      \
         (with \"{MEMORY_MODULE}\" (instance $data))\n{middle}\n  (export \"engine\" (core module $main))\n  (@producers\n{end}"
    ))
}

/// Splits around the one place where `what` stands.
fn once<'a>(text: &'a str, what: &str) -> Result<(&'a str, &'a str)> {
    ensure!(text.matches(what).count() == 1, "`{}` does not stand exactly once in the component", what.trim());
    text.split_once(what).context("just counted")
}

/// Splits around the one line that starts and ends so.
fn once_matching<'a>(text: &'a str, start: &str, end: &str) -> Result<(&'a str, &'a str)> {
    let (before, rest) = once(text, start)?;
    let (_, rest) = rest.split_once(end).context("the engine's instance is not made of its module")?;
    Ok((before, rest))
}
