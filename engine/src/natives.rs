//! What the prelude can call in Rust: one object, handed to the prelude and to nothing else, so that app code cannot reach it.
use rquickjs::function::IntoJsFunc;
use rquickjs::{Ctx, Function, Object, Result};

use crate::{digest, events, fetch, forms, host, log, respond, serve, streams, text, urls};

fn put<'js, P, F>(object: &Object<'js>, name: &str, function: F) -> Result<()>
where
    F: IntoJsFunc<'js, P> + 'js,
{
    object.set(name, Function::new(object.ctx().clone(), function)?)
}

/// The object of all natives.
pub(crate) fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let natives = Object::new(ctx.clone())?;
    let to = &natives;
    put(to, "log", |level: String, text: String, at: String| {
        log::write(&level, &text, &at)
    })?;
    put(to, "loading", host::loading)?;
    put(to, "monotonic", host::monotonic_ms)?;
    put(to, "randomNumber", host::random_number)?;
    put(to, "randomBytes", host::random_bytes)?;
    put(to, "timer", events::timer)?;
    put(to, "cancel", events::cancel)?;
    put(to, "encode", text::encode)?;
    put(to, "decode", text::decode)?;
    put(to, "parseForm", text::parse_form)?;
    put(to, "writeForm", text::write_form)?;
    put(to, "splitMultipart", forms::split)?;
    put(to, "parseUrl", urls::parse)?;
    put(to, "setUrl", urls::set)?;
    put(to, "originOf", urls::origin)?;
    put(to, "digest", digest::digest)?;
    put(to, "hmacSign", digest::sign)?;
    put(to, "hmacVerify", digest::verify)?;
    put(to, "requestHeaders", serve::request_headers)?;
    put(to, "requestBody", serve::request_body)?;
    put(to, "startFetch", fetch::start)?;
    put(to, "respond", respond::respond)?;
    put(to, "done", serve::done)?;
    put(to, "read", streams::read)?;
    put(to, "write", streams::write)?;
    put(to, "wait", streams::wait)?;
    put(to, "finish", streams::finish)?;
    put(to, "close", streams::close)?;
    Ok(natives)
}
