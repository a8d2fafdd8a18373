//! A warning that something ends leads to what can be done about it, for whoever reads it.

use super::{ANA, BEA, DAY, OLA};
use model::{Clock, ManualClock, SystemClock};
use serde_json::json;
use std::sync::Arc;
use testkit::{Engine, Town, ahead, until};

/// The page of the warning of this thing.
async fn warning(town: &Town, what: &str) -> String {
    let open = town.get("/api/v1/notices").await.json()["warnings"].clone();
    let found = open.as_array().unwrap().iter().find(|one| one["what"] == what);
    let event = found.unwrap_or_else(|| panic!("{what}: {open}"))["event"].as_str().unwrap().to_owned();
    format!("{}/notices/{event}", town.url())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_leads_on() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await;
    // It ends in 80 days.
    assert_eq!(town.deploy_template("lunch", "tinypoll").await.status, 200);
    let put = json!({ "app": "lunch", "owner": "people-ops", "purpose": "posts", "expires": ahead(82),
        "hosts": ["a.example"], "value": "0123456789abcdef" });
    assert_eq!(town.machine("PUT", "/api/v1/secrets/people-ops/kept", put.to_string().as_bytes()).await.status, 200);
    clock.advance(DAY * 55);
    until("both are warned of", async || {
        town.get("/api/v1/notices").await.json()["warnings"].as_array().unwrap().len() == 2
    })
    .await;
    let (app, secret) =
        (warning(&town, "the app `lunch`").await, warning(&town, "the secret `people-ops/kept` (prod)").await);
    let ana = town.person(ANA, &["people-ops"]).await;
    let bea = town.person(BEA, &["builders", "people-ops"]).await;
    let ola = town.person(OLA, &["operators"]).await;

    // Whoever deploys it finds its files; who may not is told who does. What each may not open is no link.
    let (edit, own) = ("href=\"/apps/lunch/edit\"", "href=\"/apps/lunch\"");
    for (who, browser, says, links) in [
        ("builder", &bea, "Deploy it again with a later <code>expires</code>", [true, true]),
        ("operator", &ola, "Ask a builder of its team, <code>people-ops</code>", [false, true]),
        ("member", &ana, "Ask a builder of its team, <code>people-ops</code>", [false, false]),
    ] {
        let text = browser.get(&app).await.text();
        assert!(text.contains("It is suspended then") && text.contains(says), "{who}: {text}");
        assert_eq!([text.contains(edit), text.contains(own)], links, "{who}: {text}");
    }
    let (form, page) = ("href=\"/secrets#put\"", "href=\"/secrets/people-ops/kept\"");
    let asks = "Ask an operator to put it anew with a later date";
    for (who, browser, says, links) in [
        ("operator", &ola, "anew for prod, with a later date", [true, true]),
        ("builder", &bea, asks, [false, true]),
        ("member", &ana, asks, [false, false]),
    ] {
        let text = browser.get(&secret).await.text();
        assert!(text.contains("Calls that need it are refused then") && text.contains(says), "{who}: {text}");
        assert_eq!([text.contains(form), text.contains(page)], links, "{who}: {text}");
    }

    // The page after taking it on says the same: that is when it is needed.
    let taken = bea.post(&app, &[]).await.text();
    assert!(taken.contains("You have taken it on") && taken.contains("is its last day"), "{taken}");
    assert!(taken.contains("It is suspended then") && taken.contains(edit), "{taken}");
    let taken = ana.post(&secret, &[]).await.text();
    assert!(taken.contains("Calls that need it are refused then") && taken.contains(asks), "{taken}");
    // So does the warning itself, afterwards.
    let after = ana.get(&secret).await.text();
    assert!(after.contains("has taken it on") && after.contains(asks), "{after}");
    town.stop().await;
}
