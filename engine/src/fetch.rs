//! Requests that leave the sandbox, to the host's `wasi:http/outgoing-handler`. Nothing is decided here:
//! the broker behind the host judges. Refuses only what cannot be put on the wire.
use rquickjs::{Ctx, Exception, Result, TypedArray, Value};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, HeaderError, Method, OutgoingRequest, Scheme,
};

use crate::text::{copy_bytes, decode_latin1, encode_latin1};
use crate::{events, streams};

/// A body as the prelude hands it over.
pub(crate) enum Body {
    None,
    Whole(Vec<u8>),
    Streamed,
}

impl Body {
    /// From a JavaScript value: null, a string, bytes, or `true` for a stream.
    pub(crate) fn from_value(value: Value<'_>) -> Result<Body> {
        if let Some(text) = value.as_string() {
            return Ok(Body::Whole(text.to_string()?.into_bytes()));
        }
        if value.as_bool() == Some(true) {
            return Ok(Body::Streamed);
        }
        Ok(
            match value
                .as_object()
                .map(|object| TypedArray::<u8>::from_object(object.clone()))
            {
                Some(bytes) => Body::Whole(copy_bytes(&bytes?)),
                None => Body::None,
            },
        )
    }
}

/// Header fields from a flat list of names and values. What the host keeps for itself is left out.
pub(crate) fn fields(list: &[String]) -> std::result::Result<Fields, String> {
    let fields = Fields::new();
    for pair in list.chunks_exact(2) {
        let [name, value] = pair else { continue };
        match fields.append(name, &encode_latin1(value)) {
            Ok(()) | Err(HeaderError::Forbidden) => {}
            Err(_) => return Err(format!("the header `{name}` cannot be sent")),
        }
    }
    Ok(fields)
}

/// Header fields as one text: name, line feed, value, line feed … Neither can contain a line feed.
pub(crate) fn flat(fields: &Fields, keep: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    for (name, value) in fields.entries() {
        if keep(&name) {
            for part in [name.as_str(), "\n", &decode_latin1(&value), "\n"] {
                text.push_str(part);
            }
        }
    }
    text
}

fn method(name: String) -> Method {
    match name.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        "HEAD" => Method::Head,
        "OPTIONS" => Method::Options,
        _ => Method::Other(name),
    }
}

/// The name of a request's method.
pub(crate) fn method_name(method: Method) -> String {
    match method {
        Method::Get => "GET".into(),
        Method::Post => "POST".into(),
        Method::Put => "PUT".into(),
        Method::Delete => "DELETE".into(),
        Method::Patch => "PATCH".into(),
        Method::Head => "HEAD".into(),
        Method::Options => "OPTIONS".into(),
        Method::Connect => "CONNECT".into(),
        Method::Trace => "TRACE".into(),
        Method::Other(name) => name,
    }
}

/// `target` is scheme (`http` or `https`), authority, path with query. Gives the number of the body to be
/// written, or -1 when there is nothing more to write.
fn begin(
    id: u32,
    name: String,
    target: &[String],
    headers: &[String],
    body: Body,
) -> std::result::Result<i32, String> {
    let [scheme, authority, path] = target else {
        return Err("the address is incomplete".into());
    };
    let request = OutgoingRequest::new(fields(headers)?);
    let scheme = if scheme == "https" {
        Scheme::Https
    } else {
        Scheme::Http
    };
    request
        .set_method(&method(name))
        .map_err(|()| "the method cannot be sent")?;
    request
        .set_scheme(Some(&scheme))
        .map_err(|()| "the scheme cannot be sent")?;
    request
        .set_authority(Some(authority))
        .map_err(|()| "the host name cannot be sent")?;
    request
        .set_path_with_query(Some(path))
        .map_err(|()| "the path cannot be sent")?;
    let out = request.body().map_err(|()| "the body cannot be sent")?;
    let future = outgoing_handler::handle(request, None).map_err(|error| explain(&error))?;
    events::answer(id, future);
    match body {
        Body::Streamed => Ok(streams::outgoing(out).map_or(-1, |handle| handle as i32)),
        Body::None => {
            streams::write_all(out, &[]);
            Ok(-1)
        }
        Body::Whole(bytes) => {
            streams::write_all(out, &bytes);
            Ok(-1)
        }
    }
}

/// Sends a request; operation `id` is settled by its answer.
pub(crate) fn start<'js>(
    ctx: Ctx<'js>,
    id: u32,
    name: String,
    target: Vec<String>,
    headers: Vec<String>,
    body: Value<'js>,
) -> Result<i32> {
    let body = Body::from_value(body)?;
    begin(id, name, &target, &headers, body).map_err(|what| {
        events::cancel(id);
        Exception::throw_type(&ctx, &format!("fetch failed: {what}"))
    })
}

fn explain(error: &ErrorCode) -> String {
    match error {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => {
            "the host name could not be resolved".into()
        }
        ErrorCode::ConnectionRefused => "the connection was refused".into(),
        ErrorCode::ConnectionTerminated => {
            "the connection was closed before the answer was complete".into()
        }
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout => "the connection timed out".into(),
        ErrorCode::HttpResponseTimeout => "the answer took too long".into(),
        ErrorCode::HttpRequestDenied => "the request is not allowed".into(),
        ErrorCode::TlsCertificateError
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsAlertReceived(_) => "a secure connection could not be made".into(),
        other => format!("{other:?}"),
    }
}

/// What became of a request: status, headers and the number of the body (or -1), or what went wrong.
pub(crate) type Answer = std::result::Result<(u16, String, i32), String>;

/// Takes the answer apart.
pub(crate) fn answered(future: &FutureIncomingResponse) -> Answer {
    match future.get() {
        Some(Ok(Ok(response))) => {
            let (status, headers) = (response.status(), flat(&response.headers(), |_| true));
            let body = response.consume().ok().and_then(streams::incoming);
            Ok((status, headers, body.map_or(-1, |handle| handle as i32)))
        }
        Some(Ok(Err(error))) => Err(format!("fetch failed: {}", explain(&error))),
        _ => Err("fetch failed".into()),
    }
}
