//! What a second person said yes to, after the app was off: it serves again by another yes, with its data; a second
//! revoke tells as much as the first; reading what was cut is on the record; what was used stays used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use testkit::{Answer, Browser, Disk, Engine, Town, copy_database};

const OURS: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];

async fn put(town: &Town, hosts: &[&str]) -> Value {
    put_in(town, "prod", hosts).await
}

async fn put_in(town: &Town, env: &str, hosts: &[&str]) -> Value {
    let secret = json!({ "app": "poll-notify", "env": env, "owner": "people-ops", "purpose": "posts to Slack",
        "expires": &SystemClock.now().plus(Duration::from_secs(40 * 86_400)).to_string()[..10],
        "hosts": hosts, "value": "xoxb-0123456789" });
    let put = town.machine("PUT", "/api/v1/secrets/people-ops/poll-notify-slack", secret.to_string().as_bytes()).await;
    assert_eq!(put.status, 200, "{put:?}");
    put.json()
}

async fn post(town: &Town, browser: &Browser, path: &str, why: &str) -> Answer {
    browser.send("POST", &format!("{}{path}", town.url()), &OURS, json!({ "why": why }).to_string().as_bytes()).await
}

async fn app(town: &Town) -> Value {
    town.get("/api/v1/apps/poll-notify").await.json()
}

async fn state(town: &Town) -> String {
    app(town).await["app"]["environments"][0]["state"].as_str().unwrap().to_owned()
}

/// How many records the app keeps.
async fn records(town: &Town) -> u64 {
    let used = app(town).await["used"].clone();
    let data = used.as_array().unwrap().iter().filter(|used| used["surface"] == "data");
    data.map(|used| used["count"].as_u64().unwrap()).sum()
}

async fn used(town: &Town, surface: &str) -> Value {
    let used = app(town).await["used"].clone();
    used.as_array().unwrap().iter().find(|used| used["surface"] == surface).cloned().unwrap_or_else(|| panic!("{used}"))
}

/// `poll-notify`, live by the yes of somebody, with one vote in it; a reviewer and an operator with passkeys.
async fn voted(engine: Engine) -> (Town, Browser, Browser) {
    let town = Town::start(engine).await;
    assert_eq!(put(&town, &["slack.com"]).await["replaced"], false);
    let (rita, _key) = town.person_with_passkey("rita@example.test", &["reviewers"]).await;
    let (olga, _key) = town.person_with_passkey("olga@example.test", &["operators", "reviewers"]).await;
    let request = town.deploy_template("poll-notify", "poll-notify").await.json()["request"].clone();
    let yes = post(&town, &rita, &format!("/api/v1/requests/{}/approve", request.as_str().unwrap()), "read it").await;
    assert_eq!(yes.json()["status"], "live", "{yes:?}");
    vote(&town, "ana@example.test").await;
    assert_eq!((records(&town).await, state(&town).await.as_str()), (1, "live"));
    (town, rita, olga)
}

async fn vote(town: &Town, who: &str) {
    let voter = town.person(who, &["staff", "people-ops"]).await;
    let url = town.app("poll-notify");
    let page = voter.open(&format!("{url}/")).await.text();
    let choice = page.split("name=\"choice\" value=\"").nth(1).unwrap_or_else(|| panic!("{page}"));
    let choice = choice.split('"').next().unwrap();
    let voted = voter.post(&format!("{url}/vote"), &[("choice", choice)]).await;
    assert_eq!(voted.status, 303, "{voted:?}");
}

