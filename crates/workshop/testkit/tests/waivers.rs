//! Waivers from outside: who may agree to one and who may not; what is waived is live and shown, in terminal, page and
//! request; on its day the rule holds again and names whoever agreed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, ManualClock, SystemClock};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use testkit::{Answer, Browser, Engine, Town, archive, manifest};

const OURS: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];
const DAY: Duration = Duration::from_secs(86_400);
const APP: &str = "export default { fetch() { return new Response('hello'); } };";
/// More than the shipped policy lets anybody keep.
const LONG: &str = "[data.votes]\nretain = \"400d\"\nfields.who = { class = \"personal\" }\n";

fn day(ahead: u32) -> String {
    SystemClock.now().plus(DAY * ahead).to_string()[..10].to_owned()
}

async fn call(town: &Town, browser: &Browser, path: &str, body: Value) -> Answer {
    browser.send("POST", &format!("{}{path}", town.url()), &OURS, body.to_string().as_bytes()).await
}

fn files(code: &str) -> bytes::Bytes {
    let manifest = manifest("poll", LONG).replace("class = \"internal\"", "class = \"personal\"");
    archive(&[("bailiwick.toml", &manifest), ("app.js", code)])
}

async fn deploy(town: &Town, browser: &Browser, code: &str) -> Answer {
    browser.send("POST", &format!("{}/api/v1/deploy?env=prod", town.url()), &OURS, &files(code)).await
}

fn wish(code: &str, until: &str) -> Value {
    json!({ "app": "poll", "team": "people-ops", "code": code, "until": until, "why": "the court asks for it" })
}

