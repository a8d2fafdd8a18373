//! An app with a destination and a secret: it waits for a yes, then posts, and never sees the value. The value is
//! searched for in every place where it must not be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::SystemClock;
use serde_json::json;
use std::sync::Arc;
use testkit::{Arrived, Engine, Town, Upstream};

const CANARY: &str = "xoxb-canary-4815162342-never-seen";

/// Echoes what it was sent, the credential too: what comes back must be scrubbed.
fn echo(arrived: &Arrived) -> String {
    let sent = arrived.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.as_str());
    json!({ "ok": true, "echo": sent, "body": arrived.body }).to_string()
}

/// Every form in which a value could hide.
fn forms() -> Vec<String> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let mut forms = vec![CANARY.to_owned(), hex::encode(CANARY), BASE64_STANDARD.encode(CANARY)];
    for pad in ["a", "ab"] {
        let encoded = BASE64_STANDARD.encode(format!("{pad}{CANARY}{pad}"));
        forms.push(encoded[4..encoded.len() - 6].to_owned());
    }
    forms
}

fn find(place: &str, bytes: &[u8]) {
    for form in forms() {
        let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
        assert!(!found, "the value stands in {place} as `{form}`");
    }
}

/// Puts the canary as the app's token.
async fn put_secret(town: &Town) {
    let put = town
        .machine(
            "PUT",
            "/api/v1/secrets/people-ops/poll-notify-slack",
            json!({ "app": "poll-notify", "owner": "people-ops", "purpose": "posts votes", "expires": expires(), "hosts": ["slack.com"], "value": CANARY })
                .to_string()
                .as_bytes(),
        )
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    find("the answer to put", &put.body);
}

async fn notifies(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start("slack.com", echo).await;
    let town = Town::with(engine, &upstream.config(folder.path()), Arc::new(SystemClock)).await;
    put_secret(&town).await;
    let waiting = town.deploy_template("poll-notify", "poll-notify").await;
    assert_eq!((waiting.status, waiting.json()["tier"].as_str()), (202, Some("medium")), "{waiting:?}");
    let request = waiting.json()["request"].as_str().unwrap().to_owned();
    let ana = town.person("ana@example.test", &["staff", "people-ops"]).await;
    let url = town.app("poll-notify");
    assert_ne!(ana.open(&format!("{url}/")).await.status, 200, "nothing is live yet");
    let path = format!("/api/v1/requests/{request}/approve");
    assert_eq!(town.post(&path, json!({ "why": "looked at it" })).await.status, 403, "a person says yes");
    let approved = town.post(&path, json!({ "why": "looked at it", "break_glass": true })).await;
    assert_eq!((approved.status, approved.json()["status"].as_str()), (200, Some("live")), "{approved:?}");
    let listed = town.get("/api/v1/requests?state=approved").await.json();
    assert_eq!(listed["requests"][0]["exception"], "break-glass", "{listed}");

    let page = ana.open(&format!("{url}/")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let choice = page
        .text()
        .split("name=\"choice\"")
        .nth(1)
        .unwrap()
        .split("value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let voted = ana.post(&format!("{url}/vote"), &[("choice", &choice)]).await;
    assert_eq!(voted.status, 303, "{voted:?}");
    let arrived = upstream.arrived();
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    assert!(arrived[0].headers.contains(&("authorization".to_owned(), format!("Bearer {CANARY}"))), "{arrived:?}");
    assert_eq!(arrived[0].path, "/api/chat.postMessage");

    for path in
        ["/api/v1/apps/poll-notify", "/api/v1/apps/poll-notify/logs", "/api/v1/secrets", "/api/v1/events?limit=500"]
    {
        let answer = town.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        find(path, &answer.body);
    }
    let events = town.get("/api/v1/events?action=secret.use").await.json();
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
    find("the export", &town.export().await);

    let receipt = town.post("/api/v1/apps/poll-notify/revoke", json!({ "why": "enough" })).await.json();
    for surface in ["gateway", "identity", "vault", "data", "broker"] {
        let lines = receipt["surfaces"].as_array().unwrap();
        assert!(lines.iter().any(|line| line["surface"] == surface && line["state"] == "dead"), "{surface}: {receipt}");
    }
    let data = town.stop().await;
    if engine == Engine::Sqlite {
        for entry in std::fs::read_dir(data.path().join("data")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                find(&path.display().to_string(), &std::fs::read(&path).unwrap());
            }
        }
    }
}

fn expires() -> String {
    use model::Clock;
    SystemClock.now().plus(std::time::Duration::from_secs(60 * 86_400)).to_string()[..10].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_is_posted_and_the_value_is_nowhere_on_sqlite() {
    notifies(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_is_posted_and_the_value_is_nowhere_on_postgres() {
    notifies(Engine::Postgres).await;
}
