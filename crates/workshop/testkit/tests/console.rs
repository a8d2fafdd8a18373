//! The console's pages through the real router: what each role finds, what it is refused, and what each form does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock as _, ManualClock, SystemClock};
use serde_json::json;
use std::sync::Arc;
use testkit::{Answer, Browser, Engine, Town};

#[path = "console/ended.rs"]
mod ended;
#[path = "console/known.rs"]
mod known;
#[path = "console/requested.rs"]
mod requested;

async fn page(browser: &Browser, town: &Town, path: &str) -> Answer {
    let answer = browser.get(&format!("{}{path}", town.url())).await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}: {answer:?}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(answer.body.len() < 100_000, "{path} has {} bytes", answer.body.len());
    let scripted = answer.status == 401 && answer.text().contains("<script src=\"/passkey.js\" defer></script>");
    let live = path.contains("follow=on") && answer.text().contains("<script src=\"/follow.js\" defer></script>");
    assert!(scripted || live || !answer.text().contains("<script"), "{path}");
    answer
}

/// Which pages are whose: the status that each role gets.
#[tokio::test(flavor = "multi_thread")]
async fn each_role_finds_its_pages() {
    let town = Town::start(Engine::Sqlite).await;
    town.deploy_template("lunch", "tinypoll").await;
    let request =
        town.deploy_template("poll-notify", "poll-notify").await.json()["request"].as_str().unwrap().to_owned();
    let roles = [
        ("stranger", town.browser()),
        ("user", town.person("user@example.test", &["staff"]).await),
        ("builder", town.person("builder@example.test", &["builders", "people-ops"]).await),
        ("elsewhere", town.person("elsewhere@example.test", &["builders", "it"]).await),
        ("reviewer", town.person("reviewer@example.test", &["reviewers"]).await),
        ("operator", town.person("operator@example.test", &["operators"]).await),
        ("auditor", town.person("auditor@example.test", &["auditors"]).await),
    ];
    let request = format!("/requests/{request}");
    #[rustfmt::skip]
    let table: [(&str, [u16; 7]); 15] = [
        //                        stranger user builder elsewhere reviewer operator auditor
        ("/",                     [401, 200, 200, 200, 200, 200, 200]),
        ("/apps",                 [401, 200, 200, 200, 200, 200, 200]),
        ("/apps/lunch",           [401, 403, 200, 403, 200, 200, 200]),
        ("/apps/lunch/releases",  [401, 403, 200, 403, 200, 200, 200]),
        ("/apps/lunch/log",       [401, 403, 200, 403, 403, 200, 403]),
        ("/requests",             [401, 403, 200, 200, 200, 200, 200]),
        (&request,                [401, 403, 200, 200, 200, 200, 200]),
        ("/people",               [401, 403, 403, 403, 200, 200, 200]),
        ("/people/sign-in",       [401, 403, 403, 403, 403, 200, 200]),
        ("/secrets",              [401, 403, 200, 200, 200, 200, 200]),
        ("/record",               [401, 403, 403, 403, 403, 200, 200]),
        ("/notices",              [401, 403, 403, 403, 403, 200, 200]),
        ("/policy",               [401, 200, 200, 200, 200, 200, 200]),
        ("/new",                  [401, 403, 200, 200, 403, 403, 403]),
        ("/nothing",              [404, 404, 404, 404, 404, 404, 404]),
    ];
    for (path, wanted) in table {
        for ((role, browser), wanted) in roles.iter().zip(wanted) {
            let answer = page(browser, &town, path).await;
            assert_eq!(answer.status, wanted, "{role} {path}: {}", answer.text());
        }
    }
    // What one may not open is not offered.
    let user = page(&roles[1].1, &town, "/").await.text();
    assert!(!user.contains("href=\"/people\"") && !user.contains("href=\"/switch\""), "{user}");
    let switch = page(&roles[1].1, &town, "/switch").await.text();
    assert!(switch.contains("No app is yours to switch off") && !switch.contains("Switch it off now"), "{switch}");
    // What is refused, or is not there, keeps the way on around it; a stranger is told of no place.
    for path in ["/apps/lunch", "/nothing"] {
        let refused = page(&roles[3].1, &town, path).await.text();
        assert!(refused.contains("aria-label=\"Places\"") && refused.contains("elsewhere@example.test"), "{refused}");
    }
    let stranger = page(&roles[0].1, &town, "/nothing").await.text();
    assert!(!stranger.contains("aria-label=\"Places\""), "{stranger}");
    let mine = page(&roles[3].1, &town, "/apps").await.text();
    assert!(!mine.contains("/apps/lunch"), "another team's app is not in a builder's list: {mine}");
    let auditor = page(&roles[6].1, &town, "/apps/lunch").await.text();
    assert!(!auditor.contains("Switch it off"), "{auditor}");
    town.stop().await;
}

