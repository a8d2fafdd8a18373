//! The path from an idea to revoked, as its users walk it, on both engines: deploy, sign in, vote, approve, post,
//! revoke, prove, restore.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};
use std::io::Cursor;
use testkit::{Answer, Browser, Disk, Engine, Town};

async fn poll_lives(engine: Engine) {
    let town = Town::start(engine).await;
    let deployed = town.deploy_template("tinypoll", "tinypoll").await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    let document = deployed.json();
    assert_eq!((document["status"].as_str(), document["tier"].as_str()), (Some("live"), Some("low")), "{document}");
    let url = town.app("tinypoll");
    assert_eq!(document["url"], Value::String(url.clone()));

    // Signed out: on to the console, which says what to do.
    let stranger = town.browser();
    let sent_on = stranger.get(&format!("{url}/")).await;
    assert_eq!(sent_on.status, 303, "{sent_on:?}");
    assert!(sent_on.header("location").unwrap().starts_with(&format!("{}/sign-in/app?app=tinypoll", town.url())));
    assert_eq!(stranger.open(&format!("{url}/")).await.status, 401);

    // Signed in: vote, change the vote, see the result.
    let ana = town.person("ana@example.test", &["staff", "people-ops", "builders"]).await;
    let page = ana.open(&format!("{url}/")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let choice = first_choice(&page.text());
    let voted = ana.post(&format!("{url}/vote"), &[("choice", &choice)]).await;
    assert_eq!(voted.status, 303, "{voted:?}");
    let ben = town.person("ben@example.test", &["staff"]).await;
    ben.open(&format!("{url}/")).await;
    assert_eq!(ben.post(&format!("{url}/vote"), &[("choice", &choice)]).await.status, 303);
    let results = ana.open(&format!("{url}/results")).await.json();
    assert_eq!(results["votes"].as_u64().or_else(|| results["total"].as_u64()), Some(2), "{results}");

    // What it may touch, holds and used.
    let app = town.get("/api/v1/apps/tinypoll").await.json();
    assert!(!app["may"].as_array().unwrap().is_empty(), "{app}");
    assert!(app["held"].as_array().unwrap().iter().any(|line| line["surface"] == "data"), "{app}");

    // A held token works, then the switch.
    let token = ana
        .send(
            "POST",
            &format!("{}/api/v1/apps/tinypoll/token", town.url()),
            &[("sec-fetch-site", "same-origin")],
            b"{}",
        )
        .await;
    assert_eq!(token.status, 200, "{token:?}");
    let bearer = format!("Bearer {}", token.json()["token"].as_str().unwrap());
    let script = town.browser();
    let results_url = format!("{url}/results");
    let with_token = || with_token(&script, &results_url, &bearer);
    assert_eq!(with_token().await.status, 200);
    let receipt = town.post("/api/v1/apps/tinypoll/revoke", json!({ "why": "the poll is over" })).await;
    assert_eq!(receipt.status, 200, "{receipt:?}");
    let receipt = receipt.json();
    assert_eq!((receipt["recorded"].as_bool(), receipt["why"].as_str()), (Some(true), Some("the poll is over")));
    let surfaces = receipt["surfaces"].as_array().unwrap();
    for name in ["gateway", "identity", "data"] {
        assert!(surfaces.iter().any(|line| line["surface"] == name && line["state"] == "dead"), "{name}: {receipt}");
    }
    let off = ana.get(&format!("{url}/")).await;
    assert!(matches!(off.status, 403 | 410), "{off:?}");
    assert!(off.header("clear-site-data").is_some(), "{off:?}");
    assert_ne!(with_token().await.status, 200);
    assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.status, 409);
    let staging = testkit::bundle("tinypoll", "tinypoll");
    let staged = town.machine("POST", "/api/v1/deploy?env=staging", &staging).await;
    assert_eq!(staged.status, 409, "another environment is no way back: {staged:?}");

    // Restored: it serves again; the token and the sessions of before stay dead.
    let restored = town.post("/api/v1/apps/tinypoll/restore", json!({ "why": "one more day" })).await;
    assert_eq!(restored.status, 200, "{restored:?}");
    assert_ne!(with_token().await.status, 200);
    assert_eq!(ana.open(&format!("{url}/")).await.status, 200);
    proves(&town).await;
    town.stop().await;
}

async fn with_token(script: &Browser, url: &str, bearer: &str) -> Answer {
    script.send("GET", url, &[("authorization", bearer)], b"").await
}

