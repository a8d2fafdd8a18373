//! People: passkeys made, used, lied about and lost; acts that go on once they are confirmed; yeses that say whose
//! they are; every way in, on the record; which apps a list names to whom.
//!
//! size: one story of people, whose steps share their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, ManualClock, SystemClock};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use testkit::{Answer, Browser, Engine, Form, Passkey, Town};

type Fields = Vec<(String, String)>;

/// The form of the sign-in page.
async fn sign_in_form(town: &Town, browser: &Browser) -> Form {
    Form::of(&browser.get(&format!("{}/sign-in", town.url())).await.text())
}

async fn send(town: &Town, browser: &Browser, form: &Form, answer: &Value) -> Answer {
    browser.submit(&format!("{}{}", town.url(), form.action), &form.filled(answer)).await
}

async fn me(town: &Town, browser: &Browser) -> Answer {
    browser.get(&format!("{}/me", town.url())).await
}

async fn made_used_removed(engine: Engine) {
    let town = Town::start(engine).await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    let before = me(&town, &ana).await.text();
    assert!(before.contains("You have none") && before.contains("has no second factor"), "{before}");
    let cookie = ana.cookies("localhost");
    let mut passkey = town.passkey(&ana).await;
    assert_ne!(ana.cookies("localhost"), cookie, "what proves more gets another cookie");
    let after = me(&town, &ana).await.text();
    assert!(after.contains("confirmed with a second factor"), "{after}");

    // Another browser signs in with it, from the sign-in page, without a name.
    let phone = town.browser();
    let form = sign_in_form(&town, &phone).await;
    let answer = passkey.answer(&form.options);
    let signed = send(&town, &phone, &form, &answer).await;
    assert_eq!(signed.status, 200, "{signed:?}");
    assert!(me(&town, &phone).await.text().contains("ana@example.test"));

    // The same answer again, in the same browser and in another: it was spent.
    for browser in [&phone, &town.browser()] {
        let again = send(&town, browser, &form, &answer).await;
        assert_eq!(again.status, 410, "{again:?}");
    }

    // A second passkey, then the first is removed; each asks for no more, since the factor is fresh.
    let second = town.passkey(&ana).await;
    assert_ne!(second.id, passkey.id);
    let page = me(&town, &ana).await.text();
    let id = page.split("/me/passkeys/").nth(1).unwrap().split('/').next().unwrap();
    let removed = ana.submit(&format!("{}/me/passkeys/{id}/remove", town.url()), &[]).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    let tablet = town.browser();
    let form = sign_in_form(&town, &tablet).await;
    assert_eq!(send(&town, &tablet, &form, &passkey.answer(&form.options)).await.status, 403);

    let signed = town.events("passkey.sign_in").await;
    let of = |outcome: &str| signed.iter().filter(|event| event["outcome"] == outcome).count();
    assert_eq!(of("allowed"), 1, "{signed:?}");
    let event = signed.iter().find(|event| event["outcome"] == "allowed").unwrap();
    assert_eq!(event["detail"]["method"], "passkey", "{event}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_made_used_and_removed_on_sqlite() {
    made_used_removed(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_made_used_and_removed_on_postgres() {
    made_used_removed(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lie_of_an_authenticator_is_refused() {
    let town = Town::start(Engine::Sqlite).await;
    let (_, mut passkey) = town.person_with_passkey("ana@example.test", &["staff"]).await;
    let (bo, mut of_bo) = town.person_with_passkey("bo@example.test", &["staff"]).await;
    let browser = town.browser();
    let honest = (town.url(), "localhost".to_owned());
    type Bend = fn(&mut Passkey);
    let lies: [(&str, Bend, &str); 5] = [
        ("another origin", |key| key.origin = "http://evil.localhost:7070".to_owned(), "origin"),
        ("another host", |key| key.host = "evil.example".to_owned(), "host"),
        ("nobody looked", |key| key.verifies = false, "not_verified"),
        ("another person's handle", |key| key.user = vec![7; 16], "person"),
        ("a copy that was left behind", |key| key.counter = 0, "counter"),
    ];
    for (lie, bend, reason) in lies {
        let (counter, user) = (passkey.counter, passkey.user.clone());
        bend(&mut passkey);
        let form = sign_in_form(&town, &browser).await;
        let answer = if reason == "counter" {
            // As many uses as when it was made.
            passkey.counter = 1;
            passkey.answer_without_counting(&form.options)
        } else {
            passkey.answer(&form.options)
        };
        let refused = send(&town, &browser, &form, &answer).await;
        assert_eq!(refused.status, 403, "{lie}: {refused:?}");
        let events = town.events("passkey.sign_in").await;
        assert_eq!(events[0]["detail"]["reason"], reason, "{lie}: {}", events[0]);
        assert_eq!((&events[0]["outcome"], &events[0]["detail"]["method"]), (&json!("denied"), &json!("passkey")));
        (passkey.origin, passkey.host) = honest.clone();
        (passkey.counter, passkey.user, passkey.verifies) = (passkey.counter.max(counter), user, true);
    }
    // A challenge of another browser; one that was bent; an answer to another challenge.
    let other = town.browser();
    let form = sign_in_form(&town, &browser).await;
    sign_in_form(&town, &other).await;
    let answer = passkey.answer(&form.options);
    assert_eq!(send(&town, &other, &form, &answer).await.status, 410);
    let mut bent = form.clone();
    for (name, value) in &mut bent.fields {
        if name == "passkey-ceremony" {
            value.replace_range(10..11, if value.as_bytes()[10] == b'A' { "B" } else { "A" });
        }
    }
    assert_eq!(send(&town, &browser, &bent, &answer).await.status, 410);
    let next = sign_in_form(&town, &browser).await;
    assert_eq!(send(&town, &browser, &next, &answer).await.status, 403, "an answer to another challenge");
    // The state of signing in does not open for confirming.
    let confirm = format!("{}/sign-in/confirm?to=/", town.url());
    let crossed = bo.submit(&confirm, &next.filled(&of_bo.answer(&next.options))).await;
    assert_eq!(crossed.status, 410, "{crossed:?}");
    // Nothing of this signed anybody in, and the honest key still does.
    assert_eq!(me(&town, &browser).await.status, 401);
    let form = sign_in_form(&town, &browser).await;
    assert_eq!(send(&town, &browser, &form, &passkey.answer(&form.options)).await.status, 200);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_signs_nobody_in_and_confirms_nothing() {
    let town = Town::start(Engine::Sqlite).await;
    let (ana, mut passkey) = town.person_with_passkey("ana@example.test", &["staff"]).await;
    let browser = town.browser();
    let form = sign_in_form(&town, &browser).await;
    let body = body(&form.filled(&passkey.answer(&form.options)));
    for (browser, path) in [(&browser, form.action.as_str()), (&ana, "/sign-in/confirm"), (&ana, "/me/passkeys")] {
        for site in ["cross-site", "same-site"] {
            let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", site)];
            let sent = browser.send("POST", &format!("{}{path}", town.url()), &headers, body.as_bytes()).await;
            assert_eq!(sent.status, 403, "{path} {site}: {sent:?}");
            assert!(sent.text().contains("request.cross_site"), "{sent:?}");
        }
    }
    town.stop().await;
}

fn body(fields: &Fields) -> String {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_goes_on_once_it_is_confirmed() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await;
    let (ana, mut passkey) = town.person_with_passkey("ana@example.test", &["staff"]).await;
    let (_, mut of_bo) = town.person_with_passkey("bo@example.test", &["staff"]).await;
    let second = town.passkey(&ana).await;
    let page = me(&town, &ana).await.text();
    let id = page.split("/me/passkeys/").nth(2).unwrap().split('/').next().unwrap().to_owned();
    clock.advance(Duration::from_secs(601));

    // Ten minutes later the same act asks first. The page carries what was sent, but for what is secret.
    let path = format!("/me/passkeys/{id}/remove");
    let sent = [("why".to_owned(), "lost it".to_owned()), ("value".to_owned(), "hunter2".to_owned())];
    let asked = ana.submit(&format!("{}{path}", town.url()), &sent).await;
    assert_eq!(asked.status, 403);
    let text = asked.text();
    assert!(text.contains("Confirm that it is you") && !text.contains("hunter2"), "{text}");
    assert!(asked.header("content-security-policy").unwrap().contains("script-src 'self'"));
    let form = Form::of(&text);
    assert!(form.fields.contains(&sent[0]), "{form:?}");
    assert!(form.fields.iter().any(|(name, value)| name == "value" && value.is_empty()), "{form:?}");
    let allowed = form.options["allowCredentials"].as_array().unwrap();
    assert!(allowed.len() == 2 && allowed.iter().all(|key| key["id"].is_string()), "{allowed:?}");
    assert!(me(&town, &ana).await.text().contains(&id), "nothing has happened yet");

    // Another person's passkey confirms nothing.
    let wrong = send(&town, &ana, &form, &of_bo.answer(&form.options)).await;
    assert_eq!(wrong.status, 403, "{wrong:?}");
    assert!(me(&town, &ana).await.text().contains(&id));
    assert!(wrong.text().contains("passkey.refused"), "{wrong:?}");

    // One's own does, and the very act goes on.
    let done = send(&town, &ana, &form, &passkey.answer(&form.options)).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert!(!me(&town, &ana).await.text().contains(&id), "it went on");
    drop(second);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_passkey_makes_one_and_goes_on() {
    let town = Town::start(Engine::Sqlite).await;
    let olga = town.person("olga@example.test", &["operators"]).await;
    let refused = olga
        .send(
            "POST",
            &format!("{}/api/v1/people", town.url()),
            &[("sec-fetch-site", "same-origin")],
            br#"{"email":"x@example.test","groups":[]}"#,
        )
        .await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("second_factor.needed")), "{refused:?}");
    town.passkey(&olga).await;
    let added = olga
        .send(
            "POST",
            &format!("{}/api/v1/people", town.url()),
            &[("sec-fetch-site", "same-origin")],
            br#"{"email":"x@example.test","groups":[]}"#,
        )
        .await;
    assert_eq!(added.status, 200, "{added:?}");
    // Nobody gives themself a role.
    let own = olga
        .send(
            "POST",
            &format!("{}/api/v1/people/groups", town.url()),
            &[("sec-fetch-site", "same-origin")],
            br#"{"email":"olga@example.test","join":["reviewers"]}"#,
        )
        .await;
    assert_eq!((own.status, own.json()["code"].as_str()), (403, Some("approval.own")), "{own:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_link_is_recovery_and_is_told() {
    let town = Town::start(Engine::Sqlite).await;
    let (ana, mut lost) = town.person_with_passkey("ana@example.test", &["staff"]).await;
    let again = town.person("ana@example.test", &[]).await;
    assert_eq!(me(&town, &ana).await.status, 401, "the sessions before are over");
    let offer = again.get(&format!("{}/me/passkeys/new", town.url())).await.text();
    assert!(offer.contains("takes the place of the passkeys that you had"), "{offer}");
    let mut new = town.passkey(&again).await;
    let page = me(&town, &again).await.text();
    assert!(page.contains("It was made by tester on the server") && page.contains("used "), "{page}");
    let browser = town.browser();
    let form = sign_in_form(&town, &browser).await;
    assert_eq!(send(&town, &browser, &form, &lost.answer(&form.options)).await.status, 403, "the lost one is gone");
    let form = sign_in_form(&town, &browser).await;
    assert_eq!(send(&town, &browser, &form, &new.answer(&form.options)).await.status, 200);
    let added = town.events("person.add").await;
    assert_eq!(added[0]["detail"]["recovery"], true, "{}", added[0]);
    town.stop().await;
}

/// An app of files, with one folder that needs a second factor.
async fn papers(town: &Town) {
    let expires = SystemClock.now().plus(Duration::from_secs(80 * 86_400)).to_string();
    let toml = format!(
        "[app]\nname = \"papers\"\nteam = \"people-ops\"\npurpose = \"Shows papers to colleagues\"\nexpires = \"{}\"\nclass = \"internal\"\n[runtime]\nprofile = \"static\"\nmain = \"public/index.html\"\nassets = \"public\"\n[access]\nuse = [\"everyone\"]\nmfa = [\"/export/**\"]\n",
        &expires[..10]
    );
    let page = "<!doctype html><title>papers</title><p>All papers</p>";
    let files = [
        ("bailiwick.toml", toml.as_str()),
        ("public/index.html", page),
        ("public/export/all.html", "<!doctype html><p>Every paper</p>"),
    ];
    let deployed = town.deploy(&files).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_page_that_asks_for_a_second_factor_gets_one_and_is_shown() {
    let town = Town::start(Engine::Sqlite).await;
    papers(&town).await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    let url = town.app("papers");
    assert!(ana.open(&format!("{url}/")).await.text().contains("All papers"));
    let asked = ana.open(&format!("{url}/export/all.html")).await;
    assert!(asked.status == 403 && asked.text().contains("You have no passkey yet"), "{asked:?}");
    let form = Form::of(&asked.text());
    let (_passkey, answer) = Passkey::make(&form.options, &town.url());
    let going = send(&town, &ana, &form, &answer).await;
    let text = going.text();
    let to = text.split("url=").nth(1).unwrap_or_else(|| panic!("{going:?}")).split('"').next().unwrap();
    let to = to.replace("&amp;", "&").replace("&#38;", "&");
    let shown = ana.open(&format!("{}{to}", town.url())).await;
    assert!(shown.status == 200 && shown.text().contains("Every paper"), "{shown:?}");
    town.stop().await;
}

/// A request of poll-notify, deployed by this browser's person, that waits.
async fn waiting(town: &Town, browser: &Browser) -> String {
    let archive = testkit::bundle("poll-notify", "poll-notify");
    let url = format!("{}/api/v1/deploy?env=prod", town.url());
    let deployed = browser.send("POST", &url, &[("sec-fetch-site", "same-origin")], &archive).await;
    assert_eq!(deployed.json()["status"], "waiting", "{deployed:?}");
    deployed.json()["request"].as_str().unwrap().to_owned()
}

async fn approve(town: &Town, browser: &Browser, request: &str) -> Answer {
    let url = format!("{}/api/v1/requests/{request}/approve", town.url());
    browser.send("POST", &url, &[("sec-fetch-site", "same-origin")], br#"{"why":"read it"}"#).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_person_says_yes_and_whose_it_is_stands_there() {
    let town = Town::start(Engine::Sqlite).await;
    let put = town
        .machine(
            "PUT",
            "/api/v1/secrets/people-ops/poll-notify-slack",
            json!({ "app": "poll-notify", "env": "prod", "owner": "people-ops", "purpose": "posts to Slack",
                "expires": &SystemClock.now().plus(Duration::from_secs(40 * 86_400)).to_string()[..10],
                "hosts": ["slack.com"], "value": "xoxb-0123456789" })
            .to_string()
            .as_bytes(),
        )
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    let (asker, _key) =
        town.person_with_passkey("olga@example.test", &["builders", "people-ops", "operators", "reviewers"]).await;
    let request = waiting(&town, &asker).await;
    // Not by oneself; not by a link alone.
    let own = approve(&town, &asker, &request).await;
    assert_eq!((own.status, own.json()["code"].as_str()), (403, Some("approval.own")), "{own:?}");
    let rita = town.person("rita@example.test", &["reviewers"]).await;
    let by_link = approve(&town, &rita, &request).await;
    assert_eq!((by_link.status, by_link.json()["code"].as_str()), (403, Some("second_factor.needed")), "{by_link:?}");

    // By somebody whom the asker added and gave the role: allowed, and shown as not independent.
    let add = format!("{}/api/v1/people", town.url());
    let body = br#"{"email":"puppet@example.test","groups":["reviewers"]}"#;
    let added = asker.send("POST", &add, &[("sec-fetch-site", "same-origin")], body).await;
    let link = added.json()["link"].as_str().unwrap_or_else(|| panic!("{added:?}")).to_owned();
    let puppet = town.browser();
    assert_eq!(puppet.post(&link, &[]).await.status, 303);
    town.passkey(&puppet).await;
    let yes = approve(&town, &puppet, &request).await;
    assert_eq!(yes.status, 200, "{yes:?}");
    let approval = yes.json()["approval"].clone();
    assert_eq!(approval["independent"], false, "{approval}");
    assert_eq!(approval["dependence"], json!(["account", "link", "role"]), "{approval}");
    let shown = town.get("/api/v1/requests?state=approved").await.json();
    assert_eq!(shown["requests"][0]["independent"], false, "{shown}");

    // Another release, and somebody independent.
    town.passkey(&rita).await;
    let archive = {
        let mut files = testkit::template("poll-notify", "poll-notify");
        files.push(("public/more.txt".to_owned(), "more".into()));
        catalog_pack(files)
    };
    let url = format!("{}/api/v1/deploy?env=prod", town.url());
    let again = asker.send("POST", &url, &[("sec-fetch-site", "same-origin")], &archive).await;
    let request = again.json()["request"].as_str().unwrap_or_else(|| panic!("{again:?}")).to_owned();
    let yes = approve(&town, &rita, &request).await;
    assert_eq!((yes.status, &yes.json()["approval"]["independent"]), (200, &json!(true)), "{yes:?}");
    town.stop().await;
}

fn catalog_pack(files: Vec<(String, bytes::Bytes)>) -> bytes::Bytes {
    catalog::Unpacked::of(files).unwrap().pack().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_seen_and_ended() {
    let town = Town::start(Engine::Sqlite).await;
    let (ana, mut passkey) = town.person_with_passkey("ana@example.test", &["staff"]).await;
    let (phone, bo) = (town.browser(), town.person("bo@example.test", &["staff"]).await);
    for browser in [&phone, &town.browser()] {
        let form = sign_in_form(&town, browser).await;
        assert_eq!(send(&town, browser, &form, &passkey.answer(&form.options)).await.status, 200);
    }
    let page = me(&town, &ana).await.text();
    assert_eq!(page.matches("/end\"").count(), 3, "two others, and all others: {page}");
    // Another person's session does not end by its id.
    let one = page.split("/me/sessions/").skip(1).find(|rest| !rest.starts_with("end\""));
    let id = one.unwrap().split('/').next().unwrap();
    let url = format!("{}/me/sessions/{id}/end", town.url());
    assert_eq!(bo.submit(&url, &[]).await.status, 401);
    assert_eq!(me(&town, &ana).await.text().matches("/end\"").count(), 3);
    let left = ana.submit(&url, &[]).await.text();
    assert_eq!(left.matches("/end\"").count(), 2, "{left}");
    ana.submit(&format!("{}/me/sessions/end", town.url()), &[]).await;
    assert_eq!((me(&town, &phone).await.status, me(&town, &ana).await.status), (401, 200));
    // Switched off: over everywhere, at once.
    town.post("/api/v1/people/disable", json!({ "email": "ana@example.test" })).await;
    assert_eq!(me(&town, &ana).await.status, 401);
    let form = sign_in_form(&town, &phone).await;
    assert_eq!(send(&town, &phone, &form, &passkey.answer(&form.options)).await.status, 403);
    town.stop().await;
}

/// What a command line prints, once it has asked for it.
async fn begun(town: &Town, secret: &seal::Token) -> String {
    let body = json!({ "login": secret.hash() }).to_string();
    let begun = town.browser().send("POST", &format!("{}/login/begin", town.url()), &[], body.as_bytes()).await;
    begun.json()["address"].as_str().unwrap_or_else(|| panic!("{begun:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logins_address_runs_out_and_asks_for_what_its_person_can_show() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", clock.clone()).await;
    let (login, take) = (format!("{}/login", town.url()), format!("{}/login/take", town.url()));
    let secret = seal::Token::generate();
    let address = begun(&town, &secret).await;
    let to = address.split("to=").nth(1).unwrap().to_owned();
    let (ana, mut key) = town.person_with_passkey("ana@example.test", &["auditors"]).await;
    let bo = town.person("bo@example.test", &["operators"]).await;
    // Made elsewhere, bent, or too old: nothing is confirmed.
    let later = to.replacen('.', ".9", 1);
    for bent in [secret.hash().to_string(), later, to[..to.len() - 1].to_owned()] {
        let sent = ana.submit(&login, &[("login".to_owned(), bent)]).await;
        assert!(sent.status == 400 && sent.text().contains("login.address"), "{sent:?}");
    }
    clock.advance(Duration::from_secs(601));
    for sent in [ana.get(&address).await, ana.submit(&login, &[("login".to_owned(), to)]).await] {
        assert!(sent.status == 410 && sent.text().contains("login.expired"), "{sent:?}");
    }
    let body = json!({ "secret": secret.expose() }).to_string();
    assert_eq!(town.browser().send("POST", &take, &[], body.as_bytes()).await.status, 202, "nobody confirmed it");

    // Whoever has a passkey shows it, in place; her factor is older than ten minutes by now.
    let secret = seal::Token::generate();
    let to = begun(&town, &secret).await.split("to=").nth(1).unwrap().to_owned();
    let asked = ana.submit(&login, &[("login".to_owned(), to)]).await;
    assert_eq!(asked.status, 403, "{asked:?}");
    let form = Form::of(&asked.text());
    let answer = key.answer(&form.options);
    let done = ana.submit(&format!("{}{}", town.url(), form.action), &form.filled(&answer)).await;
    assert!(done.text().contains("The terminal is signed in"), "{done:?}");

    // Who has none signs a terminal in that has none either, by an act of its own.
    let secret = seal::Token::generate();
    let to = begun(&town, &secret).await.split("to=").nth(1).unwrap().to_owned();
    assert!(bo.submit(&login, &[("login".to_owned(), to)]).await.text().contains("The terminal is signed in"));
    let body = json!({ "secret": secret.expose() }).to_string();
    let taken = town.browser().send("POST", &take, &[], body.as_bytes()).await.json();
    let token = format!("Bearer {}", taken["token"].as_str().unwrap_or_else(|| panic!("{taken}")));
    let people = format!("{}/api/v1/people", town.url());
    let add = br#"{"email":"cy@example.test","groups":[]}"#;
    let weak = town.browser().send("POST", &people, &[("authorization", &token)], add).await;
    assert_eq!((weak.status, weak.json()["code"].as_str()), (403, Some("second_factor.needed")), "{weak:?}");
    for (action, times) in [("login.confirm", 1), ("login.confirm_weak", 1), ("login.take", 1)] {
        let listed = ana.get(&format!("{}/api/v1/events?action={action}&outcome=allowed", town.url())).await.json();
        assert_eq!(listed["events"].as_array().map(Vec::len), Some(times), "{action}: {listed}");
    }
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_signs_in_with_a_code_that_both_sides_show() {
    let town = Town::start(Engine::Sqlite).await;
    let (ana, _key) = town.person_with_passkey("ana@example.test", &["staff", "builders"]).await;
    let secret = seal::Token::generate();
    let address = begun(&town, &secret).await;
    let to = address.split("to=").nth(1).unwrap().to_owned();
    let take = format!("{}/login/take", town.url());
    let body = json!({ "secret": secret.expose() }).to_string();
    let terminal = town.browser();
    let asked = terminal.send("POST", &take, &[], body.as_bytes()).await;
    assert_eq!((asked.status, &asked.json()["waiting"]), (202, &json!(true)), "{asked:?}");
    let code = asked.json()["code"].as_str().unwrap().to_owned();

    // Looking confirms nothing, and another site confirms nothing.
    assert!(ana.get(&address).await.text().contains(&code));
    let fields = [("login".to_owned(), to.clone())];
    let login = format!("{}/login", town.url());
    let foreign = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    let sent = ana.send("POST", &login, &foreign, format!("login={to}").as_bytes()).await;
    assert_eq!(sent.status, 403, "{sent:?}");
    assert_eq!(terminal.send("POST", &take, &[], body.as_bytes()).await.status, 202);
    assert!(ana.submit(&login, &fields).await.text().contains("The terminal is signed in"));
    let taken = terminal.send("POST", &take, &[], body.as_bytes()).await;
    assert_eq!((taken.status, &taken.json()["person"]), (200, &json!("ana@example.test")), "{taken:?}");
    assert_eq!(terminal.send("POST", &take, &[], body.as_bytes()).await.status, 202, "taken once");

    // It calls the API as her; it is no cookie of the console; it ends from there and from here.
    let token = format!("Bearer {}", taken.json()["token"].as_str().unwrap());
    let whoami = format!("{}/api/v1/whoami", town.url());
    let call = |token: String| {
        let (terminal, whoami) = (town.browser(), whoami.clone());
        async move { terminal.send("GET", &whoami, &[("authorization", &token)], b"").await }
    };
    let who = call(token.clone()).await;
    assert_eq!((who.status, &who.json()["session"]["method"]), (200, &json!("login")), "{who:?}");
    let cookies = ana.cookies("localhost");
    let name = cookies.split("; ").find(|pair| !pair.contains("begin")).unwrap().split('=').next().unwrap().to_owned();
    let cookie = format!("{name}={}", taken.json()["token"].as_str().unwrap());
    let as_cookie = terminal.send("GET", &format!("{}/me", town.url()), &[("cookie", &cookie)], b"").await;
    assert_eq!(as_cookie.status, 401, "{as_cookie:?}");
    assert!(me(&town, &ana).await.text().contains("command line"));
    let out = terminal.send("POST", &format!("{}/api/v1/logout", town.url()), &[("authorization", &token)], b"").await;
    assert_eq!(out.status, 200, "{out:?}");
    let over = call(token).await;
    assert_eq!((over.status, over.json()["code"].as_str()), (401, Some("login.over")), "{over:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_asked_for_given_by_another_and_ends_by_itself() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await;
    let (olga, _key) = town.person_with_passkey("olga@example.test", &["operators"]).await;
    let (rita, mut of_rita) = town.person_with_passkey("rita@example.test", &["staff"]).await;
    let day = |days: u64| SystemClock.now().plus(Duration::from_secs(days * 86_400)).to_string()[..10].to_owned();
    let url = format!("{}/api/v1/roles", town.url());
    let ours = [("sec-fetch-site", "same-origin")];
    let ask = |browser: Browser, role: &'static str, until: String| {
        let url = url.clone();
        async move {
            let body = json!({ "role": role, "until": until, "why": "the audit of this week" }).to_string();
            let answer = browser.send("POST", &url, &[("sec-fetch-site", "same-origin")], body.as_bytes()).await;
            (browser, answer)
        }
    };
    let (rita, far) = ask(rita, "auditors", day(120)).await;
    assert_eq!((far.status, far.json()["code"].as_str()), (422, Some("role.date")), "{far:?}");
    let (rita, none) = ask(rita, "kings", day(2)).await;
    assert_eq!((none.status, none.json()["code"].as_str()), (400, Some("role.unknown")), "{none:?}");
    let (rita, asked) = ask(rita, "auditors", day(2)).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let id = asked.json()["id"].as_str().unwrap().to_owned();
    let (olga, own) = ask(olga, "auditors", day(2)).await;
    let own = own.json()["id"].as_str().unwrap().to_owned();
    let grant = |id: &str| format!("{url}/{id}/grant");
    assert_eq!(rita.send("POST", &grant(&id), &ours, b"").await.json()["code"], "role.missing");
    assert_eq!(olga.send("POST", &grant(&own), &ours, b"").await.json()["code"], "approval.own");
    let events = format!("{}/api/v1/events", town.url());
    assert_eq!(rita.get(&events).await.status, 403);
    // Whoever may give it sees on every page that it was asked for; nobody counts their own.
    let seen = olga.get(&format!("{}/policy", town.url())).await.text();
    assert!(seen.contains("<a href=\"/roles\">1 role asked for</a>"), "{seen}");
    town.deploy_template("lunch", "tinypoll").await;
    assert!(olga.get(&format!("{}/apps", town.url())).await.text().contains("<b>1</b> role asked for"));
    assert!(!rita.get(&format!("{}/", town.url())).await.text().contains("asked for"));
    let given = olga.send("POST", &grant(&id), &ours, b"").await;
    assert_eq!((given.status, &given.json()["state"]), (200, &json!("granted")), "{given:?}");
    assert_eq!(olga.send("POST", &grant(&id), &ours, b"").await.status, 409, "once");
    assert_eq!(rita.get(&events).await.status, 200);
    // By her is found what she did, and what was done about her.
    let found = town.get("/api/v1/events?person=rita@example.test&limit=1000").await.json()["events"].clone();
    let found: Vec<_> = found.as_array().unwrap().iter().collect();
    let about = |action: &str| found.iter().find(|event| event["action"] == action).map(|event| &event["about"]);
    for action in ["role.grant", "person.add", "link.spend"] {
        assert_eq!(about(action), Some(&json!("rita@example.test")), "{action}: {found:?}");
    }
    assert!(about("role.ask").is_some_and(serde_json::Value::is_null), "{found:?}");
    let page = olga.get(&format!("{}/roles", town.url())).await.text();
    assert!(page.contains("rita@example.test") && page.contains(&day(2)), "{page}");
    // Past its day, in a new session: the role is gone, whether or not the job has taken its row away.
    clock.advance(Duration::from_secs(3 * 86_400));
    let later = town.browser();
    let form = sign_in_form(&town, &later).await;
    assert_eq!(send(&town, &later, &form, &of_rita.answer(&form.options)).await.status, 200);
    let refused = later.get(&events).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("role.missing")), "{refused:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_moved_refuses_to_start_until_it_is_told() {
    let town = Town::start(Engine::Sqlite).await;
    town.person_with_passkey("ana@example.test", &["staff"]).await;
    let folder = town.stop().await;
    let moved = "[server]\npublic_url = \"https://new.example\"\napps_domain = \"apps.test\"\n";
    let refused = Town::again(&folder, moved, "").await.err().unwrap();
    assert_eq!(refused.code, "passkeys.host");
    assert!(refused.what.contains("1 passkeys were made for `localhost`"), "{refused}");
    let told = Town::again(&folder, moved, "[sign_in]\nforget_passkeys = \"localhost\"\n").await;
    assert!(told.is_ok(), "{:?}", told.err());
}

/// The API names to each the apps that the pages show them.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_lists_apps_that_are_not_for_them() {
    let town = Town::start(Engine::Sqlite).await;
    let closed = testkit::manifest("closed", "").replace("\"everyone\"", "\"group:staff\"");
    let code = "export default { fetch: () => new Response('open') };";
    let live = town.deploy(&[("bailiwick.toml", &closed), ("app.js", code)]).await;
    assert_eq!(live.json()["status"], "live", "{live:?}");
    assert_eq!(town.deploy_template("waits", "poll-notify").await.json()["status"], "waiting");
    let people: [(&[&str], Value); 5] = [
        (&["guests"], json!([])),
        (&["staff"], json!(["closed"])),
        (&["builders", "it"], json!([])),
        (&["builders", "people-ops"], json!(["closed", "waits"])),
        (&["auditors"], json!(["closed", "waits"])),
    ];
    for (groups, wanted) in people {
        let browser = town.person(&format!("{}@example.test", groups.concat()), groups).await;
        let listed = browser.get(&format!("{}/api/v1/apps", town.url())).await.json();
        let apps = listed["apps"].as_array().unwrap_or_else(|| panic!("{groups:?}: {listed}"));
        let mut names: Vec<&str> = apps.iter().map(|app| app["app"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(json!(names), wanted, "{groups:?}");
    }
    assert_eq!(town.get("/api/v1/apps").await.json()["apps"].as_array().unwrap().len(), 2, "the local credential");
    town.stop().await;
}
