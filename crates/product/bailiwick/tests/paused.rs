//! A node that its machine pauses: the others do not wait for it longer than its lease, and when it goes on, it serves nothing
//! that was switched off meanwhile. And one that is told to stop finishes what it began.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{SystemClock, Timestamp};
use serde_json::json;
use std::{path::Path, sync::Arc, time::Duration};
use testkit::{Engine, Postgres, Process, Town, manifest, streaming, until};
use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");

/// What a node may send of the stream when it goes on: the one write that was under way. A line takes 19 bytes on the wire,
/// and what waits for a write goes with it.
const ONE_WRITE_BYTES: usize = 64;

/// Each line is the moment at which it was made; `/slow` takes its time.
const APP: &str = r#"
const later = (ms) => new Promise((done) => setTimeout(done, ms));
export default {
  async fetch(request) {
    const path = new URL(request.url).pathname;
    if (path === "/slow") { await later(1500); return new Response("whole"); }
    if (path !== "/stream") return new Response("ok");
    const encoder = new TextEncoder();
    return new Response(new ReadableStream({
      async pull(controller) { await later(5); controller.enqueue(encoder.encode(`${Date.now()}\n`)); },
    }));
  },
};
"#;

async fn signal(process: &Process, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.id().to_string()).status().await.unwrap();
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_node_holds_nobody_up_and_serves_nothing_that_was_switched_off() {
    let paused = Process::start(BINARY, Engine::Postgres, "", "warn").await;
    let database = paused.database.as_ref().unwrap().url.clone();
    let other = Town::at(Some(&database), "", "", Arc::new(SystemClock)).await;
    let text = manifest("ticker", "limits = { time = \"30s\", cpu = \"4s\" }");
    let deployed = other.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = paused.person("ana@example.test", &["staff"]).await;
    let url = format!("{}/", paused.app("ticker"));
    until("it serves the app", || async { ana.open(&url).await.status == 200 }).await;
    let (mut so_far, reading) = streaming(paused.port, &ana);
    so_far.wait_for(|streamed| streamed.made > 0).await.unwrap();

    signal(&paused, "STOP").await;
    let receipt = other.post("/api/v1/apps/ticker/revoke", json!({ "why": "while it sleeps" })).await.json();
    let lines = receipt["surfaces"].as_array().unwrap();
    let ran_out = lines.iter().filter(|line| line["how"].as_str().is_some_and(|how| how.contains("ran out")));
    assert_eq!(ran_out.count(), 1, "{receipt}");
    let done: Timestamp = receipt["done_at"].as_str().unwrap().parse().unwrap();

    // It led; the other does what the system does by itself.
    until("the record is ordered", async || other.events("app.revoke").await[0]["index"].is_u64()).await;
    other.after("app-jobs").await;

    // All that it sent before it slept has come long since.
    let before = *so_far.borrow();
    signal(&paused, "CONT").await;
    let streamed = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the stream ends").unwrap();
    assert!(streamed.made > 0 && streamed.made <= done.as_ms(), "{streamed:?} after {receipt}");
    let late = streamed.bytes - before.bytes;
    assert!(late <= ONE_WRITE_BYTES, "{late} bytes came once it went on: {before:?}, then {streamed:?}");
    // Until it has heard of it, it answers that it is cut off, or breaks off what was asked just then; never as before.
    let hearing = async {
        loop {
            match ana.attempt("GET", &url, &[], b"").await.map(|answer| answer.status) {
                Some(403 | 410) => return,
                status => assert!(matches!(status, None | Some(503)), "{status:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), hearing).await.expect("it hears of it");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_to_stop_finishes_what_it_began() {
    let mut process = Process::start(BINARY, Engine::Sqlite, "", "warn").await;
    let deployed = process.deploy(&[("bailiwick.toml", &manifest("ticker", "")), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = Arc::new(process.person("ana@example.test", &["staff"]).await);
    let url = process.app("ticker");
    assert_eq!(ana.open(&format!("{url}/")).await.status, 200);
    let slow = tokio::spawn({
        let (ana, url) = (Arc::clone(&ana), format!("{url}/slow"));
        async move { ana.get(&url).await }
    });
    // It is under way when the neighbour that came after it has been answered.
    assert_eq!(ana.get(&format!("{url}/")).await.status, 200);
    process.stop().await;
    let answer = slow.await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "whole"));
    assert!(ana.attempt("GET", &format!("{url}/"), &[], b"").await.is_none(), "nothing is let in any more");
}

/// Whatever runs longer than a stop waits is ended, and the record has it.
async fn ended_by_a_stop(engine: Engine) {
    let mut process = Process::start(BINARY, engine, "", "warn").await;
    let text = manifest("ticker", "limits = { time = \"30s\", cpu = \"4s\" }");
    let deployed = process.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = process.person("ana@example.test", &["staff"]).await;
    assert_eq!(ana.open(&format!("{}/", process.app("ticker"))).await.status, 200);
    let (mut so_far, reading) = streaming(process.port, &ana);
    so_far.wait_for(|streamed| streamed.made > 0).await.unwrap();
    process.stop().await;
    reading.await.unwrap();
    process.again().await;
    let used = process.events("app.use").await;
    let streamed = used.iter().filter(|event| event["detail"]["path"] == "/stream");
    assert_eq!(streamed.count(), 1, "{used:?}");
    let gaps = process.events("record.gap").await;
    assert!(gaps.is_empty(), "{gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_does_not_wait_for_is_ended_and_on_the_record() {
    tokio::join!(ended_by_a_stop(Engine::Sqlite), ended_by_a_stop(Engine::Postgres));
}

/// How often an act stands on the record.
async fn happened(town: &Process, action: &str) -> usize {
    town.events(action).await.len()
}

/// Whoever asked for a revoke waits until every node has said so. The node that waits is killed meanwhile: what the
/// revoke came to is written all the same, once, by the node itself or by another.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_written_when_the_node_that_waited_for_it_was_killed() {
    let database = Postgres::create().await;
    let binary = Path::new(BINARY);
    let (mut one, two) =
        (Process::node(binary, &database, "one", &[]).await, Process::node(binary, &database, "two", &[]).await);
    for (app, back) in [("first", true), ("second", false)] {
        let deployed = one.deploy(&[("bailiwick.toml", &manifest(app, "")), ("app.js", APP)]).await;
        assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
        let before = happened(&one, "app.revoke.done").await;
        // It does not say so, and its lease has not run out.
        signal(&two, "STOP").await;
        let path = format!("/api/v1/apps/{app}/revoke");
        let browser = one.browser();
        let asking = one.attempt(&browser, "POST", &path, br#"{"why":"in between"}"#);
        let revoked = async {
            until("the revoke stands", async || happened(&one, "app.revoke").await > before).await;
            signal(&one, "KILL").await;
        };
        let (answer, ()) = tokio::join!(asking, revoked);
        assert!(answer.is_none(), "{answer:?}");
        one.kill().await;
        signal(&two, "CONT").await;
        if back {
            one.again().await;
        }
        until("its receipt is written", async || happened(&two, "app.revoke.done").await > before).await;
        let done = two.events("app.revoke.done").await.remove(0);
        let lines = done["detail"]["surfaces"].as_array().unwrap();
        for node in ["one", "two"] {
            assert!(lines.iter().any(|line| line["node"] == node && line["state"] == "dead"), "{node}: {done}");
        }
        assert_eq!(
            (happened(&two, "app.revoke").await, happened(&two, "app.revoke.done").await),
            (before + 1, before + 1)
        );
    }
}
