//! Single sign-on against a provider that lies in every way it can, and what is true besides: a person is issuer and
//! subject, groups follow the claim, a second factor there counts here, and logging out there ends sessions here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;
use testkit::{Answer, Browser, Engine, Provider, Signed, Town};

async fn town(provider: &Provider) -> Town {
    Town::with(Engine::Sqlite, &provider.config(""), Arc::new(SystemClock)).await
}

/// Off to the provider: the address that the browser is sent to.
async fn off(town: &Town, browser: &Browser) -> String {
    let sent = browser.get(&format!("{}/sign-in/provider?to=/me", town.url())).await;
    assert_eq!(sent.status, 303, "{sent:?}");
    sent.header("location").unwrap().to_owned()
}

async fn back(town: &Town, browser: &Browser, query: &str) -> Answer {
    browser.open(&format!("{}/sign-in/provider/back?{query}", town.url())).await
}

/// Back from a try, at its own address.
async fn back_from_try(town: &Town, browser: &Browser, query: &str) -> Answer {
    browser.open(&format!("{}/sign-in/provider/try?{query}", town.url())).await
}

async fn signed_in(town: &Town, provider: &Provider, browser: &Browser, claims: Value) -> Answer {
    provider.says(claims, Signed::ByPublishedKey);
    let address = off(town, browser).await;
    back(town, browser, &provider.approve(&address)).await
}

/// Off to the provider from one's own page: the address that the browser is sent to.
async fn connecting(town: &Town, browser: &Browser) -> String {
    let going = browser.submit(&format!("{}/me/provider", town.url()), &[]).await;
    let text = going.text();
    let address = text.split("url=").nth(1).unwrap_or_else(|| panic!("{going:?}")).split('"').next().unwrap();
    address.replace("&amp;", "&").replace("&#38;", "&")
}

async fn connected(town: &Town, provider: &Provider, browser: &Browser, claims: Value) -> Answer {
    provider.says(claims, Signed::ByPublishedKey);
    let address = connecting(town, browser).await;
    back(town, browser, &provider.approve(&address)).await
}

