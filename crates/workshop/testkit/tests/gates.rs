//! The way to the gates: who may send files at all, and that nobody's files keep the server from answering.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::json;
use std::sync::Arc;
use testkit::{Browser, Engine, Town, archive, manifest};

const DEPLOY: &str = "/api/v1/deploy?env=prod";

async fn denied(town: &Town) -> usize {
    town.events("app.send").await.iter().filter(|event| event["outcome"] == "denied").count()
}

/// Before anything is unpacked: what they send is not even an archive, or more than anybody keeps for them.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_deploy_nothing_is_refused_before_anything_is_unpacked() {
    let town = Town::start(Engine::Sqlite).await;
    let bo = town.person("bo@example.test", &["staff", "people-ops", "reviewers"]).await;
    let mia = town.person("mia@example.test", &["staff", "builders"]).await;
    let own = [("sec-fetch-site", "same-origin")];
    let api = format!("{}{DEPLOY}", town.url());
    let no_manifest = archive(&[("app.js", "x")]);
    for (at, body) in [&no_manifest[..], b"no archive", &vec![b'x'; 3 << 20]].into_iter().enumerate() {
        let refused = bo.send("POST", &api, &own, body).await;
        let document = refused.json();
        let problem = &document["problem"];
        assert_eq!((refused.status, &document["status"]), (403, &json!("refused")), "{refused:?}");
        assert_eq!(problem["code"], "role.missing", "{refused:?}");
        assert!(problem["fix"].as_str().unwrap().contains("people groups bo@example.test --join builders"));
        assert_eq!(denied(&town).await, at + 1, "each is on the record");
    }
    let page = bo.post(&format!("{}/new", town.url()), &[("way", "paste"), ("code", "x")]).await;
    assert!(page.status == 403 && page.text().contains("no role that may"), "{page:?}");
    assert_eq!(denied(&town).await, 4);
    // A stranger is asked who they are.
    let stranger = town.browser().post(&format!("{}/new", town.url()), &[("way", "paste")]).await;
    assert!(stranger.status == 401 && stranger.text().contains("ign in"), "{stranger:?}");

    // Whoever may is told what the files lack, and leaves no refusal.
    let looked_at = mia.send("POST", &api, &own, &no_manifest).await;
    assert_eq!((looked_at.status, looked_at.json()["findings"][0]["code"].as_str()), (422, Some("manifest.missing")));
    assert_eq!(mia.send("POST", &api, &own, b"no archive").await.json()["problem"]["code"], "bundle.archive");
    assert_eq!(denied(&town).await, 4);
    town.stop().await;
}

/// Modules that ask for a record at every step and never close it, and for names that nobody declares.
fn hostile() -> Vec<u8> {
    let (text, piece) = (manifest("hostile", ""), "env.data.x.insert({");
    let braces = piece.repeat((1 << 20) / piece.len());
    let names: String = (0..50_000).map(|number| format!("env.KEY_{number};\n")).collect();
    let files: Vec<(String, &str)> = (0..3)
        .flat_map(|at| [(format!("lib/{at}.js"), braces.as_str()), (format!("lib/names{at}.js"), names.as_str())])
        .chain([("bailiwick.toml".to_owned(), text.as_str())])
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    archive(&files).to_vec()
}

/// More of them at once than the server has threads, and it answers others all the while.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_while_the_gates_look_at_hostile_files() {
    let town = Arc::new(Town::start(Engine::Sqlite).await);
    let files = Arc::new(hostile());
    let mut sending = Vec::new();
    for name in ["ana", "bea", "cy", "dan"] {
        let browser = town.person(&format!("{name}@example.test"), &["staff", "builders", "people-ops"]).await;
        let (town, files) = (Arc::clone(&town), Arc::clone(&files));
        sending.push(tokio::spawn(async move {
            let url = format!("{}{DEPLOY}", town.url());
            browser.send("POST", &url, &[("sec-fetch-site", "same-origin")], &files).await
        }));
    }
    let (other, health): (Browser, _) = (town.browser(), format!("{}/healthz", town.url()));
    let mut answered = 0;
    while !sending.iter().any(tokio::task::JoinHandle::is_finished) {
        assert_eq!(other.get(&health).await.status, 200);
        answered += usize::from(!sending.iter().any(tokio::task::JoinHandle::is_finished));
    }
    assert!(answered > 10, "{answered}");
    for sent in sending {
        let answer = sent.await.unwrap();
        let codes = answer.json()["findings"].to_string();
        assert!(answer.status == 422 && codes.contains("bundle.main") && codes.contains("code.more"), "{answer:?}");
    }
    Arc::into_inner(town).unwrap().stop().await;
}
