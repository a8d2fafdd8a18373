//! Where an organisation wants it so, nobody creates or publishes an app who did not come by single sign-on: by the policy
//! that operators copy.

use super::{signed_in, town};
use serde_json::json;
use testkit::{Answer, Browser, Provider, Signed, Town, bundle};

const POLICY: &str = include_str!("../../../../../deploy/policies/single-sign-on.rego");

async fn deploys(town: &Town, browser: &Browser, name: &str) -> Answer {
    let url = format!("{}/api/v1/deploy?env=prod", town.url());
    browser.send("POST", &url, &[("sec-fetch-site", "same-origin")], &bundle(name, "tinypoll")).await
}

fn refused(answer: &Answer) {
    let document = answer.json();
    // A deploy answers with its own document, which holds the problem.
    let problem = document.get("problem").unwrap_or(&document);
    assert_eq!((answer.status, &problem["code"]), (403, &json!("policy.single_sign_on")), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whoever_came_by_single_sign_on_publishes() {
    let provider = Provider::start().await;
    let town = town(&provider).await;
    assert_eq!(town.deploy_template("before", "tinypoll").await.status, 200, "without the policy the machine may");
    let town = town
        .changed(|data| {
            let folder = data.join("policies");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("single-sign-on.rego"), POLICY).unwrap();
        })
        .await;
    let local = town.person("local@example.test", &["builders", "people-ops"]).await;
    let (ana, stranger) = (town.browser(), town.browser());
    provider.says(json!({ "groups": ["ops"] }), Signed::ByPublishedKey);
    let home = signed_in(&town, &provider, &ana, json!({ "groups": ["ops"] })).await;
    assert_eq!(home.status, 200, "{home:?}");
    town.post("/api/v1/people/groups", json!({ "email": "ana@example.test", "join": ["builders"] })).await;

    assert_eq!(deploys(&town, &stranger, "lunch").await.status, 401);
    refused(&deploys(&town, &local, "lunch").await);
    refused(&town.deploy_template("lunch", "tinypoll").await);
    let rolled = json!({ "env": "prod", "to": 1 });
    refused(&town.post("/api/v1/apps/before/rollback", rolled).await);
    let live = deploys(&town, &ana, "lunch").await;
    assert_eq!((live.status, &live.json()["status"]), (200, &json!("live")), "{live:?}");

    // Deciding: not by a passkey of this server; the machine by break-glass, which shows.
    let url = format!("{}/api/v1/deploy?env=prod", town.url());
    let same = [("sec-fetch-site", "same-origin")];
    let waits = ana.send("POST", &url, &same, &bundle("notify", "poll-notify")).await.json();
    let path = format!("/api/v1/requests/{}/approve", waits["request"].as_str().unwrap());
    let (rex, _passkey) = town.person_with_passkey("rex@example.test", &["reviewers"]).await;
    let why = json!({ "why": "read it" }).to_string();
    let form = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    refused(&rex.send("POST", &format!("{}{path}", town.url()), &form, why.as_bytes()).await);
    let yes = town.post(&path, json!({ "why": "emergency", "break_glass": true })).await;
    assert_eq!(yes.status, 200, "{yes:?}");
    town.stop().await;
}
