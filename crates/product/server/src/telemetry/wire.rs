//! What the collector is sent: `ExportTraceServiceRequest` of OTLP, by the protocol's own definitions.

use super::Ended;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode},
};
use prost::Message as _;

pub(super) fn request(node: &str, spans: &[Ended]) -> Vec<u8> {
    let attributes = vec![
        text("service.name", "bailiwick"),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", node),
    ];
    let scope = InstrumentationScope { name: "bailiwick".to_owned(), ..<_>::default() };
    let scoped = ScopeSpans { scope: Some(scope), spans: spans.iter().map(span).collect(), schema_url: String::new() };
    let resource = Resource { attributes, ..<_>::default() };
    let all = ResourceSpans { resource: Some(resource), scope_spans: vec![scoped], schema_url: String::new() };
    ExportTraceServiceRequest { resource_spans: vec![all] }.encode_to_vec()
}

fn span(one: &Ended) -> Span {
    let kind = if matches!(one.name, "request" | "api") { SpanKind::Server } else { SpanKind::Internal };
    let texts = one.texts.iter().map(|(key, value)| text(key, value));
    let numbers = one.numbers.iter().map(|(key, number)| attribute(key, any_value::Value::IntValue(*number)));
    let failed = one.numbers.iter().any(|(_, status)| *status >= 500);
    Span {
        trace_id: one.trace.to_vec(),
        span_id: one.id.to_vec(),
        parent_span_id: one.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        name: one.name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: one.begun_ns,
        end_time_unix_nano: one.ended_ns,
        attributes: texts.chain(numbers).collect(),
        status: failed.then(|| Status { code: StatusCode::Error.into(), message: String::new() }),
        ..<_>::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..<_>::default() }
}
