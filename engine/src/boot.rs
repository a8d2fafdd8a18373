//! Deploy: prelude, the app's modules, its handlers; then the memory is as small and as clean as it gets.
//! Refuses an app that does not load or has no handler, in words for its builder.
use std::cell::{RefCell, UnsafeCell};
use std::collections::BTreeMap;

use rquickjs::promise::PromiseState;
use rquickjs::{
    CatchResultExt, CaughtError, Context, Ctx, Function, Module, Object, Persistent, Runtime, Value,
};
use serde_json::json;

use crate::modules::{self, AppFiles};
use crate::{host, natives};

/// Deep recursion is then a `RangeError` that the app can catch: wasmtime's own limit, a trap, comes after it.
const SCRIPT_STACK_BYTES: usize = 160 * 1024;
/// A short request never collects cycles: that would write to every page of the snapshot.
const COLLECT_ABOVE_BYTES: usize = 16 << 20;

/// A loaded app.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) context: Context,
    pub(crate) hooks: Persistent<Object<'static>>,
}

/// The prelude's bytecode, in memory that can be cleared.
struct Bytecode(UnsafeCell<[u8; include_bytes!(concat!(env!("OUT_DIR"), "/prelude.bin")).len()]>);

// SAFETY: the guest has one thread.
unsafe impl Sync for Bytecode {}

static PRELUDE: Bytecode = Bytecode(UnsafeCell::new(*include_bytes!(concat!(
    env!("OUT_DIR"),
    "/prelude.bin"
))));

type Rejections = Vec<(Persistent<Value<'static>>, Persistent<Value<'static>>)>;

thread_local! {
    static APP: RefCell<Option<App>> = const { RefCell::new(None) };
    static REJECTIONS: RefCell<Rejections> = const { RefCell::new(Vec::new()) };
}

/// The app, if `init` succeeded.
pub(crate) fn app() -> Option<App> {
    APP.with_borrow(Clone::clone)
}

/// One of the prelude's entrances.
pub(crate) fn hook<'js>(
    ctx: &Ctx<'js>,
    hooks: &Persistent<Object<'static>>,
    name: &str,
) -> rquickjs::Result<Function<'js>> {
    hooks.clone().restore(ctx)?.get(name)
}

/// Errors that nobody caught, by the promises that carry them.
pub(crate) fn take_rejections<'js>(ctx: &Ctx<'js>) -> Vec<Value<'js>> {
    let list = REJECTIONS.take();
    list.into_iter()
        .filter_map(|(_, reason)| reason.restore(ctx).ok())
        .collect()
}

fn track_rejection<'js>(ctx: Ctx<'js>, promise: Value<'js>, reason: Value<'js>, handled: bool) {
    REJECTIONS.with_borrow_mut(|list| {
        if handled {
            let promise = Persistent::save(&ctx, promise);
            list.retain(|(known, _)| *known != promise);
        } else {
            list.push((
                Persistent::save(&ctx, promise),
                Persistent::save(&ctx, reason),
            ));
        }
    });
}

/// What was thrown, as a JavaScript value.
pub(crate) fn thrown<'js>(ctx: &Ctx<'js>, error: CaughtError<'js>) -> Value<'js> {
    match error {
        CaughtError::Exception(exception) => exception.into_value(),
        CaughtError::Value(value) => value,
        CaughtError::Error(error) => {
            rquickjs::Exception::from_message(ctx.clone(), &error.to_string()).map_or_else(
                |_| Value::new_undefined(ctx.clone()),
                rquickjs::Exception::into_value,
            )
        }
    }
}

struct Input {
    main: String,
    sources: BTreeMap<String, String>,
    collections: Vec<String>,
    secrets: Vec<String>,
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

fn input(app: &str) -> Result<Input, String> {
    let value: serde_json::Value = serde_json::from_str(app)
        .map_err(|error| format!("the app's description is not valid: {error}"))?;
    let part = |name: &str| value.get(name).cloned().unwrap_or_default();
    let main = part("main").as_str().unwrap_or("app.js").to_owned();
    let sources: BTreeMap<String, String> = part("modules")
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, source)| Some((name.clone(), source.as_str()?.to_owned())))
        .collect();
    if !sources.contains_key(&main) {
        return Err(format!(
            "there is no file `{main}` in the app's folder; write it, or name another file as `main`"
        ));
    }
    Ok(Input {
        main,
        sources,
        collections: strings(&part("collections")),
        secrets: strings(&part("secrets")),
    })
}

