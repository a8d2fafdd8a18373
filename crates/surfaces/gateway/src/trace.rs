//! W3C Trace Context (level 1): the id under which one request is found in logs, events and calls.
//!
//! Refuses malformed parents: such a request begins a trace of its own.

use http::{HeaderMap, HeaderName, HeaderValue};
use model::TraceId;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace of one request, and this hop's span in it.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) id: TraceId,
    span: String,
    flags: String,
    /// The caller's span, which this one stands under.
    parent: Option<String>,
    /// Whether the caller began it; then its `tracestate` is carried too.
    pub(crate) continued: bool,
}

impl Trace {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let parent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(parent);
        let span = hex::encode(seal::random_bytes::<8>());
        match parent {
            Some((id, above, flags)) => Self {
                id: TraceId::new(id),
                span,
                flags: flags.to_owned(),
                parent: Some(above.to_owned()),
                continued: true,
            },
            None => Self {
                // The moment in its first six bytes, so that the record's index of traces grows at one end instead of at a
                // random page for each request; chance in the rest, seven bytes of which Trace Context (level 2) asks for.
                id: TraceId::generate(),
                span,
                flags: "00".to_owned(),
                parent: None,
                continued: false,
            },
        }
    }

    /// This hop, for the operator's collector. Whoever began the trace may have said that it is not to be kept.
    pub(crate) fn span(&self, method: &http::Method) -> tracing::Span {
        if self.continued && !self.is_sampled() {
            return tracing::Span::none();
        }
        tracing::info_span!(
            target: TRACES,
            "request",
            trace_id = self.id.as_str(),
            span_id = self.span.as_str(),
            parent_id = self.parent.as_deref(),
            http.request.method = known(method),
            http.response.status_code = tracing::field::Empty,
            app = tracing::field::Empty,
        )
    }

    fn is_sampled(&self) -> bool {
        u8::from_str_radix(&self.flags, 16).is_ok_and(|flags| flags & 1 == 1)
    }

    /// What the app, and what it calls, is told.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("00-{}-{}-{}", self.id, self.span, self.flags)).ok()
    }
}

/// What spans for the operator's collector are under.
pub const TRACES: &str = "bailiwick::trace";

/// A method, unless a stranger made it up.
fn known(method: &http::Method) -> &str {
    const KNOWN: [http::Method; 7] = [
        http::Method::GET,
        http::Method::HEAD,
        http::Method::POST,
        http::Method::PUT,
        http::Method::PATCH,
        http::Method::DELETE,
        http::Method::OPTIONS,
    ];
    if KNOWN.contains(method) { method.as_str() } else { "_OTHER" }
}

/// The span of a request of the control origin, and its trace as the header that says it.
#[must_use]
pub fn control_span(headers: &HeaderMap, method: &http::Method) -> (tracing::Span, Option<HeaderValue>) {
    let trace = Trace::of(headers);
    let span = if trace.continued && !trace.is_sampled() {
        tracing::Span::none()
    } else {
        tracing::info_span!(
            target: TRACES,
            "api",
            trace_id = trace.id.as_str(),
            span_id = trace.span.as_str(),
            parent_id = trace.parent.as_deref(),
            http.request.method = known(method),
            http.route = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
        )
    };
    (span, trace.header())
}

/// The trace that a request belongs to: its own, or a new one.
#[must_use]
pub fn trace_of(headers: &HeaderMap) -> TraceId {
    Trace::of(headers).id
}

/// Trace id, span and flags of a `traceparent` of version 00.
fn parent(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.split('-');
    let (version, id, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
    };
    let set = |text: &str| text.bytes().any(|c| c != b'0');
    let whole = version == "00"
        && parts.next().is_none()
        && hex(id, 32)
        && set(id)
        && hex(span, 16)
        && set(span)
        && hex(flags, 2);
    whole.then_some((id, span, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(parent: &str) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_str(parent).unwrap());
        Trace::of(&headers)
    }

    #[test]
    fn a_parent_is_continued_under_a_span_of_our_own() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        let trace = trace(&format!("00-{id}-b7ad6b7169203331-01"));
        assert!(trace.continued && trace.id.as_str() == id);
        let header = trace.header().unwrap();
        let header = header.to_str().unwrap();
        assert!(
            header.starts_with(&format!("00-{id}-")) && header.ends_with("-01") && !header.contains("b7ad6b7169203331")
        );
    }

    #[test]
    fn anything_else_begins_anew() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            let found = trace(text);
            assert!(!found.continued && found.id.as_str().len() == 32, "{text}");
        }
    }
}
