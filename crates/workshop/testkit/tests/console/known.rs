//! A new link for somebody who is here: what it does to them is said before and after, and asked first where whoever
//! makes it may not know that they are here.

use super::page;
use serde_json::{Value, json};
use testkit::{Engine, Town};

async fn person(town: &Town, email: &str) -> Value {
    let people = town.get("/api/v1/people").await.json()["people"].clone();
    let found = people.as_array().unwrap().iter().find(|person| person["email"] == email).cloned();
    found.unwrap_or_else(|| panic!("{people}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_link_is_asked_about() {
    let town = Town::start(Engine::Sqlite).await;
    let (ola, _passkey) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    let url = format!("{}/people", town.url());
    let out = "They are signed out everywhere at once";
    let new = ola.post(&url, &[("email", "new@example.test"), ("group", "staff")]).await.text();
    assert!(new.contains("/welcome/") && !new.contains(out), "{new}");

    // From the form for somebody new: nothing happens before the button on the next page.
    let bo = town.person("bo@example.test", &["staff"]).await;
    let home = format!("{}/", town.url());
    let add = [("email", "BO@example.test"), ("group", "staff"), ("other", "builders")];
    let asked = ola.post(&url, &add).await;
    let text = asked.text();
    assert!(asked.status == 200 && text.contains("bo@example.test is here already"), "{text}");
    assert!(
        text.contains(out) && text.contains("They have no passkey to lose") && !text.contains("/welcome/"),
        "{text}"
    );
    assert!(text.contains("They join <code>builders</code>") && !text.contains("join <code>staff"), "{text}");
    let own = format!("href=\"/people/{}\"", person(&town, "bo@example.test").await["id"].as_str().unwrap());
    assert!(text.contains("name=\"again\" value=\"yes\"") && text.contains(&own), "{text}");
    assert_eq!(bo.get(&home).await.status, 200, "still signed in");
    assert_eq!(person(&town, "bo@example.test").await["groups"], json!(["staff"]));

    let fields = [("email", "bo@example.test"), ("group", "staff"), ("group", "builders"), ("again", "yes")];
    let made = ola.post(&url, &fields).await.text();
    assert!(made.contains("/welcome/") && made.contains(out), "{made}");
    assert_eq!(bo.get(&home).await.status, 401, "signed out");
    assert_eq!(person(&town, "bo@example.test").await["groups"], json!(["builders", "staff"]));

    // Their own page says it beside the button, so it asks no more; and what becomes of passkeys.
    let (_cy, _passkey) = town.person_with_passkey("cy@example.test", &["staff"]).await;
    let path = format!("/people/{}", person(&town, "cy@example.test").await["id"].as_str().unwrap());
    let text = page(&ola, &town, &path).await.text();
    assert!(text.contains(out) && text.contains("Their 1 passkey, and single sign-on"), "{text}");
    assert!(text.contains("name=\"again\" value=\"yes\""), "{text}");
    let made = ola.post(&url, &[("email", "cy@example.test"), ("again", "yes")]).await.text();
    assert!(made.contains("/welcome/") && made.contains("takes the place of all of them"), "{made}");

    // Who may not make a link learns nobody's address from it.
    let user = town.person("user@example.test", &["staff"]).await;
    for again in ["", "yes"] {
        let mut told = vec![];
        for email in ["cy@example.test", "nobody@example.test"] {
            let refused = user.post(&url, &[("email", email), ("again", again)]).await;
            told.push((refused.status, refused.text()));
        }
        assert!(told[0].0 == 403 && told[0] == told[1], "{told:?}");
    }
    town.stop().await;
}
