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
    town.stop().await;
}