/// All apps: counts that worry, filters, and what they leave.
#[tokio::test(flavor = "multi_thread")]
async fn all_apps_says_what_should_worry() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await;
    town.deploy_template("lunch", "tinypoll").await;
    town.deploy_template("rooms", "blank").await;
    town.deploy_template("poll-notify", "poll-notify").await;
    let ola = town.person("ola@example.test", &["operators", "staff"]).await;
    let text = page(&ola, &town, "/apps").await.text();
    assert!(text.contains("2 of 3 serve now."), "{text}");
    assert!(
        text.contains("<b>1</b> wait for a yes") && text.contains("<b>0</b> live for a week, never used"),
        "{text}"
    );
    let new = page(&ola, &town, "/apps/lunch").await.text();
    assert!(!new.contains("never used. What"), "nobody worries on the first day: {new}");
    assert!(text.contains("<b>3</b> nobody in the team"), "{text}");
    clock.advance(std::time::Duration::from_secs(7 * 86_400));
    let ola = town.person("olga@example.test", &["operators", "staff"]).await;
    let text = page(&ola, &town, "/apps").await.text();
    assert!(text.contains("<b>2</b> live for a week, never used"), "{text}");
    ola.open(&format!("{}/", town.app("lunch"))).await;
    let unused = page(&ola, &town, "/apps?worry=unused").await.text();
    assert!(unused.contains("href=\"/apps/rooms\"") && !unused.contains("href=\"/apps/lunch\""), "{unused}");
    let found = page(&ola, &town, "/apps?q=LUNCH&state=live&tier=low").await.text();
    assert!(found.contains("href=\"/apps/lunch\"") && !found.contains("href=\"/apps/rooms\""), "{found}");
    let none = page(&ola, &town, "/apps?tier=high").await.text();
    assert!(none.contains("No app is like that."), "{none}");
    town.stop().await;
}

/// The switch: what it will do, the receipt with an address of its own, and the way back.
#[tokio::test(flavor = "multi_thread")]
async fn switched_off_and_on_with_a_receipt() {
    let town = Town::start(Engine::Sqlite).await;
    town.deploy_template("lunch", "tinypoll").await;
    let ola = town.person("ola@example.test", &["operators", "staff"]).await;
    let before = page(&ola, &town, "/switch?app=lunch").await.text();
    assert!(before.contains("What will be cut") && before.contains("app-people-ops-lunch-prod"), "{before}");
    let without = ola.post(&format!("{}/switch", town.url()), &[("app", "lunch"), ("why", " ")]).await;
    assert_eq!(without.status, 400, "{without:?}");
    let cut = ola.post(&format!("{}/switch", town.url()), &[("app", "lunch"), ("why", "a <test>")]).await;
    assert_eq!(cut.status, 303, "{cut:?}");
    let receipt = cut.header("location").unwrap().to_owned();
    let text = page(&ola, &town, &receipt).await;
    assert!(text.header("refresh").is_none(), "nothing is dying any more");
    let text = text.text();
    assert!(text.contains("lunch is switched off") && text.contains("a &#60;test&#62;"), "{text}");
    for surface in ["gateway", "identity", "data"] {
        assert!(text.contains(&format!(">{surface}</th>")), "{surface}: {text}");
    }
    assert_eq!(page(&ola, &town, "/apps/lunch/receipts/latest").await.status, 200);
    assert_eq!(page(&ola, &town, "/apps/lunch/receipts/0").await.status, 404);
    let app = page(&ola, &town, "/apps/lunch").await.text();
    assert!(app.contains("It is switched off, by ola@example.test") && app.contains("Restore lunch"), "{app}");
    assert!(app.contains(": “a &lt;test&gt;”") && app.contains("/receipts/latest\">The receipt"), "{app}");
    assert!(app.contains(">switched off</span>") && !app.contains(">revoked</span>"), "{app}");
    assert!(app.contains(">What served<") && !app.contains(">Now<"), "{app}");
    // Restoring asks for a second factor, which a link is not; with one it serves again.
    let restored = ola.post(&format!("{}/apps/lunch/restore", town.url()), &[("why", "over")]).await;
    assert_eq!(restored.status, 403, "{restored:?}");
    town.passkey(&ola).await;
    let restored = ola.post(&format!("{}/apps/lunch/restore", town.url()), &[("why", "over")]).await;
    assert!(restored.status == 200 && restored.text().contains("serves again"), "{restored:?}");
    assert_eq!(ola.open(&format!("{}/", town.app("lunch"))).await.status, 200);
    // An old receipt says what was cut then, and what became of it.
    let old = page(&ola, &town, &receipt).await.text();
    assert!(old.contains("lunch was switched off") && old.contains("It came back") && !old.contains("again."), "{old}");
    ola.post(&format!("{}/switch", town.url()), &[("app", "lunch"), ("why", "twice")]).await;
    let old = page(&ola, &town, &receipt).await.text();
    assert!(old.contains("It came back") && old.contains("It is switched off again."), "{old}");
    let newest = page(&ola, &town, "/apps/lunch/receipts/latest").await.text();
    assert!(newest.contains("lunch is switched off") && !newest.contains("It came back"), "{newest}");
    // Another site cannot press it.
    let foreign = [("sec-fetch-site", "cross-site"), ("content-type", "application/x-www-form-urlencoded")];
    let pressed = ola.send("POST", &format!("{}/switch", town.url()), &foreign, b"app=lunch&why=x").await;
    assert_eq!(pressed.status, 403, "{pressed:?}");
    assert_eq!(pressed.header("content-type"), Some("text/html; charset=utf-8"), "{pressed:?}");
    town.stop().await;
}