async fn me(town: &Town, browser: &Browser) -> Answer {
    browser.get(&format!("{}/me", town.url())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_issuer_and_subject_and_groups_follow() {
    let provider = Provider::start().await;
    let town = town(&provider).await;
    let page = town.browser().get(&format!("{}/sign-in", town.url())).await.text();
    assert!(page.contains("Sign in at 127.0.0.1"), "{page}");
    let ana = town.browser();
    let home = signed_in(&town, &provider, &ana, json!({ "groups": ["ops", "elsewhere"] })).await;
    assert!(home.status == 200 && home.text().contains("ana@example.test"), "{home:?}");
    let groups = |people: Value, email: &str| {
        let person = people["people"].as_array().unwrap().iter().find(|person| person["email"] == email).cloned();
        person.unwrap_or_else(|| panic!("{email} in {people}"))["groups"].clone()
    };
    let people = town.get("/api/v1/people").await.json();
    assert_eq!(groups(people, "ana@example.test"), json!(["people-ops", "staff"]));

    // Another address there, and out of the group: the same person here, and out of it too.
    let again = signed_in(&town, &provider, &town.browser(), json!({ "email": "ana.new@example.test" })).await;
    assert!(again.text().contains("ana@example.test"), "{again:?}");
    let people = town.get("/api/v1/people").await.json();
    assert_eq!(people["people"].as_array().unwrap().len(), 1);
    assert_eq!(groups(people, "ana@example.test"), json!(["staff"]));

    // Without a second factor there is none here; with one there is, from that moment.
    let text = me(&town, &ana).await.text();
    assert!(text.contains("has no second factor"), "{text}");
    let strong = town.browser();
    let home = signed_in(&town, &provider, &strong, json!({ "amr": ["pwd", "mfa"] })).await;
    assert!(home.text().contains("confirmed with a second factor"), "{home:?}");
    let events = town.get("/api/v1/events?action=oidc.sign_in").await.json();
    let newest = &events["events"][0]["detail"];
    assert_eq!((&newest["method"], &newest["second_factor"]), (&json!("oidc"), &json!(true)), "{events}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lie_of_a_provider_is_refused() {
    let provider = Provider::start().await;
    let town = town(&provider).await;
    let now = SystemClock.now().as_secs();
    let honest = Signed::ByPublishedKey;
    for (lie, claims, signed) in [
        ("another issuer", json!({ "iss": "https://evil.example" }), honest),
        ("another audience", json!({ "aud": "somebody-else" }), honest),
        ("another nonce", json!({ "nonce": "planted" }), honest),
        ("no nonce", json!({ "nonce": null }), honest),
        ("an old token", json!({ "iat": now - 900, "exp": now - 600 }), honest),
        ("one of the future", json!({ "iat": now + 900, "exp": now + 960 }), honest),
        ("no signature", json!({}), Signed::ByNothing),
        ("a key that is not published", json!({}), Signed::ByUnknownKey),
        ("nobody", json!({ "sub": null }), honest),
        ("one more audience, and nobody who asked", json!({ "aud": ["bailiwick", "else"], "azp": "else" }), honest),
    ] {
        provider.says(claims, signed);
        let browser = town.browser();
        let address = off(&town, &browser).await;
        let refused = back(&town, &browser, &provider.approve(&address)).await;
        assert_eq!(refused.status, 403, "{lie}: {refused:?}");
        assert!(refused.text().contains("provider.refused"), "{lie}: {refused:?}");
        assert_eq!(me(&town, &browser).await.status, 401, "{lie}");
    }
    assert_eq!(town.get("/api/v1/people").await.json()["people"], json!([]));
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_is_for_one_browser_once_and_from_one_provider() {
    let provider = Provider::start().await;
    let town = town(&provider).await;
    provider.says(json!({}), Signed::ByPublishedKey);
    let (ana, eve) = (town.browser(), town.browser());
    let address = off(&town, &ana).await;
    off(&town, &eve).await;
    let query = provider.approve(&address);

    // Somebody else's browser, with the victim's code or with a planted one: no session in either.
    let planted = back(&town, &eve, &query).await;
    assert!(planted.status == 410 && me(&town, &eve).await.status == 401, "{planted:?}");
    // Another provider's answer.
    let mixed = back(&town, &ana, &format!("{query}&iss=https%3A%2F%2Fevil.example")).await;
    assert!(mixed.status == 403 && me(&town, &ana).await.status == 401, "{mixed:?}");
    // No state, a bent one, none of a code.
    for query in ["code=x", "state=x&code=x", "error=access_denied"] {
        assert!(matches!(back(&town, &ana, query).await.status, 403 | 410), "{query}");
    }
    // The honest way back works once.
    assert_eq!(back(&town, &ana, &query).await.status, 200);
    let again = town.browser();
    assert!(matches!(back(&town, &again, &query).await.status, 403 | 410));
    assert!(matches!(back(&town, &ana, &query).await.status, 403 | 410), "the code and the state were used");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_proves_nothing_and_an_account_is_connected_by_its_owner() {
    let provider = Provider::start().await;
    let town = town(&provider).await;
    let (bo, _passkey) = town.person_with_passkey("bo@example.test", &["staff"]).await;
    let eve = town.browser();
    let taken = signed_in(&town, &provider, &eve, json!({ "sub": "eve", "email": "Bo@Example.test" })).await;
    assert!(taken.status == 409 && taken.text().contains("provider.email_taken"), "{taken:?}");
    assert_eq!(me(&town, &eve).await.status, 401);

    // Connected by a form of our own page alone: another site may not make it.
    let url = format!("{}/me/provider", town.url());
    let foreign = bo.send("POST", &url, &[("sec-fetch-site", "cross-site")], b"").await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    let home = connected(&town, &provider, &bo, json!({ "sub": "bo-there", "email": "elsewhere@example.test" })).await;
    assert!(home.text().contains("bo@example.test"), "{home:?}");
    let other = signed_in(&town, &provider, &town.browser(), json!({ "sub": "bo-there" })).await;
    assert!(other.text().contains("bo@example.test"), "{other:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_there_ends_sessions_here_on_sqlite() {
    logging_out_there_ends_sessions_here(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_there_ends_sessions_here_on_postgres() {
    logging_out_there_ends_sessions_here(Engine::Postgres).await;
}

async fn logging_out_there_ends_sessions_here(engine: Engine) {
    let provider = Provider::start().await;
    let town = Town::with(engine, &provider.config(""), Arc::new(SystemClock)).await;
    let (ana, other) = (town.browser(), town.browser());
    signed_in(&town, &provider, &ana, json!({ "sid": "s1" })).await;
    signed_in(&town, &provider, &other, json!({ "sid": "s2" })).await;
    let now = SystemClock.now().as_secs();
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let honest = json!({
        "iss": provider.issuer(), "aud": "bailiwick", "iat": now, "jti": "j1", "sid": "s1", "events": event,
    });
    let send = |token: String| {
        let (browser, url) = (town.browser(), format!("{}/sign-in/provider/logout", town.url()));
        async move { browser.send("POST", &url, &[], format!("logout_token={token}").as_bytes()).await.status }
    };
    for (lie, name, value) in [
        ("no logout", "events", json!({})),
        ("an id token", "nonce", json!("n")),
        ("another issuer", "iss", json!("https://evil.example")),
        ("another audience", "aud", json!("else")),
        ("an old one", "iat", json!(now - 3_600)),
        ("of nobody", "sid", json!(null)),
    ] {
        let mut claims = honest.clone();
        claims[name] = value;
        assert_eq!(send(provider.sign(&claims, Signed::ByPublishedKey)).await, 400, "{lie}");
    }
    assert_eq!(send(provider.sign(&honest, Signed::ByNothing)).await, 400);
    assert_eq!(send(provider.sign(&honest, Signed::ByUnknownKey)).await, 400);
    assert_eq!(me(&town, &ana).await.status, 200, "no lie ended anything");
    let token = provider.sign(&honest, Signed::ByPublishedKey);
    assert_eq!(send(token.clone()).await, 200);
    assert_eq!((me(&town, &ana).await.status, me(&town, &other).await.status), (401, 200));
    assert_eq!(send(token).await, 400, "a token ends sessions once");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_can_be_switched_off() {
    let provider = Provider::start().await;
    let town = Town::with(Engine::Sqlite, &provider.config("links = false\n"), Arc::new(SystemClock)).await;
    let added = town.post("/api/v1/people", json!({ "email": "x@example.test", "groups": [] })).await;
    assert_eq!((added.status, added.json()["code"].as_str()), (409, Some("links.off")), "{added:?}");
    let link = town.browser().get(&format!("{}/welcome/anything", town.url())).await;
    assert!(link.status == 410 && link.text().contains("switched off"), "{link:?}");
    let page = town.browser().get(&format!("{}/sign-in", town.url())).await.text();
    assert!(!page.contains("one-time link"), "{page}");
    town.stop().await;
}

#[path = "provider/carried.rs"]
mod carried;
#[path = "provider/cut.rs"]
mod cut;
#[path = "provider/left_out.rs"]
mod left_out;
#[path = "provider/mixed.rs"]
mod mixed;
#[path = "provider/node.rs"]
mod node;
#[path = "provider/publishing.rs"]
mod publishing;
#[path = "provider/real.rs"]
mod real;
#[path = "provider/scopes.rs"]
mod scopes;
#[path = "provider/set_up.rs"]
mod set_up;
#[path = "provider/vouched.rs"]
mod vouched;
