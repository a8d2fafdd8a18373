//! Traces: what the operator's collector is sent, under which ids, and that nothing else ever is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use testkit::{Engine, Process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
const CANARY: &str = "canary-5f2e";

/// Stands in for a collector: keeps each body that it is posted.
struct Collector {
    port: u16,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, bodies) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let kept = Arc::clone(&bodies);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    let mut held = Vec::new();
                    loop {
                        if let Some((end, length)) = head(&held)
                            && held.len() >= end + length
                        {
                            assert!(
                                held.starts_with(b"POST /v1/traces HTTP/1.1"),
                                "{}",
                                String::from_utf8_lossy(&held)
                            );
                            kept.lock().unwrap().push(held[end..end + length].to_vec());
                            held.drain(..end + length);
                            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                            continue;
                        }
                        if socket.read_buf(&mut held).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, bodies }
    }

    fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap();
        let requests = bodies.iter().flat_map(|body| fields(body));
        let scoped = requests.flat_map(|(_, resource)| fields(&resource)).filter(|(field, _)| *field == 2);
        let spans = scoped.flat_map(|(_, scope)| fields(&scope)).filter(|(field, _)| *field == 2);
        spans.map(|(_, span)| Span::read(&span)).collect()
    }

    async fn until(&self, what: &str, holds: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let begun = Instant::now();
        loop {
            let spans = self.spans();
            if holds(&spans) {
                return spans;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {spans:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Where the body begins, and how long it is.
fn head(held: &[u8]) -> Option<(usize, usize)> {
    let end = held.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&held[..end]).to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    Some((end, length))
}

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
        shift += 7;
    }
}

/// Fields of a protobuf message, numbers as their eight bytes.
fn fields(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let key = varint(bytes, &mut at);
        let value = match key & 7 {
            0 => varint(bytes, &mut at).to_le_bytes().to_vec(),
            1 => {
                at += 8;
                bytes[at - 8..at].to_vec()
            }
            2 => {
                let length = usize::try_from(varint(bytes, &mut at)).unwrap();
                at += length;
                bytes[at - length..at].to_vec()
            }
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, value));
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: String,
    parent: Option<String>,
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Span {
    fn read(bytes: &[u8]) -> Self {
        let all = fields(bytes);
        let one = |field: u64| all.iter().find(|(of, _)| *of == field).map(|(_, value)| value.clone());
        let time = |field| u64::from_le_bytes(one(field).unwrap().try_into().unwrap());
        assert!(time(8) >= time(7) && time(7) > 1_700_000_000_000_000_000, "nanoseconds since 1970");
        let attributes = all.iter().filter(|(field, _)| *field == 9).map(|(_, pair)| {
            let pair = fields(pair);
            let (kind, value) = fields(&pair[1].1).remove(0);
            let text = if kind == 1 {
                String::from_utf8(value).unwrap()
            } else {
                u64::from_le_bytes(value.try_into().unwrap()).to_string()
            };
            (String::from_utf8(pair[0].1.clone()).unwrap(), text)
        });
        Self {
            trace: hex(&one(1).unwrap()),
            id: hex(&one(2).unwrap()),
            parent: one(4).as_deref().map(hex),
            name: String::from_utf8(one(5).unwrap()).unwrap(),
            attributes: attributes.collect(),
        }
    }
}

const APP: &str = r#"export default {
  async fetch(request) {
    try { await fetch("https://elsewhere.example/canary-5f2e?token=canary-5f2e", { method: "POST", body: "canary-5f2e" }); } catch (refused) {}
    return new Response("canary-5f2e " + await request.text());
  },
};"#;

