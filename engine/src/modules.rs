//! The app's own files as ES modules. Refuses bare names, addresses and whatever is not among the files:
//! nothing is fetched, at deploy or later.
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Exception, Module, Result};

#[derive(Default)]
struct Files {
    sources: BTreeMap<String, String>,
    loaded: BTreeSet<String>,
}

thread_local! {
    static FILES: RefCell<Files> = RefCell::default();
}

/// The app's files, by path.
pub(crate) fn set(sources: BTreeMap<String, String>) {
    FILES.with_borrow_mut(|files| {
        *files = Files {
            sources,
            loaded: BTreeSet::new(),
        }
    });
}

/// Drops the text of what is loaded; the rest stays for `import()` in a handler.
pub(crate) fn drop_loaded() {
    FILES.with_borrow_mut(|files| {
        let loaded = std::mem::take(&mut files.loaded);
        files.sources.retain(|name, _| !loaded.contains(name));
    });
}

/// Resolves `name` against the folder of `base`. `None`: it leads outside.
fn join(base: &str, name: &str) -> Option<String> {
    let mut path: Vec<&str> = base.split('/').collect();
    path.pop();
    for step in name.split('/') {
        match step {
            "." | "" => {}
            ".." => {
                path.pop()?;
            }
            _ => path.push(step),
        }
    }
    Some(path.join("/"))
}

/// Where `base` names `name`, as `file:line:column`, or the file alone.
fn place(files: &Files, base: &str, name: &str) -> String {
    let Some(source) = files.sources.get(base) else {
        return base.to_owned();
    };
    for quote in ['"', '\''] {
        if let Some(at) = source.find(&format!("{quote}{name}{quote}")) {
            let before = source.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before
                .rsplit('\n')
                .next()
                .map_or(0, |text| text.chars().count())
                + 1;
            return format!("{base}:{line}:{column}");
        }
    }
    base.to_owned()
}

/// What a path may mean: TypeScript is imported under the name that it compiles to as well, and endings may be left out.
fn candidates(path: &str) -> Vec<String> {
    let mut all = vec![path.to_owned()];
    for (ending, source) in [(".js", ".ts"), (".mjs", ".mts")] {
        if let Some(stem) = path.strip_suffix(ending) {
            all.push(format!("{stem}{source}"));
        }
    }
    for ending in [".js", ".ts", ".mjs", ".mts", "/index.js", "/index.ts"] {
        all.push(format!("{path}{ending}"));
    }
    all
}

/// A module whose default export is what a JSON file holds.
fn json_module(name: &str, text: &str) -> std::result::Result<String, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        let (line, column) = (error.line(), error.column());
        return Err(format!("{name}:{line}:{column}: this is not JSON"));
    }
    // As a string, since `__proto__` means something else in a literal.
    let quoted = serde_json::to_string(text).map_err(|error| format!("{name}: {error}"))?;
    Ok(format!("export default JSON.parse({quoted});"))
}

fn resolve(files: &Files, base: &str, name: &str) -> std::result::Result<String, String> {
    let place = || place(files, base, name);
    if !name.starts_with("./") && !name.starts_with("../") {
        return Err(format!(
            "{}: `{name}` cannot be imported: an app imports only its own files, by a relative path such as `./lib/name.js`; copy what you need into the app's folder",
            place()
        ));
    }
    let Some(path) = join(base, name) else {
        return Err(format!(
            "{}: `{name}` lies outside the app's folder; move the file into it",
            place()
        ));
    };
    match candidates(&path)
        .into_iter()
        .find(|candidate| files.sources.contains_key(candidate))
    {
        Some(found) => Ok(found),
        None => Err(format!(
            "{}: there is no file `{path}` in the app's folder",
            place()
        )),
    }
}

/// Finds and loads the app's files.
pub(crate) struct AppFiles;

impl Resolver for AppFiles {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        FILES.with_borrow(|files| {
            if base.is_empty() {
                return Ok(name.to_owned());
            }
            resolve(files, base, name).map_err(|text| Exception::throw_syntax(ctx, &text))
        })
    }
}

impl Loader for AppFiles {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let source = FILES.with_borrow_mut(|files| {
            files.loaded.insert(name.to_owned());
            files.sources.get(name).cloned()
        });
        let Some(source) = source else {
            return Err(Exception::throw_syntax(
                ctx,
                &format!("there is no file `{name}` in the app's folder"),
            ));
        };
        let source = if name.ends_with(".json") {
            json_module(name, &source).map_err(|text| Exception::throw_syntax(ctx, &text))?
        } else {
            source
        };
        Module::declare(ctx.clone(), name, source)
    }
}
