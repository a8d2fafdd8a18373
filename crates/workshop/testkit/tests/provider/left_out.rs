//! Whom single sign-on leaves out, and what they are told: who has no other way in than a link is named before links are
//! switched off, an address that is taken has a way out, and an account that was switched off is said to be.

use super::{
    Arc, Engine, Provider, Signed, SystemClock, Town, connected, json, me,
    set_up::{digest, opened, page, press, refused, save, tried},
    signed_in, town,
};

async fn add(town: &Town, email: &str) -> String {
    let added = town.post("/api/v1/people", json!({ "email": email, "groups": [] })).await.json();
    added["link"].as_str().unwrap_or_else(|| panic!("{added}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_other_way_in_is_named_and_finds_one_on_sqlite() {
    whoever_has_no_other_way_in_is_named_and_finds_one(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_other_way_in_is_named_and_finds_one_on_postgres() {
    whoever_has_no_other_way_in_is_named_and_finds_one(Engine::Postgres).await;
}

async fn whoever_has_no_other_way_in_is_named_and_finds_one(engine: Engine) {
    let provider = Provider::start().await;
    let town = Town::with(engine, &opened(&[provider.issuer()]), Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    assert!(page(&town, &ola).await.contains("Everyone here has another way to sign in."));
    save(&town, &ola, provider.issuer(), "s3cret").await;
    tried(&town, &provider, &ola, json!({}), Signed::ByPublishedKey).await;
    press(&town, &ola, "on", &[("digest", &digest(&town).await)]).await;
    // Neither whom the provider knows is left out, nor whose account is off.
    let home = signed_in(&town, &provider, &town.browser(), json!({})).await;
    assert!(home.text().contains("ana@example.test"), "{home:?}");
    for n in 0..23 {
        add(&town, &format!("p{n:02}@example.test")).await;
    }
    town.post("/api/v1/people/disable", json!({ "email": "p00@example.test" })).await;

    let text = page(&town, &ola).await;
    let warned = text.find("22 people would have no way to sign in without links").unwrap_or_else(|| panic!("{text}"));
    assert!(warned < text.find("Switch links off").unwrap(), "it stands before the button: {text}");
    for (email, named) in [("p01", true), ("p20", true), ("p21", false), ("p00", false), ("ana", false)] {
        assert_eq!(text.contains(&format!("{email}@example.test")), named, "{email}: {text}");
    }
    assert!(text.contains(" and 2 more"), "{text}");
    let left_out = town.get("/api/v1/sign-in").await.json()["left_out"].clone();
    assert_eq!((&left_out["count"], &left_out["first"][0]), (&json!(22), &json!("p01@example.test")), "{left_out}");
    assert_eq!(left_out["first"].as_array().map(Vec::len), Some(20), "{left_out}");
    let done = press(&town, &ola, "links", &[("to", "off")]).await;
    assert!(done.status == 200 && done.text().contains("22 people cannot sign in"), "{done:?}");

    // What one of them is told can be followed.
    let claims = json!({ "sub": "p01-there", "email": "p01@example.test" });
    let taken = signed_in(&town, &provider, &town.browser(), claims.clone()).await;
    refused(&taken, 409, "provider.email_taken");
    assert!(taken.text().contains("ask an operator to switch one-time links on"), "{taken:?}");
    assert_eq!(town.post("/api/v1/sign-in/links", json!({ "on": true })).await.status, 200);
    let one = town.browser();
    assert_eq!(one.post(&add(&town, "p01@example.test").await, &[]).await.status, 303);
    town.passkey(&one).await;
    let home = connected(&town, &provider, &one, claims.clone()).await;
    assert!(home.status == 200 && home.text().contains("p01@example.test"), "{home:?}");
    let home = signed_in(&town, &provider, &town.browser(), claims).await;
    assert!(home.text().contains("p01@example.test"), "{home:?}");
    assert_eq!(town.get("/api/v1/sign-in").await.json()["left_out"]["count"], 21);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_switched_off_is_said_to_be_to_its_person_alone() {
    let provider = Provider::start().await;
    let town = town(&provider).await;
    signed_in(&town, &provider, &town.browser(), json!({})).await;
    town.post("/api/v1/people/disable", json!({ "email": "ana@example.test" })).await;
    let ana = town.browser();
    let over = signed_in(&town, &provider, &ana, json!({})).await;
    refused(&over, 403, "person.disabled");
    assert_eq!(me(&town, &ana).await.status, 401);
    // Somebody else there who says that her address is theirs learns no more than of any other.
    let stranger = signed_in(&town, &provider, &town.browser(), json!({ "sub": "eve" })).await;
    refused(&stranger, 409, "provider.email_taken");
    assert!(!stranger.text().contains("person.disabled"), "{stranger:?}");
    town.stop().await;
}
