//! A database that does not continue what its node has seen: nothing of it is trusted with authority until an operator
//! says why. A crash never looks like that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::SystemClock;
use serde_json::json;
use std::{io::Cursor, sync::Arc, time::Duration};
use testkit::{DATABASE, Disk, Engine, Postgres, Town, copy_database, until};

/// Whether the database continues what the node has seen, as it says itself.
async fn continues(town: &Town) -> bool {
    let ready = town.get("/readyz").await;
    let checks = ready.json()["checks"].as_array().cloned().unwrap_or_default();
    let check = checks.iter().find(|check| check["check"] == "continuity").unwrap_or_else(|| panic!("{ready:?}"));
    assert!(check["ok"] == true || check["problem"]["code"] == "platform.recovering", "{ready:?}");
    check["ok"] == true
}

async fn state(town: &Town) -> String {
    let app = town.get("/api/v1/apps/tinypoll").await;
    app.json()["app"]["environments"][0]["state"].as_str().unwrap_or_else(|| panic!("{app:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_database_starts_recovering() {
    let kept = tempfile::tempdir().unwrap();
    let town = Town::start(Engine::Sqlite).await;
    assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.json()["status"], "live");
    let ana = town.person("ana@example.test", &["staff"]).await;
    let url = town.app("tinypoll");
    assert_eq!(ana.open(&format!("{url}/")).await.status, 200);
    let ben = town.post("/api/v1/people", json!({ "email": "ben@example.test", "groups": [] })).await.json();
    let town = town.changed(|data| copy_database(data, kept.path())).await;
    assert!(continues(&town).await, "as it was");
    town.person("cleo@example.test", &["staff"]).await;
    let town = town.changed(|data| copy_database(kept.path(), data)).await;

    // Status and the record are answered, nothing else is.
    assert!(!continues(&town).await);
    assert_eq!(town.get("/healthz").await.status, 200);
    assert_eq!(town.get("/api/v1/whoami").await.status, 200);
    let app = ana.get(&format!("{url}/")).await;
    assert_eq!(app.status, 503, "{app:?}");
    assert!(app.text().contains("recovering"), "{app:?}");
    assert_eq!(ana.get(&town.url()).await.status, 503);
    assert_eq!(ana.get(ben["link"].as_str().unwrap()).await.status, 503);
    for (method, path) in
        [("GET", "/api/v1/apps"), ("POST", "/api/v1/apps/tinypoll/restore"), ("POST", "/api/v1/people")]
    {
        let refused = town.machine(method, path, b"{}").await;
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (503, Some("platform.recovering")),
            "{refused:?}"
        );
    }
    let verdict = ledger::verify_export(Cursor::new(&town.export().await), &ledger::Options::default()).unwrap();
    assert!(verdict.ok, "{verdict:?}");

    // It stays so over a restart, until somebody who may says why.
    let town = town.restart(Disk::Room).await;
    assert!(!continues(&town).await);
    assert_eq!(
        ana.send(
            "POST",
            &format!("{}/api/v1/recover", town.url()),
            &[("sec-fetch-site", "same-origin")],
            b"{\"why\":\"x\"}"
        )
        .await
        .status,
        401
    );
    assert_eq!(town.post("/api/v1/recover", json!({ "why": " " })).await.status, 400);
    let accepted = town.post("/api/v1/recover", json!({ "why": "the disk was lost" })).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    let accepted = accepted.json();
    let log = &accepted["logs"][0];
    assert_ne!(log["kept"]["root"], log["found"]["root"], "{accepted}");
    let event = town.get(&format!("/api/v1/events/{}", accepted["event"].as_str().unwrap())).await.json();
    assert_eq!((&event["action"], &event["why"]), (&json!("platform.recover"), &json!("the disk was lost")), "{event}");
    assert_eq!(event["detail"]["logs"][0], *log, "both heads");
    let behind = town.get("/api/v1/events?action=record.behind").await.json();
    assert_eq!(behind["events"].as_array().unwrap().len(), 2, "{behind}");

    // What was issued before is void; each app is restored by itself.
    assert!(continues(&town).await);
    assert_eq!(state(&town).await, "revoked");
    assert_eq!(ana.get(&town.url()).await.status, 401, "her session is void");
    assert_eq!(ana.get(ben["link"].as_str().unwrap()).await.status, 410, "his link is void");
    let restored = town.post("/api/v1/apps/tinypoll/restore", json!({ "why": "looked at" })).await;
    assert_eq!(restored.status, 200, "{restored:?}");
    let town = town.restart(Disk::Room).await;
    assert!(continues(&town).await, "accepted once");
    let ana = town.person("ana@example.test", &[]).await;
    assert_eq!(ana.open(&format!("{url}/")).await.status, 200);
    assert_eq!(town.post("/api/v1/recover", json!({ "why": "again" })).await.status, 409);
    town.stop().await;
}

