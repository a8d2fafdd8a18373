//! Headers, both ways: what a guest may send is judged and rewritten, what an upstream sends is stripped of what is
//! not the guest's.
//!
//! Refuses everything by which one request could become two: lengths that disagree, transfer codings, upgrades, hosts
//! that are not the address's, and names that some servers read as these (`transfer_encoding`).

use crate::{config::Limits, destination::Destination, placeholder::hides_placeholder, redirect::Mode, refusal};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use model::{Problem, TraceId};

const OURS: &str = "bailiwick-";
const REDIRECT: &str = "bailiwick-redirect";

/// Refused in a request, each with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("transfer-encoding", "leave it out; a body of unknown length is framed on the way"),
    ("upgrade", "leave it out; only HTTP/1.1 requests and answers pass"),
    ("http2-settings", "leave it out; only HTTP/1.1 requests and answers pass"),
    ("expect", "leave it out; the body follows at once"),
    ("trailer", "leave it out; trailers are not passed on"),
    ("x-http-method-override", "use the method itself, and name it in `methods` of the grant"),
    ("x-http-method", "use the method itself, and name it in `methods` of the grant"),
    ("x-method-override", "use the method itself, and name it in `methods` of the grant"),
    ("x-original-url", "call the path itself, and name it in `paths` of the grant"),
    ("x-rewrite-url", "call the path itself, and name it in `paths` of the grant"),
    ("x-forwarded-host", "leave it out; the host is the one in the address"),
    ("forwarded", "leave it out; the host is the one in the address"),
];

/// Hop-by-hop headers of an answer (RFC 9110, section 7.6.1), and what only a browser's own connection may learn.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "alt-svc",
    "strict-transport-security",
    "clear-site-data",
];

/// What may stand in `Connection`: it says nothing that a fresh connection would not do.
const HARMLESS_CONNECTION: &[&str] = &["keep-alive", "close"];

/// What was read from a guest's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) redirect: Mode,
    /// The length that the guest promised.
    pub(crate) length: Option<u64>,
}

/// Judges a guest's headers, and leaves in place what goes out.
pub(crate) fn judge(
    headers: &mut HeaderMap,
    method: &Method,
    to: &Destination,
    limits: &Limits,
) -> Result<Asked, Problem> {
    size(headers, limits)?;
    let redirect = mode(headers)?;
    let length = length(headers)?;
    hosts(headers, to)?;
    connection(headers)?;
    for name in headers.keys() {
        // Gateways that hand headers to programs as variables make `_` of `-`: the two are one name here.
        let plain = name.as_str().replace('_', "-");
        if plain != name.as_str() && (is_framing(&plain) || plain.starts_with(OURS)) {
            return Err(refusal::header(name.as_str(), "some servers read it as another header", "leave it out"));
        }
        if let Some((_, fix)) = REFUSED.iter().find(|(refused, _)| *refused == plain) {
            return Err(refusal::header(
                name.as_str(),
                "it could make the host read another request than the one that was judged",
                fix,
            ));
        }
        if plain.starts_with("proxy-") {
            return Err(refusal::header(
                name.as_str(),
                "it is meant for a proxy, and none stands in between",
                "leave it out",
            ));
        }
    }
    if matches!(*method, Method::GET | Method::HEAD) && length.is_some_and(|length| length > 0) {
        return Err(refusal::header(
            "content-length",
            "a `GET` or `HEAD` has no body",
            "use `POST`, or leave the body out",
        ));
    }
    te(headers)?;
    let ours =
        |name: &HeaderName| name.as_str().starts_with(OURS) || name == header::HOST || name.as_str() == "keep-alive";
    remove(headers, |name| {
        ours(name) || name == header::CONNECTION || name == header::CONTENT_LENGTH || name == header::TE
    });
    Ok(Asked { redirect, length })
}

fn is_framing(name: &str) -> bool {
    matches!(name, "content-length" | "host" | "connection" | "te" | "keep-alive")
}

fn size(headers: &HeaderMap, limits: &Limits) -> Result<(), Problem> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers.len() > limits.headers || bytes > limits.header_bytes {
        return Err(refusal::denied(
            "egress.headers_too_large",
            "the request has too many headers",
            format!("a request may have {} headers of {} bytes together", limits.headers, limits.header_bytes),
            "send what is large in the body",
        ));
    }
    Ok(())
}