/// The prelude, run; what it returns are its entrances.
fn prelude<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
    // SAFETY: the bytecode was written by this same version of QuickJS, in `build.rs`. Nothing else touches `PRELUDE`,
    // and it is read once: whatever is cleared afterwards is in no app's image.
    let module = unsafe {
        let module = Module::load(ctx.clone(), &*PRELUDE.0.get());
        (*PRELUDE.0.get()).fill(0);
        module
    }?;
    let (module, loaded) = module.eval()?;
    loaded.finish::<()>()?;
    let start: Function = module.get("default")?;
    start.call((natives::object(ctx)?,))
}

fn load<'js>(ctx: &Ctx<'js>, hooks: &Object<'js>, input: &Input) -> Result<Vec<String>, String> {
    let describe = |error: CaughtError<'js>| -> String {
        let value = thrown(ctx, error);
        hooks
            .get::<_, Function>("describeLoading")
            .and_then(|describe| describe.call((value,)))
            .unwrap_or_else(|_| "the app could not be loaded".into())
    };
    let module = Module::declare(
        ctx.clone(),
        input.main.as_str(),
        input.sources.get(&input.main).cloned().unwrap_or_default(),
    )
    .catch(ctx)
    .map_err(describe)?;
    let (module, loaded) = module.eval().catch(ctx).map_err(describe)?;
    while ctx.execute_pending_job() {}
    match loaded.state() {
        PromiseState::Pending => {
            return Err(format!(
                "{}: a top-level `await` waits for something that cannot happen while the app is loading; wait inside a handler",
                input.main
            ));
        }
        PromiseState::Resolved | PromiseState::Rejected => {
            loaded.finish::<()>().catch(ctx).map_err(describe)?
        }
    }
    if let Some(reason) = take_rejections(ctx).into_iter().next() {
        return Err(describe(CaughtError::Value(reason)));
    }
    let exported: Value = module.get("default").catch(ctx).map_err(describe)?;
    hooks
        .get::<_, Function>("register")
        .and_then(|register| {
            register.call((
                exported,
                input.main.as_str(),
                input.collections.clone(),
                input.secrets.clone(),
            ))
        })
        .catch(ctx)
        .map_err(describe)
}

/// Loads the app; see the crate's `boot` world.
pub(crate) fn init(app: &str) -> Result<String, String> {
    let input = input(app)?;
    let broken = |error: rquickjs::Error| format!("the engine could not start: {error}");
    let runtime = Runtime::new().map_err(broken)?;
    runtime.set_max_stack_size(SCRIPT_STACK_BYTES);
    runtime.set_loader(AppFiles, AppFiles);
    runtime.set_host_promise_rejection_tracker(Some(Box::new(track_rejection)));
    let context = Context::full(&runtime).map_err(broken)?;
    modules::set(input.sources.clone());
    let (hooks, handlers) = context.with(|ctx| {
        let hooks = prelude(&ctx)
            .catch(&ctx)
            .map_err(|error| format!("the engine could not start: {error}"))?;
        let files: Vec<&str> = input.sources.keys().map(String::as_str).collect();
        let setup = hooks
            .get::<_, Function>("setFiles")
            .and_then(|set| set.call::<_, ()>((files,)));
        setup.map_err(broken)?;
        host::take_clock_read();
        let handlers = load(&ctx, &hooks, &input)?;
        Ok::<_, String>((Persistent::save(&ctx, hooks), handlers))
    })?;
    let mut warnings = Vec::new();
    if host::take_clock_read() {
        warnings.push("the clock was read while the app was loading (`Date.now()` or `new Date()` outside a handler): that time is the deploy's, in every request; read the clock inside a handler");
    }
    if !handlers.iter().any(|name| name == "fetch") {
        warnings.push("the app has no `fetch` handler: it answers no request");
    }
    modules::drop_loaded();
    runtime.run_gc();
    runtime.set_gc_threshold(COLLECT_ABOVE_BYTES);
    APP.set(Some(App { context, hooks }));
    Ok(json!({ "handlers": handlers, "warnings": warnings }).to_string())
}
