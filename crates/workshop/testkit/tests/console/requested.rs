//! A request's page, and its app's: what stands there of secrets that died, and what is for the app's own people alone.

use super::page;
use model::{Clock as _, ManualClock, SystemClock};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use testkit::{Engine, Town, ahead};

const SECRET: &str = "people-ops/poll-notify-slack";

async fn put(town: &Town, days: u64) {
    let secret = json!({ "app": "poll-notify", "owner": "people-ops", "purpose": "posts", "expires": ahead(days),
        "hosts": ["slack.com"], "value": "xoxb-0123456789abcdef" });
    let put = town.machine("PUT", &format!("/api/v1/secrets/{SECRET}"), secret.to_string().as_bytes()).await;
    assert_eq!(put.status, 200, "{put:?}");
}

/// How the first of the seven questions is answered.
fn secrets_are(text: &str) -> &str {
    let before = text.split("<b>Secrets").next().unwrap();
    before.rsplit("<li class=\"").next().unwrap().split('"').next().unwrap()
}

/// A secret that died is green nowhere, whatever version its row has.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_secret_is_not_green() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await;
    let id = town.deploy_template("poll-notify", "poll-notify").await.json()["request"].as_str().unwrap().to_owned();
    let (request, app) = (format!("/requests/{id}"), "/apps/poll-notify");
    let (ola, _passkey) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    let missing = page(&ola, &town, &request).await.text();
    assert!(secrets_are(&missing) == "look" && missing.contains("nobody has put"), "{missing}");

    put(&town, 20).await;
    let ends = format!("<code>{SECRET}</code> ends in 20 days, {} is its last day", ahead(20));
    let soon = page(&ola, &town, &request).await.text();
    assert!(secrets_are(&soon) == "look" && soon.contains(&ends), "{soon}");
    let yes = ola.post(&format!("{}{request}/approve", town.url()), &[("why", "read it")]).await;
    assert!(yes.status == 200 && yes.text().contains("is live"), "{yes:?}");
    let live = page(&ola, &town, app).await.text();
    assert!(live.contains(&ends) && live.contains(&format!("href=\"/secrets/{SECRET}\">The secret")), "{live}");

    clock.advance(Duration::from_secs(21 * 86_400));
    let olga = town.person("olga@example.test", &["operators"]).await;
    let ended = format!("<code>{SECRET}</code> ended, {} was its last day", ahead(20));
    for path in [request.as_str(), app] {
        let text = page(&olga, &town, path).await.text();
        assert!(text.contains(&ended) && text.contains("puts it anew with a later date"), "{path}: {text}");
    }
    assert_eq!(secrets_are(&page(&olga, &town, &request).await.text()), "bad");

    let cut = olga.post(&format!("{}/secrets/{SECRET}/revoke", town.url()), &[("why", "it leaked")]).await;
    assert_eq!(cut.status, 200, "{cut:?}");
    let revoked = format!("<code>{SECRET}</code> is revoked, and its value deleted");
    for path in [request.as_str(), app] {
        let text = page(&olga, &town, path).await.text();
        assert!(text.contains(&revoked) && !text.contains(&ended), "{path}: {text}");
    }
    assert_eq!(secrets_are(&page(&olga, &town, &request).await.text()), "bad");

    // Put anew, it works again.
    put(&town, 60).await;
    let well = page(&olga, &town, &request).await.text();
    assert!(secrets_are(&well) == "ok" && well.contains("is in the vault"), "{well}");
    let live = page(&olga, &town, app).await.text();
    assert!(!live.contains(&revoked) && !live.contains(">The secret<"), "{live}");
    town.stop().await;
}

/// What an app's page refuses to another team's builders, a request of it does not show them.
#[tokio::test(flavor = "multi_thread")]
async fn files_and_waivers_are_not_for_another_team() {
    let town = Town::start(Engine::Sqlite).await;
    let id = town.deploy_template("poll-notify", "poll-notify").await.json()["request"].as_str().unwrap().to_owned();
    let path = format!("/requests/{id}");
    let (ola, _passkey) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    let yes = ola.post(&format!("{}{path}/approve", town.url()), &[("why", "read it")]).await;
    assert_eq!(yes.status, 200, "{yes:?}");
    let wish = json!({ "app": "poll-notify", "code": "policy.retention", "until": ahead(30), "why": "canary words", "break_glass": true });
    assert_eq!(town.post("/api/v1/waivers", wish).await.status, 200);
    let inside = ["<h2 id=\"t-files\">", "<code>app.js</code>", "class=\"findings\"", "canary words"];
    let apart = "are for its team, reviewers, operators and auditors";
    for (role, groups) in [
        ("builder", &["builders", "people-ops"][..]),
        ("reviewer", &["reviewers"][..]),
        ("operator", &["operators"][..]),
        ("auditor", &["auditors"][..]),
    ] {
        let one = town.person(&format!("{role}@example.test"), groups).await;
        let text = page(&one, &town, &path).await.text();
        assert!(inside.iter().all(|part| text.contains(part)) && !text.contains(apart), "{role}: {text}");
    }
    let elsewhere = town.person("elsewhere@example.test", &["builders", "it"]).await;
    let text = page(&elsewhere, &town, &path).await.text();
    assert!(text.contains(apart) && text.contains("What it asks for"), "{text}");
    assert!(inside.iter().all(|part| !text.contains(part)) && !text.contains("Every file was searched"), "{text}");
    town.stop().await;
}
