//! An app that does everything that an app should not, through the front door: each abuse ends within its limit, leaves
//! one event, shows a plain page with a trace id, and tells the app's team where; the neighbour is served meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use testkit::{Answer, Browser, Engine, Town, manifest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const LIMITS: &str = r#"limits = { memory = "32MiB", cpu = "300ms", time = "3s", parallel = 8 }"#;

/// One line for each abuse: its number is that of the line.
const APP: &str = r#"const forever = new Promise(() => {});
const later = (ms) => new Promise((done) => setTimeout(done, ms));
const abuses = {
  "/loop": () => { for (;;); },
  "/regex": () => new Response(String(/^(a+)+$/.test("a".repeat(60) + "b"))),
  "/microtasks": async () => { const again = () => Promise.resolve().then(again); await again(); },
  "/bytes": () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); },
  "/promises": () => { const all = []; for (;;) all.push(new Promise(() => {}), [all.length]); },
  "/stack": () => { const deeper = (n) => deeper(n + 1) + 1; return new Response(String(deeper(0))); },
  "/headers": () => { const all = new Headers(); for (let i = 0; i < 5000; i++) all.append("x-" + i, "y".repeat(64)); return new Response("", { headers: all }); },
  "/huge": () => new Response(new ReadableStream({ pull(out) { out.enqueue(new Uint8Array(1 << 18)); } }), { headers: { "content-length": String(2 ** 32) } }),
  "/endless": () => new Response(new ReadableStream({ pull(out) { out.enqueue(new Uint8Array(1 << 18)); } })),
  "/slow": () => new Response(new ReadableStream({ async pull(out) { await later(400); out.enqueue(new TextEncoder().encode(".")); } })),
  "/never": () => forever,
  "/timers": async () => { setInterval(() => {}, 50); await later(3600e3); return new Response("late"); },
  "/left": () => { setInterval(() => {}, 10); return new Response("answered"); },
  "/wait": (request, ctx) => { ctx.waitUntil(later(3600e3)); return new Response("answered"); },
  "/wait-never": (request, ctx) => { ctx.waitUntil(forever); return new Response("answered"); },
  "/wait-loop": (request, ctx) => { ctx.waitUntil(later(1).then(() => { for (;;); })); return new Response("answered"); },
  "/log": () => { for (let i = 0; i < 1500; i++) console.log("line " + i + ".".repeat(100)); return new Response("printed"); },
  "/throw": () => { throw new Error("inside-words of the builder"); },
  "/exit": () => { throw null; },
  "/body": async (request) => new Response(String((await request.text()).length)),
};
export default {
  fetch(request, env, ctx) {
    return (abuses[new URL(request.url).pathname] ?? (() => new Response("ok")))(request, ctx);
  },
};"#;

/// How one abuse ends: what its caller gets, and the word in its event. More than one word where two limits race.
struct Abuse {
    path: &'static str,
    status: &'static [u16],
    stopped: &'static [&'static str],
}

const fn abuse(path: &'static str, status: &'static [u16], stopped: &'static [&'static str]) -> Abuse {
    Abuse { path, status, stopped }
}

const FINE: &[&str] = &[""];
/// On a machine that is busy with other things the clock may come first.
const ENDLESS: &[&str] = &["cpu", "time"];
const GROWING: &[&str] = &["memory", "cpu", "time"];

const ABUSES: &[Abuse] = &[
    abuse("/loop", &[503, 504], ENDLESS),
    abuse("/regex", &[503, 504], ENDLESS),
    abuse("/microtasks", &[503, 504], GROWING),
    abuse("/bytes", &[503, 504], GROWING),
    abuse("/promises", &[503, 504], GROWING),
    abuse("/stack", &[500], &["uncaught"]),
    abuse("/headers", &[503, 500], &["output", "uncaught", "trap", "cpu"]),
    abuse("/huge", &[200], &["output", "cpu", "time"]),
    abuse("/endless", &[200], &["output", "cpu", "time"]),
    abuse("/slow", &[200], &["time"]),
    abuse("/never", &[500], &["uncaught", "no_response"]),
    abuse("/timers", &[504], &["time"]),
    abuse("/left", &[200], &["time", ""]),
    abuse("/wait", &[200], &["time"]),
    abuse("/wait-never", &[200], &["uncaught", "trap", "time", ""]),
    abuse("/wait-loop", &[200], ENDLESS),
    abuse("/log", &[200], FINE),
    abuse("/throw", &[500], &["uncaught"]),
    abuse("/exit", &[500], &["uncaught"]),
];

/// Words that a page never has.
const INSIDE: &[&str] =
    &["wasm", "rust", "panick", "trap", "app.js", "inside-words", "quickjs", "stack", ".rs", "memory fault", "0x"];

fn trace(n: usize) -> String {
    format!("{:032x}", 0xabc0_0000 + n)
}

fn page(answer: &Answer, trace: &str) {
    let text = answer.text();
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{answer:?}");
    assert!(text.contains(trace), "no trace id: {answer:?}");
    for word in INSIDE {
        assert!(!text.to_lowercase().contains(word), "`{word}`: {answer:?}");
    }
}

async fn event(town: &Town, trace: &str) -> serde_json::Value {
    // A response can be whole before its instance is gone: the event comes with the end of both.
    for _ in 0..600 {
        let answer = town.get(&format!("/api/v1/events?action=app.use&trace={trace}&limit=10")).await.json();
        let events = answer["events"].as_array().unwrap().clone();
        assert!(events.len() < 2, "recorded twice: {answer}");
        if let Some(event) = events.into_iter().next() {
            return event;
        }
    }
    panic!("nothing is recorded of {trace}");
}

