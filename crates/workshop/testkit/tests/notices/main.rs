//! People are told: by mail to a real server, and by a signed webhook; when it fails, again; of what ends, in time, and
//! then the next person up; of trouble, once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod grace;
mod hook;
mod mail;
mod ways;

use hook::Hook;
use mail::{MailServer, Mode};
use model::{Clock, ManualClock, SystemClock};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use testkit::{Answer, Browser, Disk, Engine, Town, bundle, free_port, until};

/// Leads to this machine, and is none of the addresses that are known to: TLS is asked for.
const ANY: &str = "0.0.0.0";
const DAY: Duration = Duration::from_secs(86_400);
const ANA: &str = "ana@example.test";
const BEA: &str = "bea@example.test";
const OLA: &str = "ola@example.test";
const REV: &str = "rev@example.test";

fn smtp(port: u16) -> String {
    format!("[notify]\nsmtp = \"smtp://127.0.0.1:{port}\"\nfrom = \"bailiwick@corp.example\"\n")
}

async fn log(town: &Town, query: &str) -> Vec<Value> {
    let answer = town.get(&format!("/api/v1/notices?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["notices"].as_array().unwrap().clone()
}

async fn nothing_waits(town: &Town) {
    until("everything is sent", async || log(town, "state=waiting").await.is_empty()).await;
}

async fn deploys(browser: &Browser, town: &Town, name: &str, from: &str) -> Answer {
    let url = format!("{}/api/v1/deploy?env=prod", town.url());
    browser.send("POST", &url, &[("sec-fetch-site", "same-origin")], &bundle(name, from)).await
}

/// Who is told of what: never whoever did it, and nobody whom it does not concern.
async fn who_is_told(engine: Engine) {
    let (mail, hook, folder) =
        (MailServer::start(free_port(), Mode::Plain, None), Hook::start().await, TempDir::new().unwrap());
    let config = format!("{}{}", smtp(mail.port), hook.config(folder.path()));
    let town = Town::with(engine, &config, Arc::new(SystemClock)).await;
    let ola = town.person(OLA, &["operators"]).await;
    town.person(REV, &["reviewers"]).await;
    let bea = town.person(BEA, &["builders", "people-ops"]).await;
    town.person(ANA, &["staff", "people-ops"]).await;
    until("the operator hears who joined", async || {
        mail.subjects(OLA).iter().any(|line| line == "rev@example.test joined reviewers")
    })
    .await;
    assert_eq!(town.post("/api/v1/sign-in/links", json!({ "on": true })).await.status, 200);
    until("operators hear how people sign in", async || {
        mail.subjects(OLA).iter().any(|line| line.eq_ignore_ascii_case("how people sign in was changed"))
    })
    .await;

    let waiting = deploys(&bea, &town, "poll-notify", "poll-notify").await;
    assert_eq!(waiting.status, 202, "{waiting:?}");
    let request = waiting.json()["request"].as_str().unwrap().to_owned();
    until("both who may decide are told", async || {
        [OLA, REV].iter().all(|to| mail.subjects(to).iter().any(|line| line.contains("waits for your yes")))
    })
    .await;
    let reject = format!("/api/v1/requests/{request}/reject");
    assert_eq!(town.post(&reject, json!({ "why": "canary: not for mail" })).await.status, 200);
    until("whoever asked is told", async || mail.subjects(BEA) == ["poll-notify was sent back"]).await;

    assert_eq!(deploys(&bea, &town, "lunch", "tinypoll").await.status, 200);
    let url = format!("{}/switch", town.url());
    let cut = ola.post(&url, &[("app", "lunch"), ("why", "canary: it leaks")]).await;
    assert_eq!(cut.status, 303, "{cut:?}");
    until("owner and team are told", async || {
        [ANA, BEA].iter().all(|to| mail.subjects(to).iter().any(|line| line == "lunch was switched off"))
    })
    .await;
    assert_eq!(town.post("/api/v1/people", json!({ "email": ANA })).await.status, 200);
    until("whoever has a new link is told", async || {
        mail.subjects(ANA).iter().any(|line| line.contains("new sign-in link was made for you"))
    })
    .await;
    nothing_waits(&town).await;
    assert!(!mail.subjects(OLA).iter().any(|line| line.contains("lunch")), "whoever did it knows it");
    let mut pairs: Vec<(String, String)> =
        mail.mails().into_iter().map(|mail| (mail.to.join(","), mail.subject)).collect();
    let all = pairs.len();
    pairs.sort();
    pairs.dedup();
    assert_eq!(pairs.len(), all, "nobody is told twice");
    for one in mail.mails() {
        assert!(!one.text.contains("canary"), "a reason stays in the record: {}", one.text);
        assert!(one.text.contains("Auto-Submitted: auto-generated"), "{}", one.text);
    }
    let posted = hook.posted();
    assert!(posted.iter().any(|one| one["type"] == "notice.revoked"), "{posted:?}");
    let said = json!(posted).to_string();
    assert!(!said.contains("canary"));
    for address in [ANA, BEA, OLA, REV] {
        assert!(!said.contains(address), "ids and links leave the platform, no address: {said}");
    }
    assert_eq!(posted.len(), log(&town, "").await.iter().filter(|line| line["channel"] == "webhook").count());
    let lines = log(&town, "kind=revoked&limit=1").await;
    assert_eq!((lines.len(), &lines[0]["state"], &lines[0]["attempts"]), (1, &json!("sent"), &json!(1)), "{lines:?}");
    in_parts(&town).await;
    pages(&town, &ola).await;
    town.stop().await;
}

/// The log in parts is the log.
async fn in_parts(town: &Town) {
    let whole = log(town, "").await;
    let (mut parts, mut after) = (Vec::new(), String::new());
    loop {
        let page = town.get(&format!("/api/v1/notices?limit=3{after}")).await.json();
        parts.extend(page["notices"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(parts, whole);
    for wrong in ["state=gone", "kind=gone", "after=gone"] {
        assert_eq!(town.get(&format!("/api/v1/notices?{wrong}")).await.status, 400, "{wrong}");
    }
}

async fn pages(town: &Town, ola: &Browser) {
    let page = ola.get(&format!("{}/notices?kind=waits", town.url())).await;
    assert!(page.status == 200 && page.text().contains("waits for your yes"), "{page:?}");
    let tested = ola.post(&format!("{}/notices/test", town.url()), &[]).await;
    assert!(tested.status == 200 && tested.text().contains("It is sent"), "{tested:?}");
    let staff = town.person("staff@example.test", &["staff"]).await;
    assert_eq!(staff.get(&format!("{}/notices", town.url())).await.status, 403);
    assert_eq!(staff.post(&format!("{}/notices/test", town.url()), &[]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_on_sqlite() {
    who_is_told(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_on_postgres() {
    who_is_told(Engine::Postgres).await;
}

/// A refusal for now is tried again, one for good is not; what waits over a crash is sent once it can be.
async fn what_fails(engine: Engine) {
    let (port, clock) = (free_port(), Arc::new(ManualClock::at(SystemClock.now())));
    let town = Town::with(engine, &smtp(port), Arc::clone(&clock) as _).await;
    town.person(OLA, &["operators"]).await;
    until("nobody takes it", async || log(&town, "state=waiting").await.iter().any(|line| line["error"].is_string()))
        .await;
    let line = log(&town, "").await.remove(0);
    assert!(line["error"].as_str().unwrap().contains("onnection"), "{line}");
    assert!(line["next_at"].as_str() > line["made_at"].as_str(), "{line}");

    // Between commit and sending, everything ends.
    let mail = MailServer::start(port, Mode::Plain, None);
    let town = town.crash(Disk::Room).await;
    // What the crash itself may tell goes out first: a gap is an alarm.
    town.after("notices").await;
    mail.answers("450");
    clock.advance(Duration::from_secs(60));
    until("it is put off, and says why", async || {
        let line = log(&town, "kind=joined").await.remove(0);
        line["attempts"] == 2 && line["error"].as_str().unwrap_or_default().contains("come back later")
    })
    .await;
    clock.advance(Duration::from_secs(180));
    until("it arrives", async || log(&town, "state=sent&kind=joined").await.len() == 1).await;
    assert!(mail.subjects(OLA).contains(&"ola@example.test joined operators".to_owned()));

    mail.answers("550");
    town.person(REV, &["reviewers"]).await;
    until("it is given up", async || log(&town, "state=failed&kind=joined").await.len() == 1).await;
    let line = log(&town, "state=failed&kind=joined").await.remove(0);
    assert_eq!((&line["attempts"], &line["next_at"]), (&json!(1), &Value::Null), "{line}");
    assert!(line["error"].as_str().unwrap().contains("no such person"), "{line}");
    clock.advance(DAY);
    nothing_waits(&town).await;
    let joined = mail.subjects(OLA).into_iter().filter(|line| line.contains("joined")).collect::<Vec<_>>();
    assert_eq!(joined, ["ola@example.test joined operators"], "still once, and the other never");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_sqlite() {
    what_fails(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_postgres() {
    what_fails(Engine::Postgres).await;
}

/// A row of a channel that this version does not know goes nowhere, not to the webhook; and holds up no other.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_channel_is_an_error() {
    let (hook, folder, clock) =
        (Hook::start().await, TempDir::new().unwrap(), Arc::new(ManualClock::at(SystemClock.now())));
    let config = format!("{}{}", smtp(free_port()), hook.config(folder.path()));
    let town = Town::with(Engine::Sqlite, &config, Arc::clone(&clock) as _).await;
    town.person(OLA, &["operators"]).await;
    let posted = || hook.posted().iter().filter(|one| one["type"] == "notice.joined").count();
    let waiting = async || log(&town, "state=waiting").await;
    until("nobody takes the mail", async || waiting().await.iter().any(|line| line["error"].is_string())).await;
    until("the webhook does", async || posted() == 1).await;
    let town = town.changed(|data| testkit::mails_to_nowhere(&data.join("bailiwick.db"))).await;
    clock.advance(DAY);
    town.after("notices").await;
    assert_eq!(posted(), 1, "it did not come there instead");
    let left = log(&town, "state=waiting&kind=joined").await;
    assert_eq!((left.len(), &left[0]["channel"], &left[0]["attempts"]), (1, &json!("pager"), &json!(1)), "{left:?}");
    let next: model::Timestamp = left[0]["next_at"].as_str().unwrap().parse().unwrap();
    assert!(next > clock.now().plus(Duration::from_secs(3_000)), "it is not looked at each second: {left:?}");
    town.person(REV, &["reviewers"]).await;
    until("what comes after it is sent", async || posted() == 2).await;
    town.stop().await;
}

/// 30, 7 and 1 days before the end: the owner, the team, the operators; whoever takes it on ends the asking.
async fn what_ends(engine: Engine) {
    let (mail, clock) =
        (MailServer::start(free_port(), Mode::Plain, None), Arc::new(ManualClock::at(SystemClock.now())));
    let town = Town::with(engine, &smtp(mail.port), Arc::clone(&clock) as _).await;
    town.person(OLA, &["operators"]).await;
    town.person(ANA, &["people-ops"]).await;
    let bea = town.person(BEA, &["builders", "people-ops"]).await;
    assert_eq!(deploys(&bea, &town, "lunch", "tinypoll").await.status, 200);
    let warned = |to: &str| {
        let ends = |line: &String| line.starts_with("The app lunch ends");
        mail.subjects(to).into_iter().filter(ends).collect::<Vec<_>>()
    };
    let (month, week, last) =
        ("The app lunch ends within 30 days", "The app lunch ends within 7 days", "The app lunch ends within 1 day");
    // The manifest says 80 days.
    clock.advance(DAY * 52);
    until("the owner is warned", async || warned(BEA) == [month]).await;
    clock.advance(DAY * 7);
    until("nobody took it on: the team", async || warned(ANA) == [month]).await;
    assert_eq!((warned(BEA).len(), warned(OLA).len()), (1, 0), "nobody twice, and operators not yet");
    clock.advance(DAY * 7);
    until("nobody took it on: operators", async || warned(OLA) == [month]).await;

    clock.advance(DAY * 8);
    until("the owner again", async || warned(BEA) == [month, week]).await;
    let open = town.get("/api/v1/notices").await.json()["warnings"].clone();
    assert_eq!(
        (open.as_array().unwrap().len(), &open[0]["days"], &open[0]["asked"]),
        (1, &json!(7), &json!("its owner")),
        "{open}"
    );
    let event = open[0]["event"].as_str().unwrap().to_owned();
    let shown = town.get(&format!("/api/v1/events/{event}")).await.json();
    assert_eq!((&shown["action"], &shown["detail"]["days"]), (&json!("expiry.warn"), &json!(7)), "{shown}");
    let taken = town.post(&format!("/api/v1/notices/{event}/ack"), json!({})).await;
    assert!(taken.status == 200 && taken.json()["acked_by"].is_string(), "{taken:?}");
    let acks = town.get("/api/v1/events?action=notice.ack").await.json();
    assert_eq!(acks["events"].as_array().unwrap().len(), 1);
    let again = town.post(&format!("/api/v1/notices/{event}/ack"), json!({})).await;
    assert_eq!(again.json()["acked_at"], taken.json()["acked_at"], "once is enough");
    assert_eq!(town.post("/api/v1/notices/none/ack", json!({})).await.status, 404);
    clock.advance(DAY * 3);
    // Long past the time after which the team would be asked.
    town.after("warnings").await;
    assert_eq!(town.get("/api/v1/notices").await.json()["warnings"], json!([]));
    clock.advance(DAY * 3);
    until("the last day", async || warned(BEA) == [month, week, last]).await;
    assert_eq!((warned(ANA), warned(OLA)), (vec![month.to_owned()], vec![month.to_owned()]), "taken on: nobody else");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_on_sqlite() {
    what_ends(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_on_postgres() {
    what_ends(Engine::Postgres).await;
}

/// A waiver ends as all else does: whoever has to mend what it waives is warned, then the team, then operators.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiver_that_ends_is_warned_of() {
    let (mail, clock) =
        (MailServer::start(free_port(), Mode::Plain, None), Arc::new(ManualClock::at(SystemClock.now())));
    let town = Town::with(Engine::Sqlite, &smtp(mail.port), Arc::clone(&clock) as _).await;
    town.person(OLA, &["operators"]).await;
    town.person(ANA, &["people-ops"]).await;
    let bea = town.person(BEA, &["builders", "people-ops"]).await;
    assert_eq!(deploys(&bea, &town, "lunch", "tinypoll").await.status, 200);
    // Before the app ends.
    let until = SystemClock.now().plus(DAY * 61).to_string()[..10].to_owned();
    let wish =
        json!({ "app": "lunch", "code": "policy.retention", "until": until, "why": "canary", "break_glass": true });
    assert_eq!(town.post("/api/v1/waivers", wish).await.status, 200);
    until_told(&mail, OLA, "EXCEPTION: policy.retention was waived for lunch by break-glass").await;
    let ends = |days: &str| format!("The waiver of policy.retention for lunch ends within {days}");
    clock.advance(DAY * 32);
    until_told(&mail, BEA, &ends("30 days")).await;
    clock.advance(DAY * 7);
    until_told(&mail, ANA, &ends("30 days")).await;
    assert!(!mail.subjects(OLA).contains(&ends("30 days")), "not operators yet");
    clock.advance(DAY * 16);
    until_told(&mail, BEA, &ends("7 days")).await;
    let open = town.get("/api/v1/notices").await.json()["warnings"].clone();
    let named = |warning: &&Value| warning["what"] == "the waiver of `policy.retention` for `lunch`";
    let open = open.as_array().unwrap().iter().find(named).unwrap_or_else(|| panic!("{open}")).clone();
    assert_eq!((&open["days"], &open["thing"]), (&json!(7), &json!("waiver/lunch/policy.retention")), "{open}");
    // Whoever is in the team takes it on, and nobody else is asked; on the last day all is asked anew.
    let ana = town.person(ANA, &[]).await;
    let taken = ana.post(&format!("{}/notices/{}", town.url(), open["event"].as_str().unwrap()), &[]).await;
    assert!(taken.text().contains("You have taken it on"), "{taken:?}");
    clock.advance(DAY * 6);
    until_told(&mail, BEA, &ends("1 day")).await;
    assert!(mail.mails().iter().all(|mail| !mail.text.contains("canary")), "why stays in the record");
    town.stop().await;
}

async fn until_told(mail: &MailServer, to: &str, subject: &str) {
    until(subject, async || mail.subjects(to).iter().any(|line| line == subject)).await;
}

/// Who may see a warning and take it on: those whom it concerns, by its page too; to others there is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_warning_is_for_those_whom_it_concerns() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await;
    let put = json!({ "app": "lunch", "owner": "people-ops", "purpose": "posts", "expires": &SystemClock.now().plus(DAY * 60).to_string()[..10], "hosts": ["a.example"], "value": "0123456789abcdef" });
    assert_eq!(town.machine("PUT", "/api/v1/secrets/people-ops/kept", put.to_string().as_bytes()).await.status, 200);
    clock.advance(DAY * 35);
    until("it is warned without any way to send", async || {
        town.get("/api/v1/notices").await.json()["warnings"].as_array().unwrap().len() == 1
    })
    .await;
    let open = town.get("/api/v1/notices").await.json();
    assert_eq!(
        (&open["channels"], &open["warnings"][0]["what"]),
        (&json!([]), &json!("the secret `people-ops/kept` (prod)"))
    );
    let path = format!("{}/notices/{}", town.url(), open["warnings"][0]["event"].as_str().unwrap());
    let other = town.person("other@example.test", &["builders", "it"]).await;
    assert_eq!((other.get(&path).await.status, other.post(&path, &[]).await.status), (404, 404));
    let ana = town.person(ANA, &["people-ops"]).await;
    let page = ana.get(&path).await;
    assert!(page.status == 200 && page.text().contains("I take it on"), "{page:?}");
    assert!(ana.post(&path, &[]).await.text().contains("You have taken it on"));
    assert!(ana.get(&path).await.text().contains("has taken it on"));
    town.stop().await;
}

/// TLS from the first byte and by STARTTLS, with credentials; a server that cannot be trusted gets nothing.
#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_under_tls_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), ANY.to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = Some((cert.as_path(), key.as_path()));
    let tls = MailServer::start(free_port(), Mode::Tls, files);
    let starttls = MailServer::start(free_port(), Mode::StartTls, files);
    let plain = MailServer::start(free_port(), Mode::Plain, None);
    let ca = format!("[broker]\nca = [\"{}\"]\n", cert.display());
    let cases = [
        (&tls, "smtps://bailiwick:open%20sesame@localhost", ca.as_str(), None),
        (&tls, "smtps://bailiwick:wrong@localhost", &ca, Some("bad credentials")),
        (&tls, "smtps://bailiwick:open%20sesame@localhost", "", Some("ertificate")),
        (&starttls, "smtp://bailiwick:open%20sesame@0.0.0.0", &ca, None),
        (&starttls, "smtp://bailiwick:open%20sesame@0.0.0.0", "", Some("ertificate")),
        (&plain, "smtp://0.0.0.0", &ca, Some("STARTTLS")),
    ];
    for (server, address, ca, said) in cases {
        let config = format!("{ca}[notify]\nsmtp = \"{address}:{}\"\n", server.port);
        let town = Town::with(Engine::Sqlite, &config, Arc::new(SystemClock)).await;
        let ola = town.person(OLA, &["operators"]).await;
        let url = format!("{}/api/v1/notices/test", town.url());
        let tested =
            ola.send("POST", &url, &[("sec-fetch-site", "same-origin")], b"{}").await.json()["tested"][0].clone();
        match said {
            None => assert_eq!(tested, json!({ "channel": "mail", "to": OLA, "ok": true }), "{address}"),
            Some(said) => assert!(tested["error"].as_str().unwrap().contains(said), "{address}: {tested}"),
        }
        town.stop().await;
    }
    for server in [&tls, &starttls] {
        assert!(server.mails().iter().all(|mail| mail.secure));
        assert!(server.subjects(OLA).contains(&"A test from Bailiwick".to_owned()));
    }
    assert_eq!(plain.mails().len(), 0);
}

/// While the record cannot be written, operators are told from memory, and not again within the hour.
#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_needs_no_record() {
    let mail = MailServer::start(free_port(), Mode::Plain, None);
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, &smtp(mail.port), Arc::clone(&clock) as _).await;
    town.person(OLA, &["operators"]).await;
    town.person(BEA, &["builders"]).await;
    nothing_waits(&town).await;
    let town = town.restart(Disk::Full).await;
    let alarms = |to: &str| mail.subjects(to).into_iter().filter(|line| line.starts_with("ALARM: record")).count();
    until("operators are told", async || alarms(OLA) == 1).await;
    clock.advance(Duration::from_secs(3_540));
    town.after("alarms").await;
    assert_eq!(alarms(OLA), 1, "not again within the hour");
    clock.advance(Duration::from_secs(120));
    until("still: again", async || alarms(OLA) == 2).await;
    assert_eq!(alarms(BEA), 0);
    drop(town);
}

/// An event that was changed in the database is an alarm with an event of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_an_alarm() {
    let mail = MailServer::start(free_port(), Mode::Plain, None);
    let town = Town::with(Engine::Sqlite, &smtp(mail.port), Arc::new(SystemClock)).await;
    town.person(OLA, &["operators"]).await;
    nothing_waits(&town).await;
    let town = town.changed(|data| testkit::damage_events(&data.join("bailiwick.db"))).await;
    until("operators are told", async || mail.subjects(OLA).contains(&"ALARM: log".to_owned())).await;
    let raised = town.get("/api/v1/events?action=alarm.raise").await.json();
    assert_eq!(raised["events"][0]["detail"]["alarm"], "log", "{raised}");
    town.stop().await;
}

/// Notices of a newer version's kind hold up no other, however many there are.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_passed_by() {
    let mail = MailServer::start(free_port(), Mode::Plain, None);
    let town = Town::with(Engine::Sqlite, &smtp(mail.port), Arc::new(SystemClock)).await;
    town.person(OLA, &["operators"]).await;
    nothing_waits(&town).await;
    let town = town.changed(|data| testkit::unreadable_notices(&data.join("bailiwick.db"))).await;
    town.person(REV, &["reviewers"]).await;
    until("the operator hears who joined", async || {
        mail.subjects(OLA).iter().any(|line| line == "rev@example.test joined reviewers")
    })
    .await;
    town.stop().await;
}
