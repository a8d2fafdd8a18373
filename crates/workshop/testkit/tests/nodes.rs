//! Two nodes on one database: what is switched off on one is off on the other before the receipt says so, and a node
//! that has lost its database stops within two seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use server::{Bailiwick, Overrides, Settings};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use testkit::{Browser, Disk, Postgres, Town, manifest, streaming, until};
use tokio::task::JoinHandle;

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
    two_at(&Postgres::create().await).await
}

async fn two_at(database: &Postgres) -> (Town, Town, Browser) {
    let one = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let two = Town::wired_to(&database.url).await;
    let text = manifest("ticker", "");
    let deployed = one.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await;
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
    let (mut so_far, reading) = streaming(two.port, &ana);
    so_far.wait_for(|streamed| streamed.made > 0).await.unwrap();
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
    let streamed = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the stream ends").unwrap();
    streamed.ended_by(ms(&receipt, "done_at"), &receipt.to_string());
    // The receipt is an event, whole.
    let done = receipt["done_event"].as_str().unwrap();
    let event = one.get(&format!("/api/v1/events/{done}")).await.json();
    assert_eq!(event["action"], "app.revoke.done", "{event}");
    assert_eq!(event["detail"]["surfaces"], receipt["surfaces"], "{event}");
    // Its page says why, on either node.
    let operator = two.person("op@example.test", &["operators"]).await;
    let page = operator.open(&format!("{}/apps/ticker/receipts/latest", two.url())).await;
    assert!(page.status == 200 && page.text().contains("<dd>both</dd>"), "{page:?}");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_database_is_silent_says_so_at_once() {
    let town = Town::wired().await;
    until("it is ready", || async { town.get("/readyz").await.status == 200 }).await;
    town.cable.as_ref().unwrap().silence();
    // An answer of the database is waited for ten seconds and more elsewhere.
    let asked = tokio::time::timeout(Duration::from_secs(8), town.get("/readyz")).await.expect("an answer");
    assert_eq!(asked.status, 503, "{asked:?}");
    assert!(asked.text().contains("the database is silent"), "{asked:?}");
    town.cable.as_ref().unwrap().mend();
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_database_stops_within_two_seconds() {
    let (one, two, ana) = two().await;
    let url = format!("{}/", two.app("ticker"));
    let (mut so_far, reading) = streaming(two.port, &ana);
    so_far.wait_for(|streamed| streamed.made > 0).await.unwrap();
    let silenced = SystemClock.now().as_ms();
    two.cable.as_ref().unwrap().silence();
    let asked = Instant::now();
    let receipt = one.post("/api/v1/apps/ticker/revoke", json!({ "why": "one of them is cut off" })).await.json();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let lines = of_node(&receipt, &two);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["state"] == "dead"), "{receipt}");
    assert!(lines[0]["how"].as_str().unwrap().contains("ran out"), "{receipt}");
    let streamed = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the stream ends").unwrap();
    streamed.ended_by(silenced + 2_000, "two seconds after the cut");
    streamed.ended_by(ms(&receipt, "done_at"), &receipt.to_string());
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

/// Somebody goes on renewing the lease of this node in its stead.
fn renewed(database: &Postgres, node: &str) -> JoinHandle<()> {
    let (database, node) = (Postgres { url: database.url.clone() }, node.to_owned());
    tokio::spawn(async move {
        loop {
            database.lease(&node, Duration::from_secs(60)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
}

/// The state of the app, as this node knows it.
async fn state(town: &Town) -> Value {
    town.get("/api/v1/apps/ticker").await.json()["app"]["environments"][0]["state"].clone()
}

/// The lines of a receipt's event are what it came to: none that is still open.
fn is_whole(done: &Value) -> bool {
    let lines = done["detail"]["surfaces"].as_array().unwrap_or_else(|| panic!("{done}"));
    !lines.is_empty() && lines.iter().all(|line| line["state"] == "dead")
}

/// Whoever presses the switch sees what is dead while another node is waited for, and then the rest; whoever asks the
/// API waits.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_receipt_fills_in() {
    let database = Postgres::create().await;
    let (one, two, _ana) = two_at(&database).await;
    let op = one.person("op@example.test", &["operators"]).await;
    // It is not heard any more, and has a lease for as long as this takes.
    let silent = format!("town-{}", two.port);
    two.cable.as_ref().unwrap().silence();
    let renewing = renewed(&database, &silent);

    let mut asking = Box::pin(one.post("/api/v1/apps/ticker/revoke", json!({ "why": "in a terminal" })));
    let pressing = async {
        until("it is cut", async || state(&one).await == "revoked").await;
        let form = [("app", "ticker"), ("why", "on a page")];
        let pressed = op.post(&format!("{}/switch", one.url()), &form).await;
        assert_eq!(pressed.status, 303, "{pressed:?}");
        let at = format!("{}{}", one.url(), pressed.header("location").unwrap());
        (op.get(&at).await, at)
    };
    let (page, at) = tokio::select! {
        seen = pressing => seen,
        answer = &mut asking => panic!("whoever asked first has waited, and the page is not there: {answer:?}"),
    };
    assert_eq!((page.status, page.header("refresh")), (200, Some("2")), "{page:?}");
    let text = page.text();
    assert!(text.contains("<dd>on a page</dd>") && text.contains("op@example.test"), "{text}");
    assert!(text.contains("has not said so yet") && text.contains("are still dying"), "{text}");
    let open = |text: &str| text.matches("state-expiring").count();
    assert!(open(&text) > 0 && text.contains("state-dead"), "{text}");

    let receipt = asking.await.json();
    let lines = of_node(&receipt, &two);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["state"] == "expiring"), "{receipt}");
    assert_eq!(receipt["recorded"], true, "{receipt}");
    assert!(one.events("app.revoke.done").await.is_empty(), "no receipt is final while a node may serve");
    let latest = op.get(&format!("{}/apps/ticker/receipts/latest", one.url())).await;
    assert!(latest.header("refresh").is_some() && latest.text().contains("<dd>on a page</dd>"), "{latest:?}");

    renewing.abort();
    assert!(renewing.await.unwrap_err().is_cancelled());
    database.lease(&silent, Duration::ZERO).await;
    until("the page looks no more", async || op.get(&at).await.header("refresh").is_none()).await;
    let text = op.get(&at).await.text();
    assert!(open(&text) == 0 && text.contains("lease ran out") && text.contains("Every surface was dead"), "{text}");
    let first = format!("/api/v1/events/{}", receipt["done_event"].as_str().unwrap());
    until("the first receipt is written too", async || one.get(&first).await.status == 200).await;
    let done = one.events("app.revoke.done").await;
    assert!(done.len() == 2 && done.iter().all(is_whole), "{done:?}");
    two.cable.as_ref().unwrap().mend();
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_only_one_node_knows_is_not_told_as_dead_on_the_other() {
    let (one, two, _ana) = two().await;
    let op = two.person("op@example.test", &["operators"]).await;
    // The wired one loses its database; what it cuts stands in its journal.
    two.cable.as_ref().unwrap().snap();
    let receipt = two.post("/api/v1/apps/ticker/revoke", json!({ "why": "alone" })).await.json();
    assert_eq!((&receipt["recorded"], &receipt["kept"]), (&json!(false), &json!("journal")), "{receipt}");
    let lines = of_node(&receipt, &one);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["state"] == "expiring"), "{receipt}");
    let at = |town: &Town| format!("{}/apps/ticker/receipts/{}", town.url(), receipt["event"].as_str().unwrap());
    let page = op.get(&at(&two)).await;
    assert!(page.header("refresh").is_some() && page.text().contains("cannot be written"), "{page:?}");
    assert!(page.text().contains("cannot have heard of it"), "{page:?}");
    // What is promised outlives the process.
    two.cable.as_ref().unwrap().mend();
    let two = two.crash(Disk::Room).await;
    until("the other node hears of it", async || state(&one).await == "revoked").await;
    // What it came to is written once the other has said so, not with what was known before.
    let done = format!("/api/v1/events/{}", receipt["done_event"].as_str().unwrap());
    until("the receipt is written", async || one.get(&done).await.status == 200).await;
    let done = one.get(&done).await.json();
    assert!(is_whole(&done), "{done}");
    let page = op.get(&at(&two)).await;
    assert!(page.header("refresh").is_none() && page.text().contains("<dd>alone</dd>"), "{page:?}");
    one.stop().await;
    two.stop().await;
}

/// Nobody saw it when the cut was made, and it served what it could not have heard of.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_tells_of_a_node_that_began_while_its_cut_waited() {
    let database = Postgres::create().await;
    let one = Town::wired_to(&database.url).await;
    let deployed = one.deploy(&[("bailiwick.toml", &manifest("ticker", "")), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    one.cable.as_ref().unwrap().snap();
    let receipt = one.post("/api/v1/apps/ticker/revoke", json!({ "why": "alone" })).await.json();
    assert_eq!((&receipt["recorded"], &receipt["kept"]), (&json!(false), &json!("journal")), "{receipt}");
    let lines = receipt["surfaces"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["state"] == "expiring"), "nobody knows who begins to serve: {receipt}");

    let two = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let (ana, url) = (two.person("ana@example.test", &["staff"]).await, format!("{}/", two.app("ticker")));
    until("it serves the app", async || ana.open(&url).await.status == 200).await;
    let served = SystemClock.now().as_ms();
    one.cable.as_ref().unwrap().mend();
    let done = format!("/api/v1/events/{}", receipt["done_event"].as_str().unwrap());
    until("the receipt is written", async || two.get(&done).await.status == 200).await;
    let done = two.get(&done).await.json();
    let lines = of_node(&done["detail"], &two);
    assert!(is_whole(&done) && !lines.is_empty(), "{done}");
    assert!(lines.iter().all(|line| ms(line, "dead_at") >= served), "it served at {served}: {done}");
    assert_ne!(ana.get(&url).await.status, 200);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_switched_off_on_one_node_is_off_on_the_other_when_it_is_said() {
    let (one, two, ana) = two().await;
    let url = format!("{}/", two.app("ticker"));
    let (mut so_far, reading) = streaming(two.port, &ana);
    so_far.wait_for(|streamed| streamed.made > 0).await.unwrap();
    let disabled = one.post("/api/v1/people/disable", json!({ "email": "ana@example.test" })).await;
    let said = SystemClock.now().as_ms();
    assert_eq!(disabled.status, 200, "{disabled:?}");
    assert_ne!(ana.get(&url).await.status, 200);
    let streamed = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the stream ends").unwrap();
    streamed.ended_by(said, "they were switched off");

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

/// It has a lease and is not heard: it may go on by what it knew, and whoever took authority away is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_has_not_done_is_not_told_as_done_everywhere() {
    let database = Postgres::create().await;
    let (one, two, _ana) = two_at(&database).await;
    one.person("bo@example.test", &["staff"]).await;
    let disabled = one.post("/api/v1/people/disable", json!({ "email": "ana@example.test" })).await.json();
    assert_eq!((&disabled["recorded"], &disabled["everywhere"]), (&json!(true), &json!(true)), "{disabled}");

    let silent = format!("town-{}", two.port);
    two.cable.as_ref().unwrap().silence();
    let renewing = renewed(&database, &silent);
    let (disabled, retired) = tokio::join!(
        one.post("/api/v1/people/disable", json!({ "email": "bo@example.test" })),
        one.post("/api/v1/apps/ticker/retire", json!({})),
    );
    let (disabled, retired) = (disabled.json(), retired.json());
    assert_eq!((&disabled["recorded"], &disabled["everywhere"]), (&json!(true), &json!(false)), "{disabled}");
    assert_eq!(retired["everywhere"], false, "{retired}");

    renewing.abort();
    assert!(renewing.await.unwrap_err().is_cancelled());
    two.cable.as_ref().unwrap().mend();
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_waits_for_a_node_that_lost_its_database_until_it_serves_nothing() {
    let (one, two, ana) = two().await;
    let url = format!("{}/", two.app("ticker"));
    let op = two.person("op@example.test", &["operators"]).await;
    let ola = two.person("ola@example.test", &["operators"]).await;
    two.person("bo@example.test", &["staff"]).await;
    let people = format!("{}/api/v1/people", two.url());
    assert_eq!(op.get(&people).await.status, 200);
    two.cable.as_ref().unwrap().silence();
    for email in ["ana@example.test", "op@example.test"] {
        let asked = Instant::now();
        let disabled = one.post("/api/v1/people/disable", json!({ "email": email })).await;
        assert_eq!(disabled.status, 200, "{disabled:?}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
    assert_eq!(ana.get(&url).await.status, 503);
    // It does not know of that, and does not answer by what it knew.
    let refused = op.get(&people).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("node.cut_off")), "{refused:?}");
    // Whoever takes authority away is not kept from it.
    let (from_here, bo) = ([("sec-fetch-site", "same-origin")], json!({ "email": "bo@example.test" }).to_string());
    let disabled = ola.send("POST", &format!("{people}/disable"), &from_here, bo.as_bytes()).await;
    assert_eq!((disabled.status, &disabled.json()["recorded"]), (200, &json!(false)), "{disabled:?}");
    two.cable.as_ref().unwrap().mend();
    until("the node has its lease again", || async { ana.get(&url).await.status != 503 }).await;
    assert_ne!(ana.get(&url).await.status, 200);
    until("it knows who was switched off", async || op.get(&people).await.status == 401).await;
    until("what it took away is on the record", async || one.events("person.disable").await.len() == 3).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_do_what_the_feed_says_serves_nothing_until_it_can() {
    let database = Postgres::create().await;
    let one = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let app = |says: &str| format!("export default {{ fetch() {{ return new Response('{says}'); }} }};");
    let text = manifest("ticker", "");
    let deploy = async |says: &str| {
        let deployed = one.deploy(&[("bailiwick.toml", &text), ("app.js", &app(says))]).await;
        assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    };
    deploy("first").await;
    let (as_guest, guest) = database.guest().await;
    let two = Town::at(Some(&as_guest), "", "", Arc::new(SystemClock)).await;
    let (ana, bo) = (two.person("ana@example.test", &["staff"]).await, one.person("bo@example.test", &["staff"]).await);
    let (on_one, on_two) = (format!("{}/", one.app("ticker")), format!("{}/", two.app("ticker")));
    until("both serve it", async || ana.open(&on_two).await.status == 200 && bo.open(&on_one).await.status == 200)
        .await;

    // What it would have to read again, it cannot: what it serves by is of before.
    database.hide("deployments", &guest).await;
    deploy("second").await;
    until("it gives its lease up", async || ana.get(&on_two).await.status == 503).await;
    let cut_off = ana.send("GET", &on_two, &[("accept", "application/json")], b"").await;
    assert_eq!((cut_off.status, cut_off.json()["code"].as_str()), (503, Some("node.cut_off")), "{cut_off:?}");
    let served = bo.get(&on_one).await;
    assert_eq!((served.status, served.text().as_str()), (200, "second"), "the other serves: {served:?}");
    // Nobody waits for it: its lease has run out in the database as well.
    let receipt = one.post("/api/v1/apps/ticker/revoke", json!({ "why": "one of them is stuck" })).await.json();
    let lines = of_node(&receipt, &two);
    assert!(lines.iter().all(|line| line["state"] == "dead"), "{receipt}");
    assert!(!receipt["done_at"].is_null(), "{receipt}");

    database.show("deployments", &guest).await;
    until("it serves again", async || ana.get(&on_two).await.status != 503).await;
    let off = ana.get(&on_two).await;
    assert!(matches!(off.status, 403 | 410), "it has done what it missed: {off:?}");
    one.stop().await;
    two.stop().await;
}

/// What the system does by itself goes on, on a node that may write.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_serves_nothing_leads_no_job() {
    let database = Postgres::create().await;
    // It makes the tables.
    drop(Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await.stop().await);
    let (as_guest, guest) = database.guest().await;
    let one = Town::at(Some(&as_guest), "", "", Arc::new(SystemClock)).await;
    one.after("app-jobs").await;
    one.after("notices").await;
    let two = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    until("it is ready", async || two.get("/readyz").await.status == 200).await;
    assert_eq!((two.ended("app-jobs").await, two.ended("notices").await), (0, 0), "the first one leads");

    database.hide("deployments", &guest).await;
    let deployed = two.deploy(&[("bailiwick.toml", &manifest("ticker", "")), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    for job in ["app-jobs", "notices"] {
        until("the other leads", async || two.ended(job).await > 0).await;
    }
    let led = one.ended("app-jobs").await;
    two.after("app-jobs").await;
    assert_eq!(one.ended("app-jobs").await, led, "one of them leads");
    database.show("deployments", &guest).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_version_says_in_words_of_its_own_is_read_all_the_same() {
    let database = Postgres::create().await;
    let town = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let deployed = town.deploy(&[("bailiwick.toml", &manifest("ticker", "")), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let team = async || town.get("/api/v1/apps/ticker").await.json()["app"]["team"].clone();
    assert_eq!(team().await, "people-ops");
    database.said_by_tomorrow().await;
    until("it is read", async || team().await == "tomorrow").await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_gave_its_lease_back_serves_nothing() {
    let (database, folder) = (Postgres::create().await, tempfile::tempdir().unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let file = folder.path().join("config.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\ndatabase = \"{}\"\n[seal]\nroot = \"file:{}\"\n",
        database.url,
        testkit::root_key_file().display()
    );
    std::fs::write(&file, text).unwrap();
    let settings = Settings::read(folder.path().join("data"), Some(&file), &Overrides::default()).unwrap();
    let (server, running) = Bailiwick::start(settings, Arc::new(SystemClock)).await.unwrap();
    let listening = tokio::spawn(async move { server.listen(listener, std::future::pending()).await });
    let ask = async || {
        let url = format!("http://nobody.localhost:{port}/");
        Browser::new(port).send("GET", &url, &[("accept", "application/json")], b"").await
    };
    assert_ne!(ask().await.json()["code"], "node.cut_off");
    running.stop().await;
    // The lease would have run for two seconds more, and others wait for this node no longer.
    let asked = ask().await;
    assert_eq!(asked.json()["code"], "node.cut_off", "{asked:?}");
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_of_one_name_are_refused() {
    let database = Postgres::create().await;
    let one = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let refused = Town::refused(&database.url, &format!("town-{}", one.port)).await;
    assert_eq!(refused.code, "node.name_taken", "{refused}");
    assert!(one.events("record.gap").await.is_empty(), "who is refused writes nothing: the other runs on");
    one.stop().await;
}
