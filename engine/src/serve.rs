//! One request: hands it to the prelude, runs the app until its response is sent and what it promised is done.
//! Refuses to wait for ever: when nothing can happen any more, the log says what never settled.
use std::cell::{Cell, RefCell};

use rquickjs::{CatchResultExt, Ctx, Function, Null, Undefined};
use wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};

use crate::boot::{self, App};
use crate::events::{self, Event};
use crate::fetch;
use crate::{host, log, respond, streams};

/// What the host tells about a request, as JSON. The app never sees it.
const CONTEXT_HEADER: &str = "bailiwick-context";

thread_local! {
    static REQUEST: RefCell<Option<IncomingRequest>> = const { RefCell::new(None) };
    static HEADERS: RefCell<Option<Fields>> = const { RefCell::new(None) };
    static DONE: Cell<bool> = const { Cell::new(false) };
}

/// The request's header fields as one text, without the platform's own.
pub(crate) fn request_headers() -> String {
    HEADERS.with_borrow(|headers| match headers {
        Some(headers) => fetch::flat(headers, |name| !name.starts_with("bailiwick-")),
        None => String::new(),
    })
}

/// The number of the request's body, or -1 if it was taken before.
pub(crate) fn request_body() -> i32 {
    let request = REQUEST.take();
    let body = request.and_then(|request| request.consume().ok());
    body.and_then(streams::incoming)
        .map_or(-1, |handle| handle as i32)
}

/// The response is sent and nothing is left to wait for.
pub(crate) fn done() {
    DONE.set(true);
}

fn call_report<'js>(ctx: &Ctx<'js>, app: &App, value: rquickjs::Value<'js>) {
    let reported =
        boot::hook(ctx, &app.hooks, "report").and_then(|report| report.call::<_, ()>((value,)));
    if reported.is_err() {
        ctx.catch();
        log::write(
            "error",
            "an uncaught error could not be described: the app is out of memory or out of stack",
            "",
        );
    }
}

/// Runs what is ready to run, then reports errors that nobody caught.
fn run_jobs(ctx: &Ctx<'_>, app: &App) {
    while ctx.execute_pending_job() {}
    for reason in boot::take_rejections(ctx) {
        call_report(ctx, app, reason);
    }
}

fn settle<'js>(ctx: &Ctx<'js>, app: &App, id: u32, event: Event) -> rquickjs::Result<()> {
    let settle: Function = boot::hook(ctx, &app.hooks, "settle")?;
    match event {
        Event::Ready => settle.call((id,)),
        Event::Answer(future) => match fetch::answered(&future) {
            Ok((status, headers, body)) => settle.call((id, Null, status, headers, body)),
            Err(problem) => settle.call((id, problem)),
        },
    }
}

fn begin<'js>(
    ctx: &Ctx<'js>,
    app: &App,
    method: String,
    context: Option<String>,
    url: String,
) -> rquickjs::Result<()> {
    let handle = boot::hook(ctx, &app.hooks, "handle")?;
    match context {
        Some(context) => handle.call((method, context, url)),
        None => handle.call((method, Undefined, url)),
    }
}

fn run(ctx: &Ctx<'_>, app: &App, method: String, context: Option<String>, url: String) {
    if let Err(error) = begin(ctx, app, method, context, url).catch(ctx) {
        let value = boot::thrown(ctx, error);
        call_report(ctx, app, value);
        return;
    }
    loop {
        run_jobs(ctx, app);
        if DONE.get() {
            return;
        }
        let Some(ready) = events::wait() else {
            let stuck =
                boot::hook(ctx, &app.hooks, "stuck").and_then(|stuck| stuck.call::<_, ()>(()));
            if stuck.is_err() {
                ctx.catch();
            }
            return;
        };
        for (id, event) in ready {
            if let Err(error) = settle(ctx, app, id, event).catch(ctx) {
                let value = boot::thrown(ctx, error);
                call_report(ctx, app, value);
            }
            run_jobs(ctx, app);
        }
    }
}

/// See the crate's export.
pub(crate) fn handle(request: IncomingRequest, out: ResponseOutparam) {
    host::serve();
    respond::open(out);
    if let Some(app) = boot::app() {
        let method = fetch::method_name(request.method());
        let headers = request.headers();
        let context = headers
            .get(CONTEXT_HEADER)
            .into_iter()
            .next()
            .and_then(|value| String::from_utf8(value).ok());
        let url = match context {
            Some(_) => String::new(),
            None => format!(
                "http://{}{}",
                request.authority().unwrap_or_else(|| "localhost".into()),
                request.path_with_query().unwrap_or_else(|| "/".into())
            ),
        };
        HEADERS.set(Some(headers));
        REQUEST.set(Some(request));
        app.context
            .with(|ctx| run(&ctx, &app, method, context, url));
    } else {
        log::write("error", "the app was not loaded", "");
    }
    streams::close_all();
    respond::uncaught();
}