fn mode(headers: &HeaderMap) -> Result<Mode, Problem> {
    let mut values = headers.get_all(REDIRECT).iter();
    match (values.next().map(HeaderValue::as_bytes), values.next()) {
        (None | Some(b"follow"), None) => Ok(Mode::Follow),
        (Some(b"manual"), None) => Ok(Mode::Manual),
        (Some(b"error"), None) => Ok(Mode::Error),
        (_, _) => Err(refusal::header(REDIRECT, "it is `follow`, `manual` or `error`", "leave it out")),
    }
}

/// One plain decimal length (RFC 9110, section 8.6); two of them, even equal ones, are refused.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    match text.parse().ok().filter(|_| plain && values.next().is_none()) {
        Some(length) => Ok(Some(length)),
        None => Err(refusal::length()),
    }
}

fn hosts(headers: &HeaderMap, to: &Destination) -> Result<(), Problem> {
    for value in headers.get_all(header::HOST) {
        let text = value.to_str().unwrap_or_default();
        let own = [to.host_header(), format!("{}:{}", to.host, to.port)];
        if !own.iter().any(|own| text.eq_ignore_ascii_case(own)) {
            return Err(refusal::header(
                "host",
                "it names another host than the address",
                "leave it out; it is set from the address",
            ));
        }
    }
    Ok(())
}

fn connection(headers: &HeaderMap) -> Result<(), Problem> {
    for value in headers.get_all(header::CONNECTION) {
        let harmless = |word: &str| HARMLESS_CONNECTION.iter().any(|known| word.trim().eq_ignore_ascii_case(known));
        if !value.to_str().is_ok_and(|text| text.split(',').all(harmless)) {
            return Err(refusal::header(
                "connection",
                "it would take other headers out of the request, or switch the protocol",
                "leave it out",
            ));
        }
    }
    Ok(())
}

fn te(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"trailers");
    if headers.get_all(header::TE).iter().all(plain) {
        return Ok(());
    }
    Err(refusal::header("te", "it asks for transfer codings", "leave it out"))
}

fn remove(headers: &mut HeaderMap, which: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| which(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// The trace of the request that the instance serves (W3C Trace Context); the guest's own is not believed.
pub(crate) fn trace(headers: &mut HeaderMap, trace: Option<&TraceId>) {
    headers.remove("traceparent");
    headers.remove("tracestate");
    let Some(trace) = trace.filter(|trace| trace.as_str().len() == 32) else { return };
    let span = u64::from_be_bytes(seal::random_bytes::<8>()) | 1;
    if let Ok(value) = HeaderValue::try_from(format!("00-{trace}-{span:016x}-01")) {
        headers.insert("traceparent", value);
    }
}

/// Whether a placeholder stands in a header.
pub(crate) fn hold_placeholder(headers: &HeaderMap) -> Option<&HeaderName> {
    headers.iter().find(|(_, value)| hides_placeholder(value.as_bytes())).map(|(name, _)| name)
}

/// Takes out what must not go to another origin (Fetch standard, HTTP-redirect fetch; cookies, as browsers do).
pub(crate) fn leave_origin(headers: &mut HeaderMap) {
    let secret: Vec<HeaderName> =
        headers.iter().filter(|(_, value)| hides_placeholder(value.as_bytes())).map(|(name, _)| name.clone()).collect();
    for name in [header::AUTHORIZATION, header::COOKIE].into_iter().chain(secret) {
        headers.remove(name);
    }
}

/// Takes out what describes a body that is no longer sent (Fetch standard, request-body-header names).
pub(crate) fn leave_body(headers: &mut HeaderMap) {
    for name in [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION, header::CONTENT_TYPE] {
        headers.remove(name);
    }
}

/// Judges what goes to one of the platform's own names: no other host, nothing that only the platform may say.
pub(crate) fn enter(headers: &mut HeaderMap, to: &Destination) -> Result<(), Problem> {
    hosts(headers, to)?;
    remove(headers, |name| name.as_str().starts_with(OURS));
    strip_hop_by_hop(headers);
    Ok(())
}

/// Takes out of an answer what belongs to its connection, and what only the platform may say.
pub(crate) fn strip(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    remove(headers, |name| name.as_str().starts_with(OURS));
}

/// Takes out what belongs to a connection.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|word| word.trim().to_ascii_lowercase())
        .collect();
    remove(headers, |name| {
        let name = name.as_str();
        HOP_BY_HOP.contains(&name) || named.iter().any(|word| word == name)
    });
}