#[tokio::test(flavor = "multi_thread")]
async fn spans_tell_the_way_under_the_records_ids_and_nothing_else() {
    let collector = Collector::start().await;
    let more = format!("[telemetry]\notlp = \"http://127.0.0.1:{}\"\n", collector.port);
    let town = Process::start(BINARY, Engine::Sqlite, &more, "warn").await;
    let manifest = testkit::manifest("echo", "");
    let deployed = town.deploy(&[("bailiwick.toml", &manifest), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");

    // A deploy: the span of the API, the deploy under it, under the event's trace.
    let event = deployed.json()["event"].as_str().unwrap().to_owned();
    let event = town.get(&format!("/api/v1/events/{event}")).await.json();
    let trace = event["trace_id"].as_str().unwrap().to_owned();
    let spans = collector.until("a deploy", |spans| spans.iter().any(|span| span.name == "deploy")).await;
    let named = |spans: &[Span], trace: &str, name: &str| {
        spans.iter().find(|span| span.trace == trace && span.name == name).cloned()
    };
    let api = named(&spans, &trace, "api").unwrap();
    assert_eq!(api.attributes["http.route"], "/api/v1/deploy", "{api:?}");
    assert_eq!(named(&spans, &trace, "deploy").unwrap().parent, Some(api.id), "{spans:#?}");

    // A request: continued from its caller; sandbox and call under it.
    let ana = town.person(&format!("{CANARY}@example.test"), &["staff"]).await;
    let url = format!("{}/{CANARY}?token={CANARY}", town.app("echo"));
    assert_eq!(ana.open(&format!("{}/", town.app("echo"))).await.status, 200);
    let (trace, above) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let parent = format!("00-{trace}-{above}-01");
    let answer = ana.send("GET", &url, &[("traceparent", &parent), ("x-secret", CANARY)], b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let spans = collector.until("a call", |spans| named(spans, trace, "request").is_some()).await;
    let request = named(&spans, trace, "request").unwrap();
    assert_eq!(request.parent.as_deref(), Some(above));
    assert_eq!(
        (&*request.attributes["http.response.status_code"], &*request.attributes["http.request.method"]),
        ("200", "GET")
    );
    let under = |name: &str| named(&spans, trace, name).unwrap_or_else(|| panic!("{name}: {spans:#?}")).parent;
    assert!(under("sandbox").is_some() && under("call").is_some());
    let ids: Vec<&str> = spans.iter().filter(|span| span.trace == trace).map(|span| span.id.as_str()).collect();
    assert!(ids.contains(&under("call").unwrap().as_str()), "a call stands under the request that made it");
    let seen = town.get(&format!("/api/v1/events?trace={trace}")).await.json();
    assert!(seen["events"].as_array().unwrap().iter().any(|event| event["action"] == "app.use"), "{seen}");

    // Whoever began a trace may have said that it is not kept.
    let other = "1af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{other}-{above}-00");
    assert_eq!(ana.send("GET", &url, &[("traceparent", &parent)], b"").await.status, 200);

    let revoked = town.post("/api/v1/apps/echo/revoke", serde_json::json!({ "why": CANARY })).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    let event = town.get(&format!("/api/v1/events/{}", revoked.json()["event"].as_str().unwrap())).await.json();
    let trace = event["trace_id"].as_str().unwrap().to_owned();
    let spans = collector.until("a revoke", |spans| named(spans, &trace, "revoke").is_some()).await;
    assert!(!spans.iter().any(|span| span.trace == other), "{spans:#?}");
    let known = ["app", "http.request.method", "http.route", "http.response.status_code"];
    assert!(spans.iter().all(|span| span.attributes.keys().all(|key| known.contains(&key.as_str()))), "{spans:#?}");
    for body in collector.bodies.lock().unwrap().iter() {
        assert!(!String::from_utf8_lossy(body).contains(CANARY), "{}", String::from_utf8_lossy(body));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_silent_costs_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = format!("[telemetry]\notlp = \"http://{}\"\n", silent.local_addr().unwrap());
    let mut town = Process::start(BINARY, Engine::Sqlite, &more, "warn").await;
    let begun = Instant::now();
    for _ in 0..200 {
        assert_eq!(town.get("/api/v1/apps").await.status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let begun = Instant::now();
    town.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
