//! Searches of the record that are kept under a name, and exports that say how far they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};
use std::io::Cursor;
use testkit::{Browser, Engine, Town};

async fn text(browser: &Browser, town: &Town, path: &str) -> String {
    let page = browser.get(&format!("{}{path}", town.url())).await;
    assert_eq!(page.status, 200, "{path}: {page:?}");
    page.text()
}

async fn queries(town: &Town) -> Vec<Value> {
    town.get("/api/v1/queries").await.json()["queries"].as_array().unwrap().clone()
}

/// One's own and shared ones, on the page and in the API; each keeping and forgetting is an event.
async fn kept(engine: Engine) {
    let town = Town::start(engine).await;
    town.deploy_template("lunch", "tinypoll").await;
    let ola = town.person("ola@example.test", &["operators"]).await;
    let ann = town.person("ann@example.test", &["auditors"]).await;
    let keep = format!("{}/record/queries", town.url());
    let of = |name: &'static str, shared: &'static str| {
        [("name", name), ("shared", shared), ("person", "Ola@example.test"), ("app", "lunch"), ("action", "app.revoke")]
    };
    let done = ola.post(&keep, &of("Switched off by me", "yes")).await;
    assert_eq!(done.status, 303, "{done:?}");
    let href = done.header("location").unwrap().to_owned();
    assert_eq!(ola.post(&keep, &of("Mine alone", "")).await.status, 303);
    let theirs = text(&ann, &town, "/record").await;
    assert!(theirs.contains("Switched off by me") && !theirs.contains("Mine alone"), "{theirs}");
    assert!(theirs.contains("shared by ola@example.test"), "{theirs}");
    let mine = text(&ola, &town, &href).await;
    assert!(mine.contains("Mine alone") && mine.contains("Forget “Switched off by me”"), "{mine}");
    let shared = queries(&town).await;
    assert_eq!(shared.len(), 1, "{shared:?}");
    let filter = json!({ "person": "ola@example.test", "app": "lunch", "action": "app.revoke" });
    assert_eq!((&shared[0]["filter"], &shared[0]["own"]), (&filter, &json!(false)));

    // The same name is the same search.
    assert_eq!(ola.post(&keep, &[("name", "Mine  alone"), ("outcome", "denied")]).await.status, 303);
    assert_eq!(text(&ola, &town, "/record?outcome=denied").await.matches("Mine alone").count(), 2, "link and button");
    let forget = format!("{keep}/{}/forget", shared[0]["id"].as_str().unwrap());
    assert_eq!(ann.post(&forget, &[]).await.status, 404, "another's");
    assert_eq!(ola.post(&forget, &[]).await.status, 303);
    assert!(!text(&ann, &town, "/record").await.contains("Switched off by me"));
    for (action, times) in [("query.save", 3), ("query.forget", 1)] {
        let events = town.get(&format!("/api/v1/events?action={action}")).await.json();
        assert_eq!(events["events"].as_array().unwrap().len(), times, "{action}: {events}");
    }
    refused(&town).await;
    town.stop().await;
}

/// What cannot be kept, and who may not.
async fn refused(town: &Town) {
    let post = |body: Value| town.post("/api/v1/queries", body);
    for (body, code) in [
        (json!({ "name": " ", "filter": { "outcome": "denied" } }), "query.name"),
        (json!({ "name": "x\u{7}y", "filter": { "outcome": "denied" } }), "query.name"),
        (json!({ "name": "all", "filter": {} }), "query.empty"),
        (json!({ "name": "odd", "filter": { "colour": "red" } }), "query.field"),
        (json!({ "name": "who", "filter": { "person": "nobody@example.test" } }), "person.unknown"),
    ] {
        let answer = post(body).await;
        assert_eq!(answer.json()["code"], code, "{answer:?}");
    }
    let bea = town.person("bea@example.test", &["builders"]).await;
    let keep = format!("{}/record/queries", town.url());
    assert_eq!(bea.post(&keep, &[("name", "x"), ("outcome", "denied")]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_kept_on_sqlite() {
    kept(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_kept_on_postgres() {
    kept(Engine::Postgres).await;
}

/// The page of an export waits, looks again, and says that it is whole; it is for whoever began it.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_says_how_far_it_is() {
    let town = Town::start(Engine::Sqlite).await;
    let ola = town.person("ola@example.test", &["operators"]).await;
    let ann = town.person("ann@example.test", &["auditors"]).await;
    let begun = ola.post(&format!("{}/record/export", town.url()), &[]).await;
    assert_eq!(begun.status, 303, "{begun:?}");
    let path = begun.header("location").unwrap().to_owned();
    let page = ola.get(&format!("{}{path}", town.url())).await;
    assert!(page.header("refresh") == Some("2") && page.text().contains("Nothing is sent before"), "{page:?}");
    assert_eq!(ann.get(&format!("{}{path}", town.url())).await.status, 404);
    let id = path.rsplit('/').next().unwrap();
    let export = ola.get(&format!("{}/api/v1/export?watch={id}", town.url())).await;
    let verdict = ledger::verify_export(Cursor::new(&export.body), &ledger::Options::default()).unwrap();
    assert!(verdict.ok, "{verdict:?}");
    let page = ola.get(&format!("{}{path}", town.url())).await;
    let said = format!("All {} events were sent.", verdict.size);
    assert!(page.header("refresh").is_none() && page.text().contains(&said), "{page:?}");
    let bea = town.person("bea@example.test", &["builders"]).await;
    assert_eq!(bea.post(&format!("{}/record/export", town.url()), &[]).await.status, 403);
    town.stop().await;
}
