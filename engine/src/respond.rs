//! The one response of a request. Its head leaves as soon as the app has given it, its body as it comes.
//! Refuses a second response.
use std::cell::RefCell;

use rquickjs::{Ctx, Exception, Result, Value};
use wasip2::http::types::{Fields, OutgoingResponse, ResponseOutparam};

use crate::fetch::{Body, fields};
use crate::streams;

thread_local! {
    static OUT: RefCell<Option<ResponseOutparam>> = const { RefCell::new(None) };
}

/// A request begins.
pub(crate) fn open(out: ResponseOutparam) {
    OUT.set(Some(out));
}

/// Sends the head, and the body if it is whole. Gives the number of a body to be streamed, or -1.
pub(crate) fn respond<'js>(
    ctx: Ctx<'js>,
    status: u16,
    headers: Vec<String>,
    body: Value<'js>,
) -> Result<i32> {
    let refuse = |what: &str| Exception::throw_type(&ctx, what);
    let body = Body::from_value(body)?;
    let response = OutgoingResponse::new(fields(&headers).map_err(|what| refuse(&what))?);
    response
        .set_status_code(status)
        .map_err(|()| refuse("the status cannot be sent"))?;
    let out = OUT
        .take()
        .ok_or_else(|| refuse("the response was sent before"))?;
    let body_out = response
        .body()
        .map_err(|()| refuse("the body cannot be sent"))?;
    ResponseOutparam::set(out, Ok(response));
    match body {
        Body::None => streams::write_all(body_out, &[]),
        Body::Whole(bytes) => streams::write_all(body_out, &bytes),
        Body::Streamed => return Ok(streams::outgoing(body_out).map_or(-1, |handle| handle as i32)),
    }
    Ok(-1)
}

/// Says that the app failed, unless it has answered: 500, no body, and a mark for the gateway, which makes the page.
pub(crate) fn uncaught() {
    let Some(out) = OUT.take() else { return };
    let head = Fields::new();
    let marked = head.append("bailiwick-uncaught", b"1");
    debug_assert!(marked.is_ok(), "the host accepts its own header");
    let response = OutgoingResponse::new(head);
    if response.set_status_code(500).is_err() {
        return;
    }
    let body = response.body();
    ResponseOutparam::set(out, Ok(response));
    if let Ok(body) = body {
        streams::write_all(body, &[]);
    }
}
