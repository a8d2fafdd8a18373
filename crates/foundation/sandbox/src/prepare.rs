//! From a builder's files to an image.
//!
//! Refuses: what does not parse, load, or fit; each time with the builder's own file, line and column.

use crate::{
    Error, Sandbox,
    artefacts::engine_id,
    component,
    door::LogLine,
    image::{Header, Image, ImageKind},
    init::Failed,
    log::{Lines, Log},
    positions::{Positions, first_place},
    typescript::{self, Language},
};
use model::{Problem, ProblemKind};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// All modules of an app together; a bundle may hold more, assets among them.
const SOURCE_BYTES: usize = 8 << 20;

/// What a builder brings: modules by path, and the names that `env` will have.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The module that exports the handlers; one of `files`.
    pub main: String,
    pub files: BTreeMap<String, Vec<u8>>,
    pub collections: Vec<String>,
    pub secrets: Vec<String>,
}

/// An app made ready, and what its builder should know.
#[derive(Debug)]
pub struct Prepared {
    pub image: Image,
    /// `fetch`, `scheduled`.
    pub handlers: Vec<String>,
    pub warnings: Vec<String>,
    /// What the app printed while it was loaded.
    pub printed: Vec<LogLine>,
}

#[derive(Serialize)]
struct Input<'a> {
    main: &'a str,
    modules: &'a BTreeMap<String, String>,
    collections: &'a [String],
    secrets: &'a [String],
}

#[derive(Default)]
struct Printed(Mutex<Vec<LogLine>>);

impl Lines for Printed {
    fn line(&self, line: LogLine) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Sandbox {
    /// Loads JavaScript or TypeScript and takes its image. Waits for the engine to be compiled.
    pub async fn prepare(self: &Arc<Self>, source: Source) -> Result<Prepared, Error> {
        let template = self.template().await?;
        let (ticking, place) = (self.ticking(), self.preparing().await?);
        let task = self.guests().spawn(async move {
            let _held = (ticking, place);
            let Source { main, files, collections, secrets } = source;
            let (modules, positions) =
                tokio::task::spawn_blocking(move || read(files)).await.map_err(|_| Error::Lost)??;
            let input = Input { main: &main, modules: &modules, collections: &collections, secrets: &secrets };
            let input = serde_json::to_string(&input).map_err(|_| Error::Lost)?;
            let (printed, positions) = (Arc::new(Printed::default()), Arc::new(positions));
            let log = Log::new(Arc::clone(&printed) as Arc<dyn Lines>, Arc::clone(&positions));
            let loaded = template.loader.load(input, log).await;
            let loaded = loaded.map_err(|failed| refusal(failed, &main, modules.keys(), &positions))?;
            let said = loaded.said;
            if said.handlers.is_empty() {
                return Err(no_handler(&main).into());
            }
            let warnings = said.warnings.iter().map(|warning| positions.map_text(warning)).collect();
            let header = Header {
                kind: ImageKind::Script,
                engine: engine_id().to_owned(),
                handlers: said.handlers.clone(),
                positions: Positions::clone(&positions),
            };
            let image = Image::new(header, &loaded.module)?;
            let printed = std::mem::take(&mut *printed.0.lock().unwrap_or_else(PoisonError::into_inner));
            Ok(Prepared { image, handlers: said.handlers, warnings, printed })
        });
        task.await.map_err(|_| Error::Lost)?
    }

    /// Takes a `wasi:http` component of any language: checked, compiled and linked, so that `load` finds it ready.
    pub async fn prepare_component(self: &Arc<Self>, bytes: Vec<u8>) -> Result<Prepared, Error> {
        component::check(&bytes)?;
        let handlers = vec!["fetch".to_owned()];
        let header = Header {
            kind: ImageKind::Component,
            engine: String::new(),
            handlers: handlers.clone(),
            positions: Positions::default(),
        };
        let image = Image::new(header, &bytes)?;
        let _held = self.preparing().await?;
        self.open(&image).await?;
        Ok(Prepared { image, handlers, warnings: Vec::new(), printed: Vec::new() })
    }
}

/// Texts, with types stripped, and where lines came from.
fn read(files: BTreeMap<String, Vec<u8>>) -> Result<(BTreeMap<String, String>, Positions), Problem> {
    if files.values().map(Vec::len).sum::<usize>() > SOURCE_BYTES {
        let what = format!("the app's code is larger than {} MiB", SOURCE_BYTES >> 20);
        let (why, fix) = ("all of it is loaded for every request", "leave out what it does not use");
        return Err(Problem::new(ProblemKind::TooLarge, "app.source", what, why, fix));
    }
    let (mut modules, mut typed) = (BTreeMap::new(), Vec::new());
    for (name, bytes) in files {
        let text = String::from_utf8(bytes);
        let text =
            text.map_err(|_| typescript::problem(&name, None, &format!("`{name}` is not UTF-8"), "save it as UTF-8"))?;
        match Language::of(&name) {
            Language::JavaScript => drop(modules.insert(name, text)),
            Language::TypeScript => typed.push((name, text)),
            Language::Jsx => {
                let what = format!("`{name}` is JSX, which does not run as it is");
                return Err(typescript::problem(&name, None, &what, "build it to JavaScript first"));
            }
        }
    }
    let mut positions = Positions::default();
    for (name, stripped) in typescript::strip_all(typed)? {
        positions.insert(name.clone(), stripped.map);
        modules.insert(name, stripped.code);
    }
    Ok((modules, positions))
}

fn no_handler(main: &str) -> Problem {
    let what = format!("`{main}` handles nothing");
    let fix =
        "export an object with `fetch`, or `scheduled` for jobs: `export default { async fetch(request, env) {} }`";
    typescript::problem(main, None, &what, fix)
}

fn refusal<'a>(failed: Failed, main: &str, modules: impl Iterator<Item = &'a String>, positions: &Positions) -> Error {
    let (what, fix) = match failed {
        Failed::Ours(error) => return error,
        Failed::App(message) => {
            let message = positions.map_text(&message);
            let at = first_place(&message, modules.map(String::as_str)).unwrap_or_else(|| main.to_owned());
            let why = "an app's modules run once, at deploy, and must come to their end";
            let fix = "mend the line named, then deploy again";
            return Problem::new(ProblemKind::Unprocessable, "app.load", message, why, fix).at(at).into();
        }
        Failed::TooEarly(why) => (why.to_owned(), "move it into a handler"),
        Failed::Cpu => (format!("`{main}` takes more than 2 s of CPU time to load"), "compute less while modules load"),
        Failed::Time => (format!("`{main}` takes too long to load"), "compute less while modules load"),
        Failed::Memory => (format!("`{main}` needs too much memory to load"), "keep less while modules load"),
        Failed::Unfit(unfit) => (unfit.to_string(), "keep less in module variables"),
    };
    let why = "an app's modules run once, at deploy, and what they keep is there for every request";
    Problem::new(ProblemKind::Unprocessable, "app.load", what, why, fix).at(main).into()
}
