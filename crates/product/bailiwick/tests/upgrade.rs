//! Nodes of two versions on one PostgreSQL: while the newer one migrates and runs, the older one serves and writes; what
//! one switches off is off on the other; nobody and no record is lost; the record is one record; and there is no way back
//! but a backup. On SQLite the newer one takes the older one's place.
//!
//! `cargo xtask long` builds the version before the newest migration. Without it, both are this version, and what is
//! tried is a restart one by one; the refusals need two, and are not asked for then.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests; what was skipped or measured is said"
)]

use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use testkit::{Browser, Engine, Machine, Postgres, Process, manifest, until, version_before};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
const APP: &str = r#"export default {
  async fetch(request, env) {
    await env.data.notes.insert({ text: "a note" });
    return Response.json({ count: await env.data.notes.count({}) });
  },
};"#;
const NOTES: &str = "[data.notes]\nretain = \"30d\"\nfields.text = { class = \"internal\" }";

/// Asks a node without a pause, and fails with the first thing that is not answered as it should be. How often it was
/// served.
async fn customers(town: &Process, ana: &Browser, over: &AtomicBool) -> usize {
    let (url, mut served) = (format!("{}/", town.app("first")), 0);
    while !over.load(Ordering::Acquire) {
        let answer = ana.get(&url).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let email = format!("customer{served}@example.test");
        let added = town.post("/api/v1/people", json!({ "email": email, "groups": ["staff"] })).await;
        assert_eq!(added.status, 200, "{added:?}");
        served += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    served
}

async fn deployed(town: &Machine, name: &str) {
    let deployed = town.deploy(&[("bailiwick.toml", &manifest(name, NOTES)), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
}

async fn serves(browser: &Browser, url: &str) {
    until(url, async || browser.open(url).await.status == 200).await;
}

/// Switched off through one node, it is off on the other when the receipt is there.
async fn revoked_through(one: &Process, other: (&Process, &Browser), app: &str) {
    let receipt = one.post(&format!("/api/v1/apps/{app}/revoke"), json!({ "why": "over there too" })).await.json();
    assert_eq!(receipt["recorded"], true, "{receipt}");
    let off = other.1.get(&format!("{}/", other.0.app(app))).await;
    assert!(matches!(off.status, 403 | 410), "{off:?}");
    let restored = other.0.post(&format!("/api/v1/apps/{app}/restore"), json!({ "why": "on again" })).await;
    assert_eq!(restored.status, 200, "{restored:?}");
}

/// The record, through this node, with what it remembers.
async fn verifies(town: &Process) -> u64 {
    let output = town.run(&["audit", "verify", "--json"]).await;
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!((output.status.code(), verdict["ok"].as_bool()), (Some(0), Some(true)), "{verdict}");
    verdict["size"].as_u64().unwrap()
}

/// How often an act stands in an export that verifies.
async fn happened(town: &Machine, action: &str) -> usize {
    town.recorded().await.iter().filter(|event| event["action"] == action).count()
}

/// Everybody is there, and everything that these apps have kept; and nothing without its event.
async fn keeps(town: &Machine, browser: &Browser, apps: &[&str]) {
    let mut kept = 0;
    for app in apps {
        let answer = browser.open(&format!("{}/", town.app(app))).await;
        kept += answer.json()["count"].as_u64().unwrap_or_else(|| panic!("{answer:?}"));
    }
    // What was kept just now is ordered a moment later.
    let ordered = async || happened(town, "data.write").await as u64 >= kept;
    until("every write is on the record", ordered).await;
    assert_eq!(happened(town, "data.write").await as u64, kept, "what apps keep, and the record of it");
    assert_eq!(happened(town, "person.add").await, town.whole("people").await.len(), "people, and the record of them");
}

/// Says so when there is no version before this one.
fn before() -> Option<PathBuf> {
    let before = version_before();
    if before.is_none() {
        eprintln!("skipped: the version before was not built (`cargo xtask long` does): both are this version");
    }
    before
}

#[tokio::test(flavor = "multi_thread")]
async fn one_version_takes_the_place_of_the_other_on_sqlite() {
    let before = before();
    let older = before.clone().unwrap_or_else(|| PathBuf::from(BINARY));
    let mut town = Process::start(older.to_str().unwrap(), Engine::Sqlite, "", "warn").await;
    deployed(&town, "first").await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    serves(&ana, &format!("{}/", town.app("first"))).await;
    keeps(&town, &ana, &["first"]).await;
    let size = verifies(&town).await;
    town.stop().await;
    town.replace(Path::new(BINARY));
    // It is killed while it comes.
    for within in [100, 300].map(Duration::from_millis) {
        if town.again_unless(within).await {
            town.kill().await;
        }
    }
    town.again().await;
    keeps(&town, &ana, &["first"]).await;
    deployed(&town, "second").await;
    keeps(&town, &ana, &["first", "second"]).await;
    assert!(verifies(&town).await > size);
    town.stop().await;
    if before.is_some() {
        town.replace(&older);
        no_way_back(&mut town).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_version_follows_the_other_on_one_database() {
    let (now, before) = (PathBuf::from(BINARY), before());
    let older_binary = before.clone().unwrap_or_else(|| now.clone());
    let database = Postgres::create().await;
    let mut older = Process::node(&older_binary, &database, "older", &[]).await;
    deployed(&older, "first").await;
    let ana = older.person("ana@example.test", &["staff"]).await;
    serves(&ana, &format!("{}/", older.app("first"))).await;

    // The newer one comes, is killed while it does, and comes again; nobody at the older one feels it.
    let (kills, over) = ([100, 300, 600, 1_200].map(Duration::from_millis), AtomicBool::new(false));
    let coming = async {
        let newer = Process::node(&now, &database, "newer", &kills).await;
        let bo = newer.person("bo@example.test", &["staff"]).await;
        serves(&bo, &format!("{}/", newer.app("first"))).await;
        over.store(true, Ordering::Release);
        (newer, bo)
    };
    let (served, (mut newer, bo)) = tokio::join!(customers(&older, &ana, &over), coming);
    assert!(served > 0);

    // Both write, and each serves what the other deployed.
    deployed(&newer, "second").await;
    deployed(&older, "third").await;
    serves(&ana, &format!("{}/", older.app("second"))).await;
    serves(&bo, &format!("{}/", newer.app("third"))).await;
    for app in ["first", "second", "third"] {
        serves(&ana, &format!("{}/", older.app(app))).await;
        serves(&bo, &format!("{}/", newer.app(app))).await;
        revoked_through(&older, (&newer, &bo), app).await;
        serves(&ana, &format!("{}/", older.app(app))).await;
        revoked_through(&newer, (&older, &ana), app).await;
        serves(&bo, &format!("{}/", newer.app(app))).await;
    }
    // Whoever leads the log, it is one.
    let (by_older, by_newer) = (verifies(&older).await, verifies(&newer).await);
    assert!(by_newer >= by_older, "{by_older}, then {by_newer}");
    assert_eq!(happened(&older, "app.revoke").await, 6);
    assert_eq!(happened(&newer, "app.revoke").await, 6);

    keeps(&older, &ana, &["first", "second", "third"]).await;

    // The older one stops, and does not come back; the newer one is alone.
    older.stop().await;
    if before.is_some() {
        no_way_back(&mut older).await;
    }
    deployed(&newer, "fourth").await;
    serves(&bo, &format!("{}/", newer.app("fourth"))).await;
    older.replace(Path::new(BINARY));
    older.again().await;
    serves(&ana, &format!("{}/", older.app("fourth"))).await;
    revoked_through(&older, (&newer, &bo), "fourth").await;
    newer.stop().await;
    if before.is_some() {
        newer.replace(&older_binary);
        no_way_back(&mut newer).await;
        newer.replace(&now);
    }
    newer.again().await;
    assert!(verifies(&newer).await > by_newer);
    assert_eq!(happened(&newer, "app.revoke").await, 7);
    assert_eq!(happened(&newer, "app.deploy").await, 4);
    // And ana, bo, and the first operator.
    assert_eq!(happened(&newer, "person.add").await, served + 3);
    keeps(&newer, &bo, &["first", "second", "third", "fourth"]).await;
}

/// It says why it does not start, and has changed nothing.
async fn no_way_back(town: &mut Process) {
    let said = town.refused().await;
    assert!(said.contains("store.newer") && said.contains("fix:"), "{said}");
}
