//! Cuts when nothing can be recorded: they hold at once, over a crash, and their record comes when it can.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};
use std::{
    io::Cursor,
    time::{Duration, Instant},
};
use testkit::{Answer, Disk, Engine, Town, until};

async fn deployed(town: &Town) {
    let answer = town.deploy_template("tinypoll", "tinypoll").await;
    assert_eq!(answer.json()["status"], "live", "{answer:?}");
}

async fn revoke(town: &Town) -> Value {
    let receipt = town.post("/api/v1/apps/tinypoll/revoke", json!({ "why": "canary: it leaks" })).await;
    assert_eq!(receipt.status, 200, "{receipt:?}");
    receipt.json()
}

fn is_off(answer: &Answer) {
    assert!(matches!(answer.status, 403 | 410), "{answer:?}");
    assert!(answer.header("clear-site-data").is_some(), "{answer:?}");
}

async fn until_ready(town: &Town) {
    until("nothing waits for its record", || async { town.get("/readyz").await.status == 200 }).await;
}

/// The promised events are there, late, and the record proves them: where other nodes may be, the receipt's own comes
/// once it is known what became of them.
async fn promised(town: &Town, receipt: &Value) {
    let at = |field: &str| format!("/api/v1/events/{}", receipt[field].as_str().unwrap());
    let event = town.get(&at("event")).await;
    assert_eq!(event.status, 200, "{event:?}");
    let event = event.json();
    assert_eq!((&event["action"], &event["why"]), (&json!("app.revoke"), &json!("canary: it leaks")), "{event}");
    assert!(event["detail"]["written_late_at"].is_string(), "{event}");
    assert!(event["timestamp"].as_str() >= receipt["asked_at"].as_str(), "{event}");
    until("its receipt is on the record", async || town.get(&at("done_event")).await.status == 200).await;
    let done = town.get(&at("done_event")).await.json();
    assert_eq!((&done["action"], &done["detail"]["event"]), (&json!("app.revoke.done"), &receipt["event"]), "{done}");
    let lines = done["detail"]["surfaces"].as_array().unwrap();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["state"] == "dead"), "{done}");
    let verdict = ledger::verify_export(Cursor::new(&town.export().await), &ledger::Options::default()).unwrap();
    assert!(verdict.ok, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_goes_on_when_its_asker_hangs_up() {
    let town = Town::wired().await;
    deployed(&town).await;
    let cable = town.cable.as_ref().unwrap();
    cable.silence();
    let asked = revoke(&town);
    let hung_up = tokio::time::timeout(Duration::from_millis(500), asked).await;
    assert!(hung_up.is_err(), "nothing could be recorded: {hung_up:?}");
    cable.mend();
    until("its receipt is on the record", async || town.events("app.revoke.done").await.len() == 1).await;
    let events = town.events("app.revoke").await;
    assert_eq!((events.len(), &events[0]["why"]), (1, &json!("canary: it leaks")), "{events:?}");
    let done = &town.events("app.revoke.done").await[0];
    let asked: model::Timestamp = done["detail"]["asked_at"].as_str().unwrap().parse().unwrap();
    let written: model::Timestamp = done["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(
        written.since(asked) < Duration::from_secs(15),
        "by whoever began it, not by the job of what is due: {done}"
    );
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_no_revoke_and_a_restart_brings_nothing_back() {
    let town = Town::start(Engine::Sqlite).await;
    deployed(&town).await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    let url = town.app("tinypoll");
    assert_eq!(ana.open(&format!("{url}/")).await.status, 200);

    let town = town.restart(Disk::Full).await;
    let refused = town.deploy_template("other", "tinypoll").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let receipt = revoke(&town).await;
    assert_eq!((&receipt["recorded"], &receipt["kept"]), (&json!(false), &json!("journal")), "{receipt}");
    assert!(receipt["surfaces"].as_array().unwrap().iter().all(|line| line["state"] == "dead"), "{receipt}");
    is_off(&ana.get(&format!("{url}/")).await);
    assert_eq!(town.get("/api/v1/apps/tinypoll").await.json()["app"]["environments"][0]["state"], "revoked");
    let ready = town.get("/readyz").await;
    let waits = |check: &Value| check["problem"]["code"] == "cuts.waiting";
    assert!(ready.status == 503 && ready.json()["checks"].as_array().unwrap().iter().any(waits), "{ready:?}");

    let town = town.crash(Disk::Full).await;
    is_off(&ana.get(&format!("{url}/")).await);
    let restored = town.post("/api/v1/apps/tinypoll/restore", json!({ "why": "too early" })).await;
    assert_eq!(restored.status, 503, "{restored:?}");

    let town = town.crash(Disk::Room).await;
    is_off(&ana.get(&format!("{url}/")).await);
    until_ready(&town).await;
    is_off(&ana.get(&format!("{url}/")).await);
    promised(&town, &receipt).await;
    let town = town.restart(Disk::Room).await;
    is_off(&ana.get(&format!("{url}/")).await);
    let restored = town.post("/api/v1/apps/tinypoll/restore", json!({ "why": "mended" })).await;
    assert_eq!(restored.status, 200, "{restored:?}");
    assert_eq!(ana.open(&format!("{url}/")).await.status, 200);
    town.stop().await;
}

/// How the database is lost: so that it is seen at once, or so that nothing is heard.
async fn a_lost_database_stops_no_cut(lose: fn(&testkit::Cable)) {
    let town = Town::wired().await;
    deployed(&town).await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    let ben = town.person("ben@example.test", &["staff"]).await;
    let url = town.app("tinypoll");
    assert_eq!(ana.open(&format!("{url}/")).await.status, 200);
    assert_eq!(ana.get(&town.url()).await.status, 200);

    lose(town.cable.as_ref().unwrap());
    let before = Instant::now();
    let receipt = revoke(&town).await;
    assert!(before.elapsed() < Duration::from_secs(6), "{:?}", before.elapsed());
    assert_eq!((&receipt["recorded"], &receipt["kept"]), (&json!(false), &json!("journal")), "{receipt}");
    // Two seconds after the database fell silent the node serves nothing at all.
    let off = ana.get(&format!("{url}/")).await;
    assert!(matches!(off.status, 403 | 410 | 503), "{off:?}");
    let disabled = town.post("/api/v1/people/disable", json!({ "email": "ana@example.test" })).await;
    assert_eq!((disabled.status, &disabled.json()["recorded"]), (200, &json!(false)), "{disabled:?}");
    assert_ne!(ana.get(&town.url()).await.status, 200);
    let left = ben.post(&format!("{}/sign-out", town.url()), &[]).await;
    assert_eq!(left.status, 303, "{left:?}");

    // A crash in between, and a start that finds the database again.
    town.cable.as_ref().unwrap().mend();
    let town = town.crash(Disk::Room).await;
    is_off(&ana.get(&format!("{url}/")).await);
    assert_eq!(ana.get(&town.url()).await.status, 401);
    until_ready(&town).await;
    promised(&town, &receipt).await;
    let disabled = disabled.json();
    let event = town.get(&format!("/api/v1/events/{}", disabled["event"].as_str().unwrap())).await.json();
    assert_eq!(event["action"], "person.disable", "{event}");
    let ended = town.get("/api/v1/events?action=session.end").await.json();
    assert_eq!(ended["events"].as_array().unwrap().len(), 1, "{ended}");
    let person = town.get("/api/v1/people").await.json();
    assert!(person["people"].as_array().unwrap().iter().any(|person| person["enabled"] == false), "{person}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_stops_no_cut() {
    a_lost_database_stops_no_cut(testkit::Cable::snap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_heard_stops_no_cut() {
    a_lost_database_stops_no_cut(testkit::Cable::silence).await;
}

/// Whoever presses the switch sees that the record waits, and then the event.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_receipt_waits_for_its_record() {
    let town = Town::wired().await;
    deployed(&town).await;
    let ola = town.person("ola@example.test", &["operators"]).await;
    assert_eq!(ola.get(&format!("{}/switch?app=tinypoll", town.url())).await.status, 200);
    let cable = town.cable.as_ref().unwrap();
    cable.snap();
    let pressed = ola.post(&format!("{}/switch", town.url()), &[("app", "tinypoll"), ("why", "it leaks")]).await;
    assert_eq!(pressed.status, 303, "{pressed:?}");
    let at = format!("{}{}", town.url(), pressed.header("location").unwrap());
    // Again and again: the record of those who look waits as well.
    for _ in 0..3 {
        let page = ola.get(&at).await;
        assert_eq!((page.status, page.header("refresh")), (200, Some("2")), "{page:?}");
        let text = page.text();
        assert!(text.contains("The record cannot be written") && text.contains("<dd>it leaks</dd>"), "{text}");
        assert!(text.contains("ola@example.test") && !text.contains("href=\"/record/"), "{text}");
    }
    cable.mend();
    until("it is recorded", async || ola.get(&at).await.header("refresh").is_none()).await;
    let event = at.rsplit('/').next().unwrap();
    let text = ola.get(&at).await.text();
    assert!(!text.contains("cannot be written") && text.contains(&format!("href=\"/record/{event}\"")), "{text}");
    until("who looked is recorded", async || town.events("receipt.read").await.len() > 3).await;
    town.stop().await;
}

/// Without a restart: the room returns, and so does the record.
#[tokio::test(flavor = "multi_thread")]
async fn the_record_comes_by_itself() {
    let town = Town::wired().await;
    deployed(&town).await;
    let cable = town.cable.as_ref().unwrap();
    cable.snap();
    let receipt = revoke(&town).await;
    assert_eq!(receipt["recorded"], false, "{receipt}");
    let again = revoke(&town).await;
    assert_eq!(
        (&again["event"], &again["done_event"]),
        (&receipt["event"], &receipt["done_event"]),
        "one cut, one event"
    );
    cable.mend();
    until_ready(&town).await;
    promised(&town, &receipt).await;
    let restored = town.post("/api/v1/apps/tinypoll/restore", json!({ "why": "mended" })).await;
    assert_eq!(restored.status, 200, "{restored:?}");
    town.stop().await;
}