/// How far the record went that the node has kept.
fn kept_size(town: &Town) -> u64 {
    let note = std::fs::read_to_string(town.data.join("checkpoints").join(hex::encode("main"))).unwrap();
    size(&note)
}

/// Of a checkpoint.
fn size(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// Nothing of it goes through the change feed, whose position could tell as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_put_back_under_a_running_node_is_noticed_by_the_record_alone() {
    let database = Postgres::create().await;
    let town = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.json()["status"], "live");
    let ana = town.person("ana@example.test", &["staff"]).await;
    let url = format!("{}/", town.app("tinypoll"));
    assert_eq!(ana.open(&url).await.status, 200);
    until("the record was kept", async || kept_size(&town) > 5).await;
    database.keep().await;
    // At least as far as the copy goes: the node keeps a checkpoint a little after the database has it.
    let then = size(&town.get("/log/main/checkpoint").await.text());
    until("the record goes on", async || ana.get(&url).await.status == 200 && kept_size(&town) > then + 2).await;
    database.put_back().await;
    until("it is noticed", async || ana.get(&url).await.status == 503 && !continues(&town).await).await;
    let known = kept_size(&town);
    assert!(known > then + 2, "what the node has seen stays: {known}");

    let accepted = town.post("/api/v1/recover", json!({ "why": "Tuesday's copy" })).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    assert_eq!(accepted.json()["logs"][0]["kept"]["size"], known, "{accepted:?}");
    assert!(continues(&town).await);
    assert_eq!(state(&town).await, "revoked");
    let town = town.restart(Disk::Room).await;
    assert!(continues(&town).await, "accepted once");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_in_the_place_of_one_that_was_seen_starts_recovering() {
    let town = Town::start(Engine::Sqlite).await;
    town.person("ana@example.test", &["staff"]).await;
    let town = town.changed(|data| DATABASE.iter().for_each(|file| drop(std::fs::remove_file(data.join(file))))).await;
    assert!(!continues(&town).await);
    town.stop().await;
}

/// Whatever was under way.
async fn a_crash_never_looks_like_a_restore(engine: Engine) {
    let mut town = Town::start(engine).await;
    for round in 0..rounds() {
        for n in 0..=round % 4 {
            let added =
                town.post("/api/v1/people", json!({ "email": format!("p{round}.{n}@example.test"), "groups": [] }));
            // The last one is still on its way when the crash comes.
            if n == round % 4 {
                drop(tokio::time::timeout(Duration::from_millis(u64::from(round % 7)), added).await);
            } else {
                assert_eq!(added.await.status, 200);
            }
        }
        town = town.crash(Disk::Room).await;
        assert!(continues(&town).await, "round {round}");
    }
    let verdict = ledger::verify_export(Cursor::new(&town.export().await), &ledger::Options::default()).unwrap();
    assert!(verdict.ok, "{verdict:?}");
    town.stop().await;
}

#[expect(clippy::disallowed_methods, reason = "the one place of this suite that asks how many rounds")]
fn rounds() -> u32 {
    std::env::var("BAILIWICK_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(8).min(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_never_looks_like_a_restore_on_sqlite() {
    a_crash_never_looks_like_a_restore(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_never_looks_like_a_restore_on_postgres() {
    a_crash_never_looks_like_a_restore(Engine::Postgres).await;
}