/// Restored by the operator: it waits. Not hers to approve; by somebody else it is live, and nothing is lost.
async fn asked_again(town: &Town, olga: &Browser, rita: &Browser) {
    let restored = post(town, olga, "/api/v1/apps/poll-notify/restore", "looked at").await;
    assert_eq!(restored.status, 202, "{restored:?}");
    let restored = restored.json();
    assert_eq!((&restored["status"], &restored["environments"]), (&json!("waiting"), &json!([])), "{restored}");
    let request = restored["waiting"][0]["request"].as_str().unwrap_or_else(|| panic!("{restored}")).to_owned();
    assert_eq!(state(town).await, "revoked", "until then it is off");
    let again = post(town, olga, "/api/v1/apps/poll-notify/restore", "twice").await.json();
    assert_eq!(again["waiting"][0]["request"], json!(request), "one request, however often it is asked");
    let page = rita.get(&format!("{}/requests/{request}", town.url())).await.text();
    assert!(page.contains("what served until the app was switched off"), "{page}");
    let own = post(town, olga, &format!("/api/v1/requests/{request}/approve"), "mine").await;
    assert_eq!((own.status, own.json()["code"].as_str()), (403, Some("approval.own")), "{own:?}");
    // A deploy is no way back meanwhile.
    let deployed = town.deploy_template("poll-notify", "poll-notify").await;
    assert_eq!(
        (deployed.status, deployed.json()["problem"]["code"].as_str()),
        (409, Some("app.revoked")),
        "{deployed:?}"
    );
    let (refused, known) = (deployed.json(), town.get("/api/v1/apps/poll-notify").await.json());
    assert_eq!((&refused["app"], &refused["url"]), (&json!("poll-notify"), &json!(town.app("poll-notify"))));
    assert_eq!((&refused["app_id"], refused["app_id"].is_string()), (&known["app"]["app_id"], true), "{refused}");
    let yes = post(town, rita, &format!("/api/v1/requests/{request}/approve"), "as before").await;
    assert_eq!((yes.status, &yes.json()["status"]), (200, &json!("live")), "{yes:?}");
    assert_eq!((state(town).await.as_str(), records(town).await), ("live", 1));
    listed_in_parts(town).await;
}