async fn meets(town: &Town, ana: &Browser, (n, abuse): (usize, &Abuse)) {
    let trace = trace(n);
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let url = format!("{}{}", town.app("abuse"), abuse.path);
    let answer = ana.send("GET", &url, &[("accept", "text/html"), ("traceparent", &parent)], b"").await;
    assert!(abuse.status.contains(&answer.status), "{}: {answer:?}", abuse.path);
    if answer.status != 200 {
        page(&answer, &trace);
    }
    assert!(answer.body.len() <= 65 << 20, "{}: {} bytes", abuse.path, answer.body.len());
    let event = event(town, &trace).await;
    let stopped = event["detail"]["stopped"].as_str().unwrap_or_default();
    assert!(abuse.stopped.contains(&stopped), "{}: {event}", abuse.path);
    let used = event["detail"]["memory_bytes"].as_u64().unwrap_or_default();
    assert!(used <= 32 << 20, "{}: {event}", abuse.path);
}

/// A body that does not come is waited for no longer than the app may run.
async fn a_body_that_never_comes(town: &Town, ana: &Browser) {
    let trace = trace(ABUSES.len());
    let mut stream = TcpStream::connect(("127.0.0.1", town.port)).await.unwrap();
    let head = format!(
        "POST /body HTTP/1.1\r\nhost: abuse.localhost:{}\r\ncookie: {}\r\nsec-fetch-site: same-origin\r\naccept: text/html\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\ncontent-length: 1000\r\n\r\nonly this",
        town.port,
        ana.cookies("abuse.localhost")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let whole = tokio::time::timeout(std::time::Duration::from_secs(60), stream.read_to_end(&mut said)).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(whole.is_ok(), "the connection is held: {said}");
    assert!(said.starts_with("HTTP/1.1 504 ") && said.contains(&trace), "{said}");
    assert_eq!(event(town, &trace).await["detail"]["stopped"], "time");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_abuse_ends_and_no_neighbour_notices() {
    let town = Arc::new(Town::start(Engine::Sqlite).await);
    for (name, code) in [("abuse", APP), ("neighbour", "export default { fetch: () => new Response(\"here\") };")] {
        let deployed = town.deploy(&[("bailiwick.toml", &manifest(name, LIMITS)), ("app.js", code)]).await;
        assert_eq!(deployed.status, 200, "{deployed:?}");
    }
    let ana = town.person("ana@example.test", &["staff", "people-ops", "builders"]).await;
    let url = format!("{}/", town.app("neighbour"));
    for app in ["abuse", "neighbour"] {
        assert_eq!(ana.open(&format!("{}/", town.app(app))).await.status, 200);
    }
    let (ana, over, served) = (Arc::new(ana), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let neighbour = tokio::spawn({
        let (ana, over, served) = (Arc::clone(&ana), Arc::clone(&over), Arc::clone(&served));
        async move {
            while !over.load(Ordering::SeqCst) {
                let answer = ana.send("GET", &url, &[], b"").await;
                assert_eq!((answer.status, answer.text().as_str()), (200, "here"), "the neighbour: {answer:?}");
                served.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    // In pairs, so that two of them can be up to something at the same moment.
    let numbered: Vec<_> = ABUSES.iter().enumerate().collect();
    for pair in numbered.chunks(2) {
        let before = served.load(Ordering::SeqCst);
        match pair {
            [one, two] => drop(tokio::join!(meets(&town, &ana, *one), meets(&town, &ana, *two))),
            rest => meets(&town, &ana, rest[0]).await,
        }
        let paths: Vec<_> = pair.iter().map(|(_, abuse)| abuse.path).collect();
        assert!(served.load(Ordering::SeqCst) > before, "the neighbour was not served beside {paths:?}");
    }
    a_body_that_never_comes(&town, &ana).await;
    over.store(true, Ordering::SeqCst);
    neighbour.await.unwrap();
    assert!(served.load(Ordering::SeqCst) >= ABUSES.len(), "{served:?}");
    its_team_reads_where(&town).await;
}

/// The log names the builder's own lines, and the flood is cut with a word about it.
async fn its_team_reads_where(town: &Town) {
    let logs = town.get("/api/v1/apps/abuse/logs?limit=1000").await.json();
    let lines = logs["lines"].as_array().unwrap();
    let of = |n: usize| lines.iter().filter(move |line| line["trace_id"] == trace(n)).collect::<Vec<_>>();
    for (n, abuse) in ABUSES.iter().enumerate() {
        let said: String = of(n).iter().map(|line| format!("{} {}\n", line["text"], line["at_code"])).collect();
        let number = APP.lines().position(|line| line.contains(&format!("\"{}\":", abuse.path))).unwrap() + 1;
        match abuse.path {
            "/throw" => assert!(said.contains(&format!("app.js:{number}")) && said.contains("inside-words"), "{said}"),
            "/stack" => assert!(said.contains(&format!("app.js:{number}")), "{said}"),
            "/loop" => assert!(said.contains("300 ms of CPU") || said.contains("3000 ms"), "{said}"),
            "/slow" | "/timers" | "/wait" => assert!(said.contains("3000 ms"), "{}: {said}", abuse.path),
            _ => {}
        }
    }
    let floods = town.get("/api/v1/apps/abuse/logs?limit=1000").await.text();
    assert!(floods.contains("the rest is not kept"), "the flood is cut");
}