/// The first value that the poll offers.
fn first_choice(page: &str) -> String {
    let at = page.find("name=\"choice\"").unwrap_or_else(|| panic!("no choice in {page}"));
    let rest = &page[at..];
    let value = rest.find("value=\"").unwrap() + 7;
    rest[value..].split('"').next().unwrap().to_owned()
}

/// The record verifies without the server, and one changed byte is found.
async fn proves(town: &Town) {
    let export = town.export().await;
    let options = ledger::Options::default();
    let verdict = ledger::verify_export(Cursor::new(&export), &options).unwrap();
    assert!(verdict.ok, "{verdict:?}");
    assert!(verdict.size > 10, "{verdict:?}");
    let text = String::from_utf8_lossy(&export).into_owned();
    let at = text.find("\"action\":\"app.deploy\"").expect("the deploy is in the record") + 12;
    let mut altered = export.clone();
    altered[at] ^= 1;
    let verdict = ledger::verify_export(Cursor::new(&altered), &options).unwrap();
    assert!(!verdict.ok && verdict.first_bad.is_some(), "{verdict:?}");
}

const NOTES: &str = "export default {
  async fetch(request, env) {
    const line = new URL(request.url).pathname;
    console.log(line);
    if (line === \"/wrong\") await env.data.notes.insert({ nosuch: 1 }).catch(() => null);
    if (line === \"/missing\") await env.data.notes.get(\"nobody\");
    return new Response(env.user.name);
  },
};
";

/// What an app printed comes newest first, and page by page back to the first line; with it what its own declaration
/// refused it, which the record calls by what was tried. What it is told of its user is whole.
async fn a_log_is_read_back(engine: Engine) {
    let town = Town::start(engine).await;
    let data = "[data.notes]\nretain = \"30d\"\nfields.text = { class = \"internal\" }";
    let manifest = testkit::manifest("notes", data);
    let bundle = testkit::archive(&[("bailiwick.toml", &manifest), ("app.js", NOTES)]);
    let deployed = town.machine("POST", "/api/v1/deploy?env=prod", &bundle).await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    let ana = town.person("ana@example.test", &["staff"]).await;
    for path in ["one", "two", "missing", "wrong", "three"] {
        let answer = ana.open(&format!("{}/{path}", town.app("notes"))).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ana"), "{answer:?}");
    }
    let all = async || town.get("/api/v1/apps/notes/logs").await.json();
    let texts = |page: &Value| -> Vec<String> {
        page["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    let mut whole = all().await;
    for _ in 0..500 {
        if texts(&whole).len() >= 6 {
            break;
        }
        whole = all().await;
    }
    let whole = texts(&whole);
    let at = |text: &str| whole.iter().position(|line| line.starts_with(text)).unwrap_or_else(|| panic!("{whole:?}"));
    assert!(at("/three") < at("/wrong") && at("/wrong") < at("/two") && at("/two") < at("/one"), "{whole:?}");
    let refused = &whole[at("refused: POST http://data.bailiwick (data.unknown_field): ")];
    assert!(refused.contains("`[data.notes]` in `bailiwick.toml`") && whole.len() == 6, "{whole:?}");

    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = town.get(&format!("/api/v1/apps/notes/logs?limit=2{after}")).await.json();
        paged.extend(texts(&page));
        let Some(next) = page["next"].as_i64() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(paged, whole);
    let mut events = Value::Null;
    for _ in 0..500 {
        events = town.get("/api/v1/events?action=data.write&outcome=denied").await.json();
        if !events["events"][0].is_null() {
            break;
        }
    }
    assert_eq!(events["events"][0]["detail"]["code"], "data.unknown_field", "{events}");

    // What counts anew with each start says since when.
    let used = async |town: &Town| -> Value {
        let app = town.get("/api/v1/apps/notes").await.json();
        app["used"].as_array().unwrap().iter().find(|used| used["surface"] == "gateway").unwrap().clone()
    };
    let before = used(&town).await;
    let town = town.restart(Disk::Room).await;
    let after = used(&town).await;
    assert!(before["count"].as_u64() >= Some(5) && after["count"] == 0, "{before} {after}");
    assert!(after["since"].as_str() > after["last"].as_str() && before["since"].as_str() < after["last"].as_str());
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_back_on_sqlite() {
    a_log_is_read_back(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_back_on_postgres() {
    a_log_is_read_back(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_from_deploy_to_restore_on_sqlite() {
    poll_lives(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_from_deploy_to_restore_on_postgres() {
    poll_lives(Engine::Postgres).await;
}