/// A list in parts is the list; each says by name who decided.
async fn listed_in_parts(town: &Town) {
    let whole = town.get("/api/v1/requests?state=all").await.json();
    let (mut parts, mut after) = (Vec::new(), String::new());
    loop {
        let part = town.get(&format!("/api/v1/requests?state=all&limit=1{after}")).await.json();
        parts.extend(part["requests"].as_array().unwrap_or_else(|| panic!("{part}")).clone());
        match part["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert!(parts.len() > 1 && whole["next"].is_null(), "{whole}");
    assert_eq!(json!(parts), whole["requests"]);
    assert_eq!(parts[0]["decided_by_user"], "rita@example.test", "{whole}");
    let gone = town.get("/api/v1/requests?after=none").await;
    assert_eq!((gone.status, gone.json()["code"].as_str()), (404, Some("request.unknown")), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lost_its_yes_while_it_was_off_is_restored_by_another_on_sqlite() {
    what_lost_its_yes_while_it_was_off_is_restored_by_another(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lost_its_yes_while_it_was_off_is_restored_by_another_on_postgres() {
    what_lost_its_yes_while_it_was_off_is_restored_by_another(Engine::Postgres).await;
}

async fn what_lost_its_yes_while_it_was_off_is_restored_by_another(engine: Engine) {
    let (town, rita, olga) = voted(engine).await;
    let before = (used(&town, "gateway").await, used(&town, "identity").await);
    assert_eq!(town.post("/api/v1/apps/poll-notify/revoke", json!({ "why": "leaks" })).await.status, 200);
    assert_eq!(put(&town, &["slack.com", "hooks.slack.com"]).await["replaced"], true);
    asked_again(&town, &olga, &rita).await;
    // What was used before the revoke is not called unused after it.
    let after = (used(&town, "gateway").await, used(&town, "identity").await);
    assert_eq!((&before.0["last"], &before.1["last"]), (&after.0["last"], &after.1["last"]), "{before:?} {after:?}");
    assert!(after.0["last"].is_string() && after.1["count"] == before.1["count"], "{after:?}");
    vote(&town, "bo@example.test").await;
    assert_eq!(records(&town).await, 2);

    // What a revoke takes back, it takes from the request that waits too.
    town.post("/api/v1/apps/poll-notify/revoke", json!({ "why": "again" })).await;
    put(&town, &["slack.com"]).await;
    let waits = post(&town, &olga, "/api/v1/apps/poll-notify/restore", "asks").await.json();
    let request = waits["waiting"][0]["request"].as_str().unwrap_or_else(|| panic!("{waits}")).to_owned();
    town.post("/api/v1/apps/poll-notify/revoke", json!({ "why": "no" })).await;
    let late = post(&town, &rita, &format!("/api/v1/requests/{request}/approve"), "too late").await;
    assert_eq!((late.status, late.json()["code"].as_str()), (409, Some("request.decided")), "{late:?}");
    assert_eq!(state(&town).await, "revoked");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_environment_sent_back_holds_up_no_other_on_sqlite() {
    one_environment_sent_back_holds_up_no_other(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_environment_sent_back_holds_up_no_other_on_postgres() {
    one_environment_sent_back_holds_up_no_other(Engine::Postgres).await;
}

async fn one_environment_sent_back_holds_up_no_other(engine: Engine) {
    let (town, rita, olga) = voted(engine).await;
    put_in(&town, "staging", &["slack.com"]).await;
    let archive = testkit::bundle("poll-notify", "poll-notify");
    let deploy = |env: &'static str| {
        let (town, archive) = (&town, &archive);
        async move { town.machine("POST", &format!("/api/v1/deploy?env={env}"), archive).await }
    };
    let waits = deploy("staging").await.json();
    let request = waits["request"].as_str().unwrap_or_else(|| panic!("{waits}")).to_owned();
    let yes = post(&town, &rita, &format!("/api/v1/requests/{request}/approve"), "read it").await;
    assert_eq!(yes.json()["status"], "live", "{yes:?}");
    town.post("/api/v1/apps/poll-notify/revoke", json!({ "why": "leaks" })).await;
    for env in ["staging", "prod"] {
        let refused = deploy(env).await;
        assert_eq!(refused.json()["problem"]["code"], "app.revoked", "{env}: {refused:?}");
    }
    put(&town, &["slack.com", "hooks.slack.com"]).await;
    let restored = post(&town, &olga, "/api/v1/apps/poll-notify/restore", "looked at").await.json();
    assert_eq!(restored["environments"][0]["env"], "staging", "{restored}");
    let request = restored["waiting"][0]["request"].as_str().unwrap_or_else(|| panic!("{restored}")).to_owned();
    for sent_back in [false, true] {
        if sent_back {
            let no = post(&town, &rita, &format!("/api/v1/requests/{request}/reject"), "not like that").await;
            assert_eq!(no.status, 200, "{no:?}");
        }
        let deployed = deploy("staging").await;
        assert_eq!((deployed.status, &deployed.json()["status"]), (200, &json!("live")), "{deployed:?}");
        let refused = deploy("prod").await;
        assert_eq!(refused.json()["problem"]["code"], "app.revoked", "{refused:?}");
    }
    let again = post(&town, &olga, "/api/v1/apps/poll-notify/restore", "mended").await.json();
    assert!(again["waiting"][0]["request"].as_str().is_some_and(|new| new != request), "{again}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_with_a_database_in_doubt_is_restored_by_another_yes() {
    let kept = tempfile::tempdir().unwrap();
    let (town, ..) = voted(Engine::Sqlite).await;
    let town = town.changed(|data| copy_database(data, kept.path())).await;
    town.person("cleo@example.test", &["staff"]).await;
    let town = town.changed(|data| copy_database(kept.path(), data)).await;
    let accepted = town.post("/api/v1/recover", json!({ "why": "the disk was lost" })).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    assert_eq!(state(&town).await, "revoked");
    // Every session is void; whoever decides comes in anew.
    let (rita, _key) = town.person_with_passkey("rita@example.test", &[]).await;
    let (olga, _key) = town.person_with_passkey("olga@example.test", &[]).await;
    asked_again(&town, &olga, &rita).await;
    town.stop().await;
}

/// Lines of a receipt, without when.
fn lines(receipt: &Value) -> BTreeSet<(String, String)> {
    let lines = receipt["surfaces"].as_array().unwrap_or_else(|| panic!("{receipt}")).iter();
    lines.map(|line| (line["surface"].to_string(), line["item"].to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_revoke_tells_as_much_and_is_on_the_record_as_its_own() {
    let (town, rita, olga) = voted(Engine::Sqlite).await;
    let town = town.restart(Disk::Full).await;
    let path = "/api/v1/apps/poll-notify/revoke";
    let first = post(&town, &rita, path, "it leaks").await.json();
    assert_eq!((&first["recorded"], lines(&first).len() >= 5), (&json!(false), true), "{first}");
    let again = post(&town, &rita, path, "it leaks, I said").await.json();
    let other = post(&town, &olga, path, "I say so too").await.json();
    assert_eq!(again["event"], first["event"], "asked twice by one caller, it is one cut");
    assert_ne!(other["event"], first["event"], "another's is theirs");
    assert_eq!((lines(&again), lines(&other)), (lines(&first), lines(&first)));

    let town = town.restart(Disk::Room).await;
    let waiting = async {
        while town.get("/readyz").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("both are written");
    let written = town.events("app.revoke").await;
    let callers: BTreeSet<String> = written.iter().map(|event| event["user_id"].to_string()).collect();
    assert_eq!((written.len(), callers.len()), (2, 2), "{written:?}");
    let late = town.post(path, json!({ "why": "to be sure" })).await.json();
    assert_eq!((lines(&late), &late["recorded"]), (lines(&first), &json!(true)), "{late}");
    let done = town.get(&format!("/api/v1/events/{}", late["done_event"].as_str().unwrap())).await.json();
    assert_eq!(lines(&done["detail"]), lines(&first), "the record has it whole too");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_what_was_cut_and_what_would_be_is_on_the_record() {
    let (town, rita, _olga) = voted(Engine::Sqlite).await;
    let open = |path: String| {
        let (browser, url) = (&rita, format!("{}{path}", town.url()));
        async move { browser.get(&url).await }
    };
    let looked = town.events("app.see").await.len();
    assert!(open("/switch?app=poll-notify".into()).await.text().contains("poll-notify-slack"));
    let seen = async |action: &str, more: usize| {
        let reached = async {
            while town.events(action).await.len() < more {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.unwrap_or_else(|_| panic!("{more} {action}"));
    };
    seen("app.see", looked + 1).await;

    let receipt = town.post("/api/v1/apps/poll-notify/revoke", json!({ "why": "canary" })).await.json();
    let id = receipt["event"].as_str().unwrap();
    for path in [format!("/apps/poll-notify/receipts/{id}"), "/apps/poll-notify/receipts/latest".to_owned()] {
        let page = open(path).await;
        assert!(page.status == 200 && page.text().contains("poll-notify-slack"), "{page:?}");
    }
    seen("receipt.read", 2).await;
    let read = town.events("receipt.read").await;
    assert!(read.iter().any(|event| event["detail"]["event"] == json!(id) && event["user_id"].is_string()), "{read:?}");
    // Somebody who may not see the app reads none, and that is on the record too.
    let zoe = town.person("zoe@example.test", &["staff"]).await;
    let refused = zoe.get(&format!("{}/apps/poll-notify/receipts/{id}", town.url())).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(town.events("receipt.read").await.iter().any(|event| event["outcome"] == "denied"));
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_not_switched_off_while_nothing_else_lets_anybody_in() {
    let closed = "[sign_in]\nlinks = false\n";
    let town = Town::start(Engine::Sqlite).await;
    let server = format!("[server]\nlisten = \"127.0.0.1:{}\"\nnode = \"town-{}\"\n", town.port, town.port);
    town.person("ana@example.test", &["staff"]).await;
    let folder = town.stop().await;
    let refused = Town::again(&folder, &server, closed).await.unwrap_err();
    assert_eq!(
        (refused.code.as_str(), refused.at.as_deref()),
        ("links.only_way", Some("sign_in.links")),
        "{refused:?}"
    );
    assert!(refused.fix.contains("`oidc`"), "{refused:?}");

    let town = Town::start(Engine::Sqlite).await;
    let server = format!("[server]\nlisten = \"127.0.0.1:{}\"\nnode = \"town-{}\"\n", town.port, town.port);
    town.person_with_passkey("ana@example.test", &["staff"]).await;
    let folder = town.stop().await;
    Town::again(&folder, &server, closed).await.unwrap();
}
