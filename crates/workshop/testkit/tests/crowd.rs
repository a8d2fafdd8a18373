//! More than a server can do: it refuses early and says when to come back, keeps its word to whoever it let in, and answers
//! status and revoke first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::{Browser, Engine, Places, Town, closes, crowded, from, manifest, status};
use tokio::io::AsyncWriteExt;

/// Some 50 ms of a processor for each request.
const NOISY: &str = "export default { fetch() { let n = 0; const end = Date.now() + 50; while (Date.now() < end) n += 1; return new Response(String(n)); } };";
/// So often whoever asks without a pause asks again once it has the receipt.
const MORE: usize = 20;
/// An answer that left before the app was dead may be read so much later, by a client that shares its processors with
/// all that it asks for.
const READ_LATE_MS: i64 = 3_000;
const QUIET: &str = "export default { fetch() { return new Response('ok'); } };";

async fn with_noise() -> (Town, Browser) {
    let town = Town::start(Engine::Sqlite).await;
    let limits = "limits = { memory = \"64MiB\", cpu = \"2s\", time = \"20s\", parallel = 64 }";
    for (name, more, code) in [("noisy", limits, NOISY), ("quiet", "", QUIET)] {
        let deployed = town.deploy(&[("bailiwick.toml", &manifest(name, more)), ("app.js", code)]).await;
        assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    }
    let ana = town.person("ana@example.test", &["staff"]).await;
    for name in ["noisy", "quiet"] {
        assert_eq!(ana.open(&format!("{}/", town.app(name))).await.status, 200);
    }
    (town, ana)
}

/// What those who ask without a pause see, and are told.
#[derive(Debug, Default)]
struct Signs {
    busy: AtomicUsize,
    cut: AtomicBool,
    over: AtomicBool,
}

/// When something that was served was asked for, and when it was read, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Served {
    sent: i64,
    read: i64,
}

/// Asks without a pause, and a few times more once it is over. The last that was served.
async fn hammer(ana: Arc<Browser>, url: String, signs: Arc<Signs>) -> Option<Served> {
    let (mut last, mut more) = (None, 0);
    while more < MORE {
        more += usize::from(signs.over.load(Ordering::Acquire));
        let sent = SystemClock.now().as_ms();
        let answer = ana.attempt("GET", &url, &[("accept", "application/json")], b"").await;
        // What is on its way breaks off when the app is switched off, and never before.
        let Some(answer) = answer else {
            assert!(signs.cut.load(Ordering::Acquire), "a connection broke");
            continue;
        };
        match answer.status {
            503 => {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
                signs.busy.fetch_add(1, Ordering::Relaxed);
            }
            200 => last = Some(Served { sent, read: SystemClock.now().as_ms() }),
            403 | 410 => {}
            _ => panic!("{answer:?}"),
        }
    }
    last
}

/// When the receipt says that the last of the app's entrance was dead.
fn entrance_dead_at(receipt: &Value) -> i64 {
    let lines = receipt["surfaces"].as_array().unwrap().iter().filter(|line| line["surface"] == "gateway");
    let at = |line: &Value| line["dead_at"].as_str().unwrap_or_else(|| panic!("{line}")).parse::<Timestamp>().unwrap();
    lines.map(|line| at(line).as_ms()).max().unwrap_or_else(|| panic!("{receipt}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_noisy_app_takes_its_share_and_the_neighbour_status_and_revoke_are_answered() {
    let (town, ana) = with_noise().await;
    let (ana, noisy, signs) = (Arc::new(ana), format!("{}/", town.app("noisy")), Arc::<Signs>::default());
    let asking = |_| tokio::spawn(hammer(Arc::clone(&ana), noisy.clone(), Arc::clone(&signs)));
    let hammers: Vec<_> = (0..60).map(asking).collect();
    // It is busy: some are refused already.
    let refusing = async {
        while signs.busy.load(Ordering::Relaxed) < 20 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refusing).await.expect("it refuses early");
    let quiet = format!("{}/", town.app("quiet"));
    let bo = town.person("bo@example.test", &["staff"]).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let began = Instant::now();
        let answer = bo.open(&quiet).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        slowest = slowest.max(began.elapsed());
        assert_eq!(bo.get(&format!("{}/healthz", town.url())).await.status, 200);
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    signs.cut.store(true, Ordering::Release);
    let began = Instant::now();
    let receipt = town.post("/api/v1/apps/noisy/revoke", json!({ "why": "too loud" })).await.json();
    let took = began.elapsed();
    assert_eq!(receipt["recorded"], true, "{receipt}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    signs.over.store(true, Ordering::Release);
    let (dead_at, mut served) = (entrance_dead_at(&receipt), 0);
    for hammer in hammers {
        let Some(last) = hammer.await.unwrap() else { continue };
        assert!(last.sent <= dead_at, "asked for {} ms after it was dead, and served", last.sent - dead_at);
        assert!(last.read <= dead_at + READ_LATE_MS, "read {} ms after it was dead", last.read - dead_at);
        served += 1;
    }
    assert!(served > 0, "nobody was served");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_half_open_connections_keep_nobody_out() {
    const ORDINARY: usize = 40;
    const CROWDED: usize = 8;
    const AT_ONCE: Duration = Duration::from_secs(3);
    let town = Town::crowded(Places::Few { ordinary: ORDINARY, crowded: CROWDED }).await;
    let deployed = town.deploy(&[("bailiwick.toml", &manifest("quiet", "")), ("app.js", QUIET)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let (port, host) = (town.port, format!("localhost:{}", town.port));
    // One address: some say nothing, some begin and stop. Neither is waited for by anyone else.
    let mut held = Vec::new();
    for number in 0..ORDINARY + CROWDED {
        let Some(mut stream) = from("127.0.0.2", port).await else { break };
        if number % 2 == 0 {
            drop(stream.write_all(b"GET / HTTP/1.1\r\nhost: quiet.lo").await);
        }
        held.push(stream);
    }
    // It never takes the last place, and is turned away at once beyond its part.
    let mut late = from("127.0.0.2", port).await.unwrap();
    assert!(closes(&mut late, AT_ONCE).await, "it is turned away");
    let began = Instant::now();
    let mut stream = from("127.0.0.1", port).await.unwrap();
    assert_eq!(status(&mut stream, &host, "/healthz").await, Some(200));
    assert_eq!(status(&mut stream, &format!("quiet.localhost:{port}"), "/").await, Some(401), "it is no crowded one");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    // Many addresses take all the ordinary ones: the console is reached all the same, and an app says when to come back.
    for last in 3..5 + ORDINARY / 2 {
        held.extend(from(&format!("127.0.0.{last}"), port).await);
    }
    assert_eq!(crowded(port, 70, &host, "/healthz").await, Some(200));
    let app = format!("quiet.localhost:{port}");
    assert_eq!(crowded(port, 90, &app, "/").await, Some(503), "all places are taken");
    let receipt = town.post("/api/v1/apps/quiet/revoke", json!({ "why": "all the same" })).await.json();
    assert_eq!(receipt["recorded"], true, "{receipt}");
    // Whoever says nothing for ten seconds is let go.
    assert!(closes(&mut held.remove(0), Duration::from_secs(30)).await, "it is closed");
    drop(held);
    town.stop().await;
}