/// A request: what it asks for, the seven answers, and the words of who sent it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_read_and_sent_back() {
    let town = Town::start(Engine::Sqlite).await;
    let archive = testkit::bundle("poll-notify", "poll-notify");
    let ana = town.person("ana@example.test", &["builders", "people-ops", "reviewers"]).await;
    let headers = [("sec-fetch-site", "same-origin")];
    let sent = ana.send("POST", &format!("{}/api/v1/deploy?env=prod", town.url()), &headers, &archive).await.json();
    let path = format!("/requests/{}", sent["request"].as_str().unwrap());
    let own = page(&ana, &town, &path).await.text();
    assert!(own.contains("You asked for it, so someone else decides.") && !own.contains(">Approve<"), "{own}");
    let rex = town.person("rex@example.test", &["reviewers"]).await;
    let text = page(&rex, &town, &path).await.text();
    for word in ["Secrets", "Authentication", "Least privilege", "Data", "Integrations", "Monitoring", "Compliance"] {
        assert!(text.contains(&format!("<b>{word}")), "{word}: {text}");
    }
    assert!(text.contains("nobody has put <code>people-ops/") && text.contains("ana@example.test"), "{text}");
    assert!(text.contains("this server has no <code>[notify]</code>"), "nothing is green by itself: {text}");
    let asked = town.get("/api/v1/requests").await.json()["requests"][0].clone();
    assert_eq!(asked["user"], "ana@example.test", "{asked}");
    let list = page(&rex, &town, "/requests").await.text();
    assert!(list.contains(&path) && list.contains("its first release"), "{list}");
    let listed = town.get("/api/v1/apps").await.json()["apps"][0]["environments"][0].clone();
    assert_eq!((&listed["state"], &listed["request"]), (&json!("waiting"), &sent["request"]), "{listed}");
    let no = rex.post(&format!("{}{path}/approve", town.url()), &[("why", "fine")]).await;
    assert_eq!(no.status, 403, "a link is no second factor: {no:?}");
    let back = rex.post(&format!("{}{path}/reject", town.url()), &[("why", "name the channel")]).await;
    assert!(back.status == 200 && back.text().contains("name the channel"), "{back:?}");
    let after = page(&rex, &town, &path).await.text();
    assert!(after.contains("Sent back by rex@example.test"), "{after}");
    // Nothing waits any more, wherever it is asked, and the team reads why.
    let listed = town.get("/api/v1/apps").await.json()["apps"][0]["environments"][0].clone();
    assert_eq!((&listed["state"], &listed["request"]), (&json!("rejected"), &json!(null)), "{listed}");
    let mine = page(&ana, &town, "/").await.text();
    assert!(mine.contains("Sent back,") && !mine.contains("Waits for"), "{mine}");
    let all = page(&ana, &town, "/apps").await.text();
    assert!(all.contains("<b>0</b> wait for a yes") && !all.contains(">waiting</span>"), "{all}");
    let app = page(&ana, &town, "/apps/poll-notify").await.text();
    assert!(app.contains("sent back by rex@example.test") && app.contains("“name the channel”"), "{app}");
    assert!(app.contains(">sent back</span>") && !app.contains(">rejected</span>"), "{app}");
    let edit = page(&ana, &town, "/apps/poll-notify/edit").await.text();
    assert!(edit.contains("“name the channel”"), "where it is mended it is read too: {edit}");
    // Deployed again it waits again, and the words of before are over.
    let again = ana.send("POST", &format!("{}/api/v1/deploy?env=prod", town.url()), &headers, &archive).await.json();
    assert_eq!(again["status"], "waiting", "{again}");
    let app = page(&ana, &town, "/apps/poll-notify").await.text();
    assert!(app.contains("waits for a person") && !app.contains("name the channel"), "{app}");
    town.stop().await;
}