fn code(answer: &Answer) -> String {
    let document = answer.json();
    let code = document.get("problem").unwrap_or(&document)["code"].clone();
    code.as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn a_waiver_from_beginning_to_end(engine: Engine) {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(engine, "", Arc::clone(&clock) as _).await;
    let bea = town.person("bea@example.test", &["builders", "people-ops", "staff"]).await;
    let (rita, _key) = town.person_with_passkey("rita@example.test", &["reviewers"]).await;
    assert_eq!(code(&deploy(&town, &bea, APP).await), "policy.retention");

    // Not hers, nor the machine's alone, nor by a link alone, nor what nobody may waive.
    let granted =
        async |browser: &Browser, code: &str| call(&town, browser, "/api/v1/waivers", wish(code, &day(9))).await;
    assert_eq!(code(&granted(&bea, "policy.retention").await), "role.missing");
    assert_eq!(code(&town.post("/api/v1/waivers", wish("policy.retention", &day(9))).await), "machine.break_glass");
    let rex = town.person("rex@example.test", &["reviewers"]).await;
    assert_eq!(code(&granted(&rex, "policy.retention").await), "second_factor.needed");
    let never = granted(&rita, "secret.found").await;
    assert_eq!((never.status, code(&never)), (422, "waiver.never".to_owned()), "{never:?}");
    let denied = town.events("waiver.grant").await;
    assert!(denied.len() == 3 && denied.iter().all(|event| event["outcome"] == "denied"), "{denied:?}");

    // Agreed to before there is an app; the deploy takes it, and waits for the yes that its tier asks for.
    let waiver = granted(&rita, "policy.retention").await;
    assert_eq!((waiver.status, &waiver.json()["user"]), (200, &json!("rita@example.test")), "{waiver:?}");
    let waits = deploy(&town, &bea, APP).await.json();
    let waived = waits["findings"][0]["waiver"].clone();
    assert_eq!(
        (&waits["findings"][0]["code"], &waived["state"]),
        (&json!("policy.retention"), &json!("active")),
        "{waits}"
    );
    assert_eq!((&waived["user"], &waived["why"]), (&json!("rita@example.test"), &json!("the court asks for it")));
    let request = waits["request"].as_str().unwrap_or_else(|| panic!("{waits}")).to_owned();
    let page = rita.get(&format!("{}/requests/{request}", town.url())).await.text();
    for said in ["EXCEPTION", "Waived by rita@example.test", "the court asks for it", "What is waived for poll"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let yes = call(&town, &rita, &format!("/api/v1/requests/{request}/approve"), json!({ "why": "read it" })).await;
    assert_eq!(yes.json()["status"], "live", "{yes:?}");

    // Her own release it would be, from now on.
    let (olga, _key) =
        town.person_with_passkey("olga@example.test", &["operators", "reviewers", "builders", "people-ops"]).await;
    let hers = call(&town, &olga, "/api/v1/waivers", wish("policy.retention", &day(5))).await;
    assert_eq!(hers.status, 200, "bea deployed it: {hers:?}");
    assert_eq!(code(&deploy(&town, &olga, APP).await), "policy.retention", "her own waiver holds nothing off for her");
    assert_eq!(deploy(&town, &bea, APP).await.status, 202, "and does for others");
    let all = town.get("/api/v1/waivers?app=poll").await.json()["waivers"].clone();
    let states: Vec<_> = all.as_array().unwrap().iter().map(|waiver| waiver["state"].clone()).collect();
    assert_eq!(states, ["active", "ended"], "{all}");

    on_the_pages(&town, &olga, all[0]["id"].as_str().unwrap()).await;

    // The day comes.
    let rita_again = call(&town, &rita, "/api/v1/waivers", wish("policy.retention", &day(3))).await;
    assert_eq!(rita_again.status, 200, "{rita_again:?}");
    clock.advance(DAY * 4);
    let blocked = town.machine("POST", "/api/v1/deploy?env=prod", &files(&format!("{APP} "))).await;
    let problem = blocked.json()["problem"].clone();
    assert_eq!(problem["code"], "policy.retention", "{blocked:?}");
    let why = problem["why"].as_str().unwrap();
    assert!(why.contains("the waiver that `rita@example.test` agreed to ended on"), "{why}");
    let late = town.person("late@example.test", &["operators"]).await;
    let page = late.get(&format!("{}/apps/poll", town.url())).await.text();
    assert!(page.contains("lapsed") && page.contains("Its last day was"), "{page}");
    assert!(late.get(&format!("{}/policy", town.url())).await.text().contains("every rule holds for every app"));
    town.stop().await;
}

/// The page of the app lists it, ends it by a form without script, and grants another.
async fn on_the_pages(town: &Town, olga: &Browser, waiver: &str) {
    let url = format!("{}/apps/poll", town.url());
    let page = olga.get(&url).await.text();
    for said in [
        "What is waived for it",
        "olga@example.test agreed to it",
        "Waive a rule for it",
        "bailiwick waivers grant poll",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let without = olga.post(&format!("{url}/waivers/{waiver}/end"), &[("why", " ")]).await;
    assert_eq!(without.status, 400, "{without:?}");
    let ended = olga.post(&format!("{url}/waivers/{waiver}/end"), &[("why", "it is mended")]).await;
    assert!(ended.status == 200 && ended.text().contains("bailiwick waivers end"), "{ended:?}");
    let form = [("code", "policy.broad_secret"), ("until", &day(2)[..]), ("why", "one <week>")];
    let granted = olga.post(&format!("{url}/waivers"), &form).await;
    assert!(granted.status == 200 && granted.text().contains("waived for"), "{granted:?}");
    let page = olga.get(&url).await.text();
    assert!(page.contains("policy.broad_secret") && page.contains("one &#60;week&#62;"), "{page}");
    let all = olga.get(&format!("{}/policy", town.url())).await.text();
    for said in ["What is waived now", "href=\"/apps/poll#waivers\"", "policy.broad_secret", "olga@example.test"] {
        assert!(all.contains(said), "{said}: {all}");
    }
    assert!(!all.contains("<code>policy.retention</code> <span"), "what was ended holds nothing off: {all}");
    let staff = town.person("staff@example.test", &["staff"]).await;
    assert!(!staff.get(&format!("{}/policy", town.url())).await.text().contains("What is waived now"));
    let events = town.events("waiver.end").await;
    assert_eq!((events.len(), &events[0]["why"]), (1, &json!("it is mended")), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiver_from_beginning_to_end_on_sqlite() {
    a_waiver_from_beginning_to_end(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiver_from_beginning_to_end_on_postgres() {
    a_waiver_from_beginning_to_end(Engine::Postgres).await;
}
