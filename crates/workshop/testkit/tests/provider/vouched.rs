//! Whose say a sign-in at the provider is: who vouched for the session in which the account was connected, and for the
//! passkey that confirmed. Connecting is an act of its own; logging out there is a cut; made-up keys hammer nobody.

use super::{
    Answer, Browser, Engine, Provider, Signed, Town, Value, back, connected, connecting, json, me, signed_in, town,
};
use model::{Clock, ManualClock, SystemClock};
use std::{sync::Arc, time::Duration};
use testkit::{Disk, Form};

const OURS: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];

/// A new link for a person, made by this browser's operator, and a browser that opened it.
async fn by_link_of(town: &Town, operator: &Browser, email: &str) -> Browser {
    let body = json!({ "email": email, "groups": [] }).to_string();
    let added = operator.send("POST", &format!("{}/api/v1/people", town.url()), &OURS, body.as_bytes()).await;
    let link = added.json()["link"].as_str().unwrap_or_else(|| panic!("{added:?}")).to_owned();
    let browser = town.browser();
    assert_eq!(browser.post(&link, &[]).await.status, 303);
    browser
}

/// Another release of poll-notify that waits for a yes, asked for by this browser's person.
pub(super) async fn request(town: &Town, asker: &Browser, release: &str) -> String {
    let mut files = testkit::template("poll-notify", "poll-notify");
    files.push(("public/more.txt".to_owned(), release.to_owned().into()));
    let archive = catalog::Unpacked::of(files).unwrap().pack().unwrap();
    let sent = asker.send("POST", &format!("{}/api/v1/deploy?env=prod", town.url()), &OURS, &archive).await;
    sent.json()["request"].as_str().unwrap_or_else(|| panic!("{sent:?}")).to_owned()
}

