//! Two nodes on one database: what is switched off on one is off on the other before the receipt says so, and a node
//! that has lost its database stops within two seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use testkit::{Browser, Postgres, Town, streaming, until};

const MANIFEST: &str = r#"
[app]
name = "ticker"
team = "people-ops"
purpose = "Says what time it is, again and again"
expires = "EXPIRES"
class = "internal"

[runtime]
profile = "wasm"
main = "app.js"

[access]
use = ["everyone"]
"#;

/// Each line is the moment at which it was made.
const APP: &str = r#"
export default {
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
};
"#;

/// The app is deployed on the first, and served by the second, over a cable.
async fn two() -> (Town, Town, Browser) {
    let database = Postgres::create().await;
    let one = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let two = Town::wired_to(&database.url).await;
    let expires = SystemClock.now().plus(Duration::from_secs(80 * 86_400)).to_string();
    let manifest = MANIFEST.replace("EXPIRES", &expires[..10]);
    let deployed = one.deploy(&[("bailiwick.toml", &manifest), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = two.person("ana@example.test", &["staff"]).await;
    let url = two.app("ticker");
    until("the other node serves it", || async { ana.open(&format!("{url}/")).await.status == 200 }).await;
    (one, two, ana)
}

fn ms(receipt: &Value, field: &str) -> i64 {
    receipt[field].as_str().unwrap().parse::<Timestamp>().unwrap().as_ms()
}

fn of_node<'a>(receipt: &'a Value, town: &Town) -> Vec<&'a Value> {
    let node = format!("town-{}", town.port);
    receipt["surfaces"].as_array().unwrap().iter().filter(|line| line["node"] == node.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_on_one_node_is_done_when_the_other_has_cut_it() {
    let (one, two, ana) = two().await;
    let (mut last, reading) = streaming(two.port, &ana);
    last.wait_for(|tick| *tick > 0).await.unwrap();
    let asked = Instant::now();
    let receipt = one.post("/api/v1/apps/ticker/revoke", json!({ "why": "both" })).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let receipt = receipt.json();
    assert_eq!(receipt["recorded"], true, "{receipt}");
    let lines = of_node(&receipt, &two);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["state"] == "dead"), "{receipt}");
    assert!(lines[0]["how"].as_str().unwrap().contains("said so"), "{receipt}");
    let off = ana.get(&format!("{}/", two.app("ticker"))).await;
    assert!(matches!(off.status, 403 | 410), "{off:?}");
    let tick = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the stream ends").unwrap();
    assert!(tick > 0 && tick <= ms(&receipt, "done_at"), "a byte of {tick} after {receipt}");
    // The receipt is an event, whole.
    let done = receipt["done_event"].as_str().unwrap();
    let event = one.get(&format!("/api/v1/events/{done}")).await.json();
    assert_eq!(event["action"], "app.revoke.done", "{event}");
    assert_eq!(event["detail"]["surfaces"], receipt["surfaces"], "{event}");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_database_stops_within_two_seconds() {
    let (one, two, ana) = two().await;
    let url = format!("{}/", two.app("ticker"));
    let (mut last, reading) = streaming(two.port, &ana);
    last.wait_for(|tick| *tick > 0).await.unwrap();
    let silenced = SystemClock.now().as_ms();
    two.cable.as_ref().unwrap().silence();
    let asked = Instant::now();
    let receipt = one.post("/api/v1/apps/ticker/revoke", json!({ "why": "one of them is cut off" })).await.json();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let lines = of_node(&receipt, &two);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["state"] == "dead"), "{receipt}");
    assert!(lines[0]["how"].as_str().unwrap().contains("ran out"), "{receipt}");
    let tick = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the stream ends").unwrap();
    assert!(tick <= silenced + 2_000, "{} ms after the cut", tick - silenced);
    assert!(tick <= ms(&receipt, "done_at"), "a byte of {tick} after {receipt}");
    let cut_off = ana.send("GET", &url, &[("accept", "application/json")], b"").await;
    assert_eq!((cut_off.status, cut_off.json()["code"].as_str()), (503, Some("node.cut_off")), "{cut_off:?}");
    // Back again, it has first done what it missed.
    two.cable.as_ref().unwrap().mend();
    until("the node has its lease again", || async { ana.get(&url).await.status != 503 }).await;
    let off = ana.get(&url).await;
    assert!(matches!(off.status, 403 | 410), "{off:?}");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_only_one_node_knows_is_not_told_as_dead_on_the_other() {
    let (one, two, _ana) = two().await;
    // The wired one loses its database; what it cuts stands in its journal.
    two.cable.as_ref().unwrap().snap();
    let receipt = two.post("/api/v1/apps/ticker/revoke", json!({ "why": "alone" })).await.json();
    assert_eq!((&receipt["recorded"], &receipt["kept"]), (&json!(false), &json!("journal")), "{receipt}");
    let lines = of_node(&receipt, &one);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["state"] == "expiring"), "{receipt}");
    two.cable.as_ref().unwrap().mend();
    let state =
        || async { one.get("/api/v1/apps/ticker").await.json()["app"]["environments"][0]["state"] == "revoked" };
    until("the other node hears of it", state).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_switched_off_on_one_node_is_off_on_the_other_when_it_is_said() {
    let (one, two, ana) = two().await;
    let url = format!("{}/", two.app("ticker"));
    let (mut last, reading) = streaming(two.port, &ana);
    last.wait_for(|tick| *tick > 0).await.unwrap();
    let disabled = one.post("/api/v1/people/disable", json!({ "email": "ana@example.test" })).await;
    let said = SystemClock.now().as_ms();
    assert_eq!(disabled.status, 200, "{disabled:?}");
    assert_ne!(ana.get(&url).await.status, 200);
    let tick = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the stream ends").unwrap();
    assert!(tick > 0 && tick <= said, "a byte of {tick} after {said}");

    // Signing out of the console ends what came from it, everywhere.
    let bo = two.person("bo@example.test", &["staff"]).await;
    assert_eq!(bo.open(&url).await.status, 200);
    let out = bo.post(&format!("{}/sign-out", two.url()), &[]).await;
    assert!(matches!(out.status, 200 | 303), "{out:?}");
    assert_ne!(bo.get(&url).await.status, 200);

    let cy = two.person("cy@example.test", &["staff"]).await;
    assert_eq!(cy.open(&url).await.status, 200);
    let retired = one.post("/api/v1/apps/ticker/retire", json!({})).await;
    assert_eq!(retired.status, 200, "{retired:?}");
    assert_eq!(cy.get(&url).await.status, 410);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_waits_for_a_node_that_lost_its_database_until_it_serves_nothing() {
    let (one, two, ana) = two().await;
    let url = format!("{}/", two.app("ticker"));
    two.cable.as_ref().unwrap().silence();
    let asked = Instant::now();
    let disabled = one.post("/api/v1/people/disable", json!({ "email": "ana@example.test" })).await;
    assert_eq!(disabled.status, 200, "{disabled:?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(ana.get(&url).await.status, 503);
    two.cable.as_ref().unwrap().mend();
    until("the node has its lease again", || async { ana.get(&url).await.status != 503 }).await;
    assert_ne!(ana.get(&url).await.status, 200);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_of_one_name_are_refused() {
    let database = Postgres::create().await;
    let one = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let refused = Town::refused(&database.url, &format!("town-{}", one.port)).await;
    assert_eq!(refused.code, "node.name_taken", "{refused}");
    one.stop().await;
}
