//! Two nodes on two machines, as far as their networks are concerned: a cable that is pulled out, or is dead further on,
//! between a node and its database, and between a node and whoever asks it. And one machine that has no network at all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests; what was skipped or measured is said"
)]

use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{Browser, Cut, Engine, Own, Postgres, Process, To, Wires, elsewhere, manifest, streaming, until};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Each line is the moment at which it was made.
const TICKER: &str = r#"export default {
  async fetch(request) {
    if (new URL(request.url).pathname !== "/stream") return new Response("ok");
    const encoder = new TextEncoder();
    return new Response(new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        controller.enqueue(encoder.encode(`${Date.now()}\n`));
      },
    }));
  },
};"#;

/// A node with its wires, which outlive it.
struct Node {
    town: Process,
    wires: Wires,
}

impl Node {
    async fn start(database: &Postgres, name: &str) -> Result<Self, String> {
        let (wires, url) = Wires::lay(&database.url).await?;
        Ok(Self { town: Process::wired(BINARY, url, name, &wires).await, wires })
    }

    /// What the app's address answers; `None` when nothing is heard.
    async fn answers(&self, ana: &Browser) -> Option<u16> {
        let url = format!("{}/", self.town.app("ticker"));
        let asked = ana.attempt("GET", &url, &[("accept", "application/json")], b"");
        tokio::time::timeout(Duration::from_secs(5), asked).await.ok().flatten().map(|answer| answer.status)
    }
}

fn ms(receipt: &Value, field: &str) -> i64 {
    receipt[field].as_str().unwrap_or_else(|| panic!("{receipt}")).parse::<Timestamp>().unwrap().as_ms()
}

/// How the receipt says that another node is off.
fn how(receipt: &Value, node: &str) -> String {
    let lines = receipt["surfaces"].as_array().unwrap().iter().filter(|line| line["node"] == node);
    let lines: Vec<&Value> = lines.collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["state"] == "dead"), "{receipt}");
    lines[0]["how"].as_str().unwrap().to_owned()
}

async fn on_again(one: &Node, two: &Node, ana: &Browser) {
    let restored = one.town.post("/api/v1/apps/ticker/restore", json!({ "why": "on again" })).await;
    assert_eq!(restored.status, 200, "{restored:?}");
    let url = format!("{}/", two.town.app("ticker"));
    until("it is served again", async || ana.open(&url).await.status == 200).await;
}

/// Cut off from its database, a node stops by itself; whoever switches off elsewhere need not wait for it longer than
/// that; and back again, it knows.
async fn cut_off_from_the_database(one: &Node, two: &Node, ana: &Browser, cut: Cut) {
    let (mut so_far, reading) = streaming(two.town.port, ana);
    so_far.wait_for(|streamed| streamed.made > 0).await.unwrap();
    two.wires.cut(To::Back, cut);
    let cut_at = SystemClock.now().as_ms();
    let asked = Instant::now();
    let receipt = one.town.post("/api/v1/apps/ticker/revoke", json!({ "why": "one is cut off" })).await.json();
    assert!(asked.elapsed() < Duration::from_secs(4), "{cut:?}: {:?}", asked.elapsed());
    assert_eq!(receipt["recorded"], true, "{receipt}");
    assert!(how(&receipt, "two").contains("ran out"), "{receipt}");
    let streamed = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the stream ends").unwrap();
    streamed.ended_by(cut_at + 2_000, &format!("{cut:?}: two seconds after the cut"));
    streamed.ended_by(ms(&receipt, "done_at"), &format!("{cut:?}: {receipt}"));
    assert_eq!(two.answers(ana).await, Some(503), "{cut:?}");
    let ready = two.town.browser().send("GET", &format!("{}/readyz", two.town.url()), &[], b"").await;
    assert_eq!(ready.status, 503, "{cut:?}: {ready:?}");
    two.wires.mend(To::Back);
    let mut seen = Vec::new();
    until("the node has its lease again", async || {
        seen.push(two.answers(ana).await);
        seen.last() != Some(&Some(503))
    })
    .await;
    assert!(
        matches!(seen.last(), Some(Some(403 | 410))),
        "{cut:?}: it knows what was switched off meanwhile: {seen:?}"
    );
    on_again(one, two, ana).await;
}

/// Nothing is fetched, neither to start nor to serve.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_a_network_is_enough() {
    if elsewhere("a_machine_without_a_network_is_enough", Own::Network) {
        return;
    }
    let mut town = Process::start(BINARY, Engine::Sqlite, "", "warn").await;
    until("it is ready", async || town.get("/readyz").await.status == 200).await;
    let deployed = town.deploy_template("tinypoll", "tinypoll").await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = town.person("ana@example.test", &["staff"]).await;
    let page = ana.open(&format!("{}/", town.app("tinypoll"))).await;
    assert_eq!(page.status, 200, "{page:?}");
    let receipt = town.post("/api/v1/apps/tinypoll/revoke", json!({ "why": "alone" })).await.json();
    assert_eq!(receipt["recorded"], true, "{receipt}");
    let verified = town.run(&["audit", "verify", "--json"]).await;
    assert!(verified.status.success(), "{verified:?}");
    town.stop().await;
    let errors = town.errors();
    assert!(!errors.contains("ERROR"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_cables_between_nodes_their_database_and_whoever_asks() {
    let database = Postgres::create().await;
    let started = (Node::start(&database, "one").await, Node::start(&database, "two").await);
    let (one, two) = match started {
        (Ok(one), Ok(two)) => (one, two),
        (one, two) => {
            let why = one.err().or(two.err()).unwrap_or_default();
            eprintln!("skipped: this machine gives no network namespaces: {why}");
            return;
        }
    };
    let deployed = one.town.deploy(&[("bailiwick.toml", &manifest("ticker", "")), ("app.js", TICKER)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = two.town.person("ana@example.test", &["staff"]).await;
    let url = format!("{}/", two.town.app("ticker"));
    until("the other node serves it", async || ana.open(&url).await.status == 200).await;

    for cut in [Cut::Unplugged, Cut::Dead] {
        cut_off_from_the_database(&one, &two, &ana, cut).await;
    }

    // Nobody can ask the one; it has its lease, and nobody else is held up.
    two.wires.cut(To::Front, Cut::Dead);
    assert_eq!(two.answers(&ana).await, None);
    let asked = Instant::now();
    let receipt = one.town.post("/api/v1/apps/ticker/revoke", json!({ "why": "nobody asks there" })).await.json();
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(how(&receipt, "two").contains("said so"), "{receipt}");
    two.wires.mend(To::Front);
    until("it is heard again", async || two.answers(&ana).await.is_some()).await;
    assert!(matches!(two.answers(&ana).await, Some(403 | 410)));
    on_again(&one, &two, &ana).await;

    // The other way round: the one that is asked to switch off is cut off.
    let bo = one.town.person("bo@example.test", &["staff"]).await;
    assert_eq!(bo.open(&format!("{}/", one.town.app("ticker"))).await.status, 200);
    one.wires.cut(To::Back, Cut::Dead);
    until("it serves nothing", async || one.answers(&bo).await == Some(503)).await;
    assert_eq!(two.answers(&ana).await, Some(200), "the other goes on");
    let receipt = one.town.post("/api/v1/apps/ticker/revoke", json!({ "why": "from over here" })).await.json();
    assert_eq!((&receipt["recorded"], &receipt["kept"]), (&json!(false), &json!("journal")), "{receipt}");
    one.wires.mend(To::Back);
    until("the other hears of it", async || matches!(two.answers(&ana).await, Some(403 | 410))).await;
}
