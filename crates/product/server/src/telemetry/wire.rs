//! What the collector is sent: `ExportTraceServiceRequest` of OTLP 1 (opentelemetry-proto, `trace/v1/trace.proto`), the few
//! fields of it that there are, in protobuf.

use super::Ended;

const SERVER: u64 = 2;
const INTERNAL: u64 = 1;
const ERROR: u64 = 2;

#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: Self) -> Self {
        self.bytes(field, &message.0)
    }

    fn number(mut self, field: u64, number: u64) -> Self {
        self.varint(field << 3);
        self.varint(number);
        self
    }

    fn fixed(mut self, field: u64, number: u64) -> Self {
        self.varint(field << 3 | 1);
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn attribute(self, field: u64, key: &str, value: Self) -> Self {
        self.message(field, Self::default().text(1, key).message(2, value))
    }
}

pub(super) fn request(node: &str, spans: &[Ended]) -> Vec<u8> {
    let text = |text: &str| Message::default().text(1, text);
    let resource = Message::default()
        .attribute(1, "service.name", text("bailiwick"))
        .attribute(1, "service.version", text(env!("CARGO_PKG_VERSION")))
        .attribute(1, "service.instance.id", text(node));
    let scope = Message::default().text(1, "bailiwick");
    let scoped = spans.iter().fold(Message::default().message(1, scope), |all, one| all.message(2, span(one)));
    Message::default().message(1, Message::default().message(1, resource).message(2, scoped)).0
}

fn span(one: &Ended) -> Message {
    let mut span = Message::default().bytes(1, &one.trace).bytes(2, &one.id);
    if let Some(parent) = &one.parent {
        span = span.bytes(4, parent);
    }
    let kind = if matches!(one.name, "request" | "api") { SERVER } else { INTERNAL };
    span = span.text(5, one.name).number(6, kind).fixed(7, one.begun_ns).fixed(8, one.ended_ns);
    for (key, text) in &one.texts {
        span = span.attribute(9, key, Message::default().text(1, text));
    }
    let mut failed = false;
    for (key, number) in &one.numbers {
        failed |= *number >= 500;
        span = span.attribute(9, key, Message::default().number(3, number.unsigned_abs()));
    }
    if failed { span.message(15, Message::default().number(3, ERROR)) } else { span }
}