/// A yes with a second factor makes it live; people and secrets go by their forms, and what is secret is shown once or never.
#[tokio::test(flavor = "multi_thread")]
async fn forms_do_what_they_say() {
    let town = Town::start(Engine::Sqlite).await;
    let id = town.deploy_template("poll-notify", "poll-notify").await.json()["request"].as_str().unwrap().to_owned();
    let (ola, _passkey) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    let post = |path: String, fields: Vec<(&'static str, &'static str)>| {
        let (ola, url) = (&ola, format!("{}{path}", town.url()));
        async move { ola.post(&url, &fields).await }
    };
    let yes = post(format!("/requests/{id}/approve"), vec![("why", "read it")]).await;
    assert!(yes.status == 200 && yes.text().contains("is live"), "{yes:?}");
    let again = post(format!("/requests/{id}/approve"), vec![("why", "read it")]).await;
    assert_eq!(again.status, 409, "{again:?}");
    let added =
        post("/people".into(), vec![("email", "new@example.test"), ("group", "staff"), ("other", "it, ops")]).await;
    let text = added.text();
    assert!(added.status == 200 && text.contains("/welcome/") && text.contains("<code>ops</code>"), "{text}");
    let day: &str = testkit::ahead(60).leak();
    let put = post(
        "/secrets".into(),
        vec![
            ("id", "people-ops/poll-notify-slack"),
            ("app", "poll-notify"),
            ("env", "prod"),
            ("owner", "people-ops"),
            ("purpose", "posts"),
            ("expires", day),
            ("hosts", "slack.com"),
            ("sensitivity", "low"),
            ("value", "xoxb-never-shown-again"),
        ],
    )
    .await;
    assert!(put.status == 200 && put.text().contains("The secret is stored"), "{put:?}");
    assert!(!put.text().contains("xoxb"), "{put:?}");
    let secret = page(&ola, &town, "/secrets/people-ops/poll-notify-slack").await.text();
    assert!(secret.contains("slack.com") && !secret.contains("xoxb"), "{secret}");
    let revoked = post("/secrets/people-ops/poll-notify-slack/revoke".into(), vec![("why", "it leaked")]).await;
    assert!(revoked.status == 200 && revoked.text().contains("The secret is dead"), "{revoked:?}");
    let ended = post("/apps/poll-notify/retire".into(), vec![("name", "poll")]).await;
    assert_eq!(ended.status, 400, "the name was not typed: {ended:?}");
    let ended = post("/apps/poll-notify/retire".into(), vec![("name", "poll-notify")]).await;
    assert!(ended.status == 200 && ended.text().contains("ended for good"), "{ended:?}");
    town.stop().await;
}

/// An approval by the local credential alone is marked wherever it is shown.
#[tokio::test(flavor = "multi_thread")]
async fn an_exception_is_shown_for_ever() {
    let town = Town::start(Engine::Sqlite).await;
    let sent = town.deploy_template("poll-notify", "poll-notify").await.json();
    let id = sent["request"].as_str().unwrap();
    let yes = town
        .post(&format!("/api/v1/requests/{id}/approve"), json!({ "why": "nobody is here", "break_glass": true }))
        .await;
    assert_eq!(yes.status, 200, "{yes:?}");
    let ola = town.person("ola@example.test", &["operators"]).await;
    for path in
        [format!("/requests/{id}"), "/requests?state=approved".to_owned(), "/record?action=release.approve".to_owned()]
    {
        let text = page(&ola, &town, &path).await.text();
        assert!(text.contains("EXCEPTION"), "{path}: {text}");
    }
    town.stop().await;
}