async fn approval(town: &Town, browser: &Browser, request: &str) -> Value {
    let url = format!("{}/api/v1/requests/{request}/approve", town.url());
    let yes: Answer = browser.send("POST", &url, &OURS, br#"{"why":"read it"}"#).await;
    assert_eq!(yes.status, 200, "{yes:?}");
    yes.json()["approval"].clone()
}

async fn with_secret(provider: &Provider) -> (Town, Browser) {
    let town = town(provider).await;
    let secret = json!({ "app": "poll-notify", "env": "prod", "owner": "people-ops", "purpose": "posts to Slack",
        "expires": &SystemClock.now().plus(Duration::from_secs(40 * 86_400)).to_string()[..10],
        "hosts": ["slack.com"], "value": "xoxb-0123456789" });
    let put = town.machine("PUT", "/api/v1/secrets/people-ops/poll-notify-slack", secret.to_string().as_bytes()).await;
    assert_eq!(put.status, 200, "{put:?}");
    let (asker, _key) = town.person_with_passkey("olga@example.test", &["builders", "people-ops", "operators"]).await;
    (town, asker)
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_link_it_was_goes_through_single_sign_on() {
    let provider = Provider::start().await;
    let (town, asker) = with_secret(&provider).await;
    // Account and role are the machine's; the asker makes one new link, and whoever opens it connects an account.
    town.post("/api/v1/people", json!({ "email": "rita@example.test", "groups": ["reviewers"] })).await;
    let planted = by_link_of(&town, &asker, "rita@example.test").await;
    town.passkey(&planted).await;
    let home = connected(&town, &provider, &planted, json!({ "sub": "eve" })).await;
    assert!(home.status == 200 && home.text().contains("rita@example.test"), "{home:?}");

    let sso = town.browser();
    let home = signed_in(&town, &provider, &sso, json!({ "sub": "eve", "amr": ["mfa"] })).await;
    assert!(home.text().contains("rita@example.test"), "{home:?}");
    let yes = approval(&town, &sso, &request(&town, &asker, "one").await).await;
    assert_eq!((&yes["independent"], &yes["dependence"]), (&json!(false), &json!(["link"])), "{yes}");

    // Somebody for whom nobody but the provider vouches.
    let claims = json!({ "sub": "nora", "email": "nora@example.test", "amr": ["mfa"] });
    signed_in(&town, &provider, &town.browser(), claims.clone()).await;
    // A new link ends what was signed in; she comes in at the provider again.
    town.post("/api/v1/people", json!({ "email": "nora@example.test", "groups": ["reviewers"] })).await;
    let nora = town.browser();
    signed_in(&town, &provider, &nora, claims).await;
    let yes = approval(&town, &nora, &request(&town, &asker, "two").await).await;
    assert_eq!((&yes["independent"], &yes["dependence"]), (&json!(true), &json!([])), "{yes}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_somebody_vouched_for_vouches_for_what_it_confirms() {
    let provider = Provider::start().await;
    let (town, asker) = with_secret(&provider).await;
    town.post("/api/v1/people", json!({ "email": "rita@example.test", "groups": ["reviewers"] })).await;
    let planted = by_link_of(&town, &asker, "rita@example.test").await;
    let mut passkey = town.passkey(&planted).await;
    // Her own session began with the machine's link; the passkey that confirms it, with the asker's.
    let rita = town.person("rita@example.test", &[]).await;
    let waits = request(&town, &asker, "one").await;
    let page = format!("{}/requests/{waits}/approve", town.url());
    let asked = rita.submit(&page, &[("why".to_owned(), "read it".to_owned())]).await;
    assert_eq!(asked.status, 403, "{asked:?}");
    let form = Form::of(&asked.text());
    let answer = passkey.answer(&form.options);
    let went_on = rita.submit(&format!("{}{}", town.url(), form.action), &form.filled(&answer)).await;
    assert_eq!(went_on.status, 200, "{went_on:?}");
    let approved = town.get("/api/v1/requests?state=approved").await.json();
    assert_eq!(approved["requests"][0]["dependence"], json!(["link"]), "{approved}");
    // It is the row that says so: a server that begins anew knows it too.
    let town = town.restart(Disk::Room).await;
    let yes = approval(&town, &rita, &request(&town, &asker, "two").await).await;
    assert_eq!((&yes["independent"], &yes["dependence"]), (&json!(false), &json!(["link"])), "{yes}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_is_an_act_of_its_own_with_a_fresh_factor_on_both_sides() {
    let provider = Provider::start().await;
    let town = town(&provider).await;
    let weak = town.person("weak@example.test", &["staff"]).await;
    let refused = weak.submit(&format!("{}/me/provider", town.url()), &[]).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let (bo, _key) = town.person_with_passkey("bo@example.test", &["staff"]).await;
    let address = connecting(&town, &bo).await;
    assert!(address.contains("prompt=login") && address.contains("max_age=0"), "{address}");

    // Whoever was signed in there before proves nothing, nor does one of whom it is not said.
    let (old, none) = (SystemClock.now().as_secs() - 3_600, Value::Null);
    for auth_time in [json!(old), none] {
        let stale = connected(&town, &provider, &bo, json!({ "sub": "eve", "auth_time": auth_time })).await;
        assert!(stale.status == 403 && stale.text().contains("provider.not_anew"), "{stale:?}");
    }
    // What was begun here comes back to nobody else, not even to another session in the same browser.
    provider.says(json!({ "sub": "eve" }), Signed::ByPublishedKey);
    let address = connecting(&town, &bo).await;
    bo.submit(&format!("{}/sign-out", town.url()), &[]).await;
    let over = back(&town, &bo, &provider.approve(&address)).await;
    assert_eq!((over.status, me(&town, &bo).await.status), (403, 401), "{over:?}");
    assert!(town.events("provider.connect").await.iter().all(|event| event["outcome"] != "allowed"));

    let (cy, _key) = town.person_with_passkey("cy@example.test", &["staff"]).await;
    let home = connected(&town, &provider, &cy, json!({ "sub": "cy-there" })).await;
    assert!(home.status == 200 && home.text().contains("cy@example.test"), "{home:?}");
    let connected = town.events("provider.connect").await;
    let allowed: Vec<_> = connected.iter().filter(|event| event["outcome"] == "allowed").collect();
    assert_eq!(allowed.len(), 1, "{connected:?}");
    assert!(allowed[0]["user_id"].is_string() && allowed[0]["detail"]["before"] == false, "{allowed:?}");
    assert!(town.events("oidc.sign_in").await.iter().all(|event| event["outcome"] != "allowed"), "nobody signed in");
    let there = signed_in(&town, &provider, &town.browser(), json!({ "sub": "cy-there" })).await;
    assert!(there.text().contains("cy@example.test"), "{there:?}");
    town.stop().await;
}

fn logout(provider: &Provider, claims: Value, signed: Signed) -> String {
    let mut token = json!({
        "iss": provider.issuer(), "aud": "bailiwick", "iat": SystemClock.now().as_secs(), "jti": "j1",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    for (name, value) in claims.as_object().into_iter().flatten() {
        token[name] = value.clone();
    }
    provider.sign(&token, signed)
}

async fn send_logout(town: &Town, token: &str) -> u16 {
    let url = format!("{}/sign-in/provider/logout", town.url());
    town.browser().send("POST", &url, &[], format!("logout_token={token}").as_bytes()).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_there_does_not_wait_for_the_record() {
    let provider = Provider::start().await;
    let town = town(&provider).await;
    let (ana, bo) = (town.browser(), town.browser());
    signed_in(&town, &provider, &ana, json!({ "sid": "s1" })).await;
    signed_in(&town, &provider, &bo, json!({ "sub": "bo", "email": "bo@example.test", "sid": "s2" })).await;
    let town = town.restart(Disk::Full).await;
    assert_ne!(me(&town, &ana).await.status, 401, "she is signed in, though nothing can be recorded");
    let token = logout(&provider, json!({ "sid": "s1" }), Signed::ByPublishedKey);
    assert_eq!(send_logout(&town, &token).await, 200);
    assert_eq!(me(&town, &ana).await.status, 401);
    assert_ne!(me(&town, &bo).await.status, 401);
    assert_eq!(send_logout(&town, &token).await, 400, "a token ends sessions once");

    // A crash brings nothing back, before it is written and after.
    let town = town.crash(Disk::Full).await;
    assert_eq!(me(&town, &ana).await.status, 401);
    let town = town.crash(Disk::Room).await;
    let waiting = async {
        while town.get("/readyz").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the cut is written");
    assert_eq!((me(&town, &ana).await.status, me(&town, &bo).await.status), (401, 200));
    let written = town.events("oidc.logout").await;
    let written: Vec<_> = written.iter().filter(|event| event["outcome"] == "allowed").collect();
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(written[0]["detail"]["written_late_at"].is_string(), "{written:?}");
    assert_eq!(written[0]["detail"]["sessions"].as_array().map(Vec::len), Some(1), "{written:?}");
    assert_eq!(send_logout(&town, &token).await, 400, "nor does it after a crash");
    // By its person, where the provider names no session.
    let token = logout(&provider, json!({ "sub": "bo", "jti": "j2" }), Signed::ByPublishedKey);
    assert_eq!((send_logout(&town, &token).await, me(&town, &bo).await.status), (200, 401));
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_made_up_hammer_nobody() {
    let provider = Provider::start().await;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, &provider.config(""), clock.clone()).await;
    let made_up = |n: usize| logout(&provider, json!({ "sid": "s", "jti": n.to_string() }), Signed::ByNewKey);
    for asked in 1..=2 {
        for n in 0..20 {
            assert_eq!(send_logout(&town, &made_up(n)).await, 400);
        }
        assert_eq!(provider.asked(), asked, "once, whatever is sent");
        clock.advance(Duration::from_secs(11));
    }
    // A key that the provider really began to use is found, once it may be looked for.
    provider.publish();
    provider.says(json!({}), Signed::ByNewKey);
    let ana = town.browser();
    let address = super::off(&town, &ana).await;
    let home = back(&town, &ana, &provider.approve(&address)).await;
    assert_eq!((home.status, provider.asked()), (200, 3), "{home:?}");

    // One that it withdrew signs nobody in, once its keys are read again; however good the token is.
    provider.withdraw();
    clock.advance(Duration::from_secs(301));
    let now = clock.now().as_secs();
    let late = json!({ "iat": now, "exp": now + 60, "auth_time": now });
    for (signed, status) in [(Signed::ByPublishedKey, 403), (Signed::ByNewKey, 200)] {
        let browser = town.browser();
        provider.says(late.clone(), signed);
        let address = super::off(&town, &browser).await;
        assert_eq!(back(&town, &browser, &provider.approve(&address)).await.status, status, "{signed:?}");
    }
    town.stop().await;
}