/// More requests and releases than a page holds: each is on one of its pages, once, and an app's own are found by its name.
#[tokio::test(flavor = "multi_thread")]
async fn requests_and_releases_are_leafed_through() {
    let town = Town::start(Engine::Sqlite).await;
    let connect =
        "[connect.slack]\nhost = \"slack.com\"\nmethods = [\"GET\"]\npaths = [\"/api/hello\"]\nwhy = \"says hello\"";
    for n in 0..54 {
        let name = if n < 2 { "rooms" } else { "poll" };
        let code = format!("export default {{ fetch: () => new Response('{n}') }};");
        let sent = town.deploy(&[("bailiwick.toml", &testkit::manifest(name, connect)), ("app.js", &code)]).await;
        assert_eq!(sent.json()["status"], "waiting", "{sent:?}");
    }
    let ola = town.person("ola@example.test", &["operators", "staff"]).await;
    let numbers = |text: &str| -> Vec<String> {
        text.split("href=\"/requests/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let first = page(&ola, &town, "/requests?state=all").await.text();
    let next = first.split("rel=\"next\" href=\"").nth(1).unwrap_or_else(|| panic!("{first}"));
    let next = next.split('"').next().unwrap().replace("&#38;", "&");
    let second = page(&ola, &town, &next).await.text();
    assert!(!second.contains("rel=\"next\"") && second.contains("rel=\"prev\""), "{second}");
    let mut all = [numbers(&first), numbers(&second)].concat();
    assert_eq!((numbers(&first).len(), all.len()), (50, 54));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 54);
    let own = page(&ola, &town, "/requests?state=all&app=rooms").await.text();
    assert_eq!(numbers(&own).len(), 2, "{own}");
    let nobodys = page(&ola, &town, "/requests?app=nothing").await.text();
    assert!(nobodys.contains("There is no app “nothing”"), "{nobodys}");
    let releases = page(&ola, &town, "/apps/poll/releases?page=3").await.text();
    assert!(releases.contains("41–52 of 52") && releases.contains("Release 1 "), "{releases}");
    town.stop().await;
}

/// The record: found by each of its fields, one event with its proof.
#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_searched_and_proved() {
    let town = Town::start(Engine::Sqlite).await;
    town.deploy_template("lunch", "tinypoll").await;
    let secret = json!({ "app": "poll-notify", "owner": "people-ops", "purpose": "x", "expires": testkit::ahead(60),
        "hosts": ["slack.com"], "value": "xoxb-0123456789abcdef" });
    let put = town.machine("PUT", "/api/v1/secrets/people-ops/poll-notify-slack", secret.to_string().as_bytes()).await;
    assert_eq!(put.status, 200, "{put:?}");
    let user = town.person("user@example.test", &["staff"]).await;
    user.get(&format!("{}/people", town.url())).await;
    let ada = town.person("ada@example.test", &["auditors"]).await;
    let cases = [
        ("/record?app=lunch&action=app.deploy", "deploy a release"),
        ("/record?outcome=denied", "list people and groups"),
        ("/record?person=user%40example.test", "user@example.test"),
        ("/record?person=user%40example.test&action=person.add", "about user@example.test"),
        ("/record?secret=people-ops%2Fpoll-notify-slack", "store a secret"),
        ("/record?since=2020-01-01T00%3A00", "deploy a release"),
    ];
    for (path, wanted) in cases {
        let text = page(&ada, &town, path).await.text();
        let lines = text.split("<tbody").nth(1).unwrap_or_else(|| panic!("{path} finds nothing: {text}"));
        assert!(lines.contains(wanted), "{path}: {lines}");
    }
    let none = page(&ada, &town, "/record?until=2020-01-01T00%3A00").await.text();
    assert!(none.contains("Nothing like that stands in the record"), "{none}");
    let text = page(&ada, &town, "/record?action=app.deploy").await.text();
    let id = text.split("href=\"/record/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let event = page(&ada, &town, &format!("/record/{id}")).await.text();
    assert!(event.contains("Proved") && event.contains("hashlib") && event.contains("app.deploy"), "{event}");
    assert!(!event.contains("xoxb-"), "{event}");
    town.stop().await;
}

/// Pages of the record go on where the one before ended, and miss nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_leafed_through() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let town = Town::start(engine).await;
        for round in 0..30 {
            town.get(&format!("/api/v1/apps?round={round}")).await;
            town.get("/api/v1/people").await;
        }
        let all = town.get("/api/v1/events?limit=1000&until=2100-01-01T00:00:00Z").await.json();
        let all: Vec<String> =
            all["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
        assert!(all.len() > 60, "{all:?}");
        let (mut leafed, mut after) = (Vec::new(), String::new());
        loop {
            let part = town.get(&format!("/api/v1/events?limit=7{after}")).await.json();
            leafed.extend(
                part["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()),
            );
            match part["next"].as_u64() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        // Reading is itself on the record: what was there before is there in the same order, once.
        leafed.retain(|id| all.contains(id));
        assert_eq!(leafed, all);
        town.stop().await;
    }
}

/// New app: judged first, with the finding beside its line; live by the second click.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_judged_and_goes_live() {
    let town = Town::start(Engine::Sqlite).await;
    let ana = town.person("ana@example.test", &["builders", "people-ops", "staff"]).await;
    let files = testkit::template("lunch", "tinypoll");
    let judged = send(&ana, &town, &files, "check", |_, text| text).await;
    assert_eq!(judged.status, 200, "{judged:?}");
    let text = judged.text();
    assert!(text.contains("lunch is ready") && text.contains("Go live"), "{text}");
    let wrong = send(&ana, &town, &files, "deploy", |path, text| {
        if path == "bailiwick.toml" { text.replace("[runtime]", "[runtme]") } else { text }
    })
    .await
    .text();
    assert!(
        wrong.contains("is not ready") && wrong.contains("class=\"here\"") && wrong.contains("[runtme]"),
        "{wrong}"
    );
    assert!(!wrong.contains("Go live"), "{wrong}");
    let live = send(&ana, &town, &files, "deploy", |_, text| text).await.text();
    assert!(live.contains("is live"), "{live}");
    // A name that is taken is said to be, with what going live replaces; what serves already is no draft.
    let change = |path: &str, text: String| if path == "app.js" { format!("{text}\n// new\n") } else { text };
    let next = send(&ana, &town, &files, "check", change).await.text();
    assert!(next.contains("is live: release 1 serves now") && next.contains("Replace release 1"), "{next}");
    assert!(next.contains("This replaces lunch, which serves now") && !next.contains("lunch is ready"), "{next}");
    let edit = page(&ana, &town, "/apps/lunch/edit").await.text();
    assert!(edit.contains("Change lunch") && !edit.contains("value=\"deploy\""), "{edit}");
    let other = town.person("other@example.test", &["builders", "it"]).await;
    let refused = send(&other, &town, &files, "deploy", |_, text| text).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let taken = |path: &str, text: String| {
        if path == "bailiwick.toml" { text.replace("\"people-ops\"", "\"it\"") } else { text }
    };
    for button in ["check", "deploy"] {
        let taken = send(&other, &town, &files, button, taken).await;
        let text = taken.text();
        assert!(taken.status == 200 && text.contains("belongs to another team"), "{button}: {text}");
        assert!(text.contains("name=\"bundle\"") && text.contains("lunch is not ready"), "the files stay: {text}");
        assert!(!text.contains("href=\"/apps/lunch\"") && !text.contains("value=\"deploy\""), "{button}: {text}");
    }
    town.stop().await;
}

/// A folder, as a browser sends it from a field of kind `webkitdirectory`.
async fn send(
    browser: &Browser,
    town: &Town,
    files: &[(String, bytes::Bytes)],
    button: &str,
    change: impl Fn(&str, String) -> String,
) -> Answer {
    let boundary = "----bailiwick";
    let mut body = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"way\"\r\n\r\nfolder\r\n--{boundary}\r\ncontent-disposition: form-data; name=\"do\"\r\n\r\n{button}\r\n"
    );
    for (path, bytes) in files {
        let text = change(path, String::from_utf8_lossy(bytes).into_owned());
        body.push_str(&format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"files\"; filename=\"lunch/{path}\"\r\ncontent-type: application/octet-stream\r\n\r\n{text}\r\n"
        ));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    let kind = format!("multipart/form-data; boundary={boundary}");
    let headers = [("content-type", kind.as_str()), ("sec-fetch-site", "same-origin"), ("accept", "text/html")];
    browser.send("POST", &format!("{}/new", town.url()), &headers, body.as_bytes()).await
}

#[path = "console/addresses.rs"]
mod addresses;
#[path = "console/light.rs"]
mod light;
