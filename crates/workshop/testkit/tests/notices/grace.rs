//! What an app keeps goes only after its people were told: of the day when it is suspended, and a week and a day before.
//! Then all of it goes, and the record of it stays.

use crate::{ANA, BEA, DAY, OLA, deploys, log, mail::MailServer, mail::Mode, nothing_waits, smtp, until_told};
use model::{Clock, ManualClock, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;
use testkit::{Engine, Kept, Town, ahead, free_port, keeper, manifest, until};

/// `lunch` keeps two records for a year, and is suspended on its date, 80 days from now; whoever deployed it and their team
/// are told.
async fn suspended(engine: Engine, mail: &MailServer, clock: &Arc<ManualClock>) -> Town {
    let town = Town::with(engine, &smtp(mail.port), Arc::clone(clock) as _).await;
    town.person(OLA, &["operators"]).await;
    town.person(ANA, &["people-ops"]).await;
    let bea = town.person(BEA, &["builders", "people-ops"]).await;
    let (url, headers) = (format!("{}/api/v1/deploy?env=prod", town.url()), [("sec-fetch-site", "same-origin")]);
    let deployed = bea.send("POST", &url, &headers, &keeper("lunch", "365d", 2)).await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    let lunch = format!("{}/", town.app("lunch"));
    assert_eq!(bea.open(&lunch).await.status, 200);
    assert_eq!(bea.post(&lunch, &[]).await.status, 200);
    clock.advance(DAY * 82);
    until_told(mail, BEA, "lunch was suspended on its date").await;
    town
}

/// What was told of the end of its data.
fn goes(mail: &MailServer, to: &str) -> Vec<String> {
    let goes = |line: &String| line.starts_with("The data of the app lunch is deleted");
    mail.subjects(to).into_iter().filter(goes).collect()
}

const CODE: &str = "export default { fetch() { return new Response('lunch'); } };";
const WEEK: &str = "The data of the app lunch is deleted within 7 days";
const LAST: &str = "The data of the app lunch is deleted within 1 day";

async fn what_an_app_keeps(engine: Engine) {
    let (mail, clock) =
        (MailServer::start(free_port(), Mode::Plain, None), Arc::new(ManualClock::at(SystemClock.now())));
    let town = suspended(engine, &mail, &clock).await;
    let event = town.events("app.expire").await.remove(0);
    let day = clock.now().plus(DAY * 30).to_string();
    assert_eq!(event["detail"]["removed_from"], day, "{event}");
    let bea = town.person(BEA, &[]).await;
    let page = bea.get(&format!("{}/apps/lunch", town.url())).await;
    assert!(page.text().contains(&format!("is deleted on {}", &day[..10])), "{page:?}");
    clock.advance(DAY * 22);
    town.after("warnings").await;
    assert_eq!(goes(&mail, BEA), [""; 0], "not yet");
    clock.advance(DAY);
    until_told(&mail, BEA, WEEK).await;
    clock.advance(DAY * 2);
    until("nobody took it on: the team", async || goes(&mail, ANA) == [WEEK]).await;
    clock.advance(DAY * 4);
    until_told(&mail, BEA, LAST).await;
    nothing_waits(&town).await;
    town.after("expiry").await;
    assert_eq!(town.events("app.remove").await, Vec::<Value>::new(), "there is a day left");
    let kept = town.kept().await;
    assert_eq!((kept.collections, kept.records), (2, 2), "{kept:?}");
    kept.adds_up(&town.recorded().await);
    clock.advance(DAY);
    until("it is removed", async || town.events("app.remove").await.len() == 1).await;
    assert_eq!(town.kept().await, Kept::default(), "nothing of it stays");
    let recorded = town.recorded().await;
    for (action, times) in [("app.deploy", 1), ("data.write", 2), ("app.expire", 1), ("app.remove", 1)] {
        assert_eq!(recorded.iter().filter(|event| event["action"] == action).count(), times, "{action}");
    }
    until("its team is told", async || mail.subjects(ANA).iter().any(|line| line == "The data of lunch was deleted"))
        .await;
    let app = town.get("/api/v1/apps/lunch").await.json()["app"].clone();
    assert_eq!(app["environments"][0]["state"], "retired", "{app}");
    assert_eq!(app["certificate"]["grace"]["ended_at"], day, "{app}");
    assert_eq!(app["certificate"]["event"], town.events("app.remove").await[0]["id"], "{app}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_keeps_on_sqlite() {
    what_an_app_keeps(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_keeps_on_postgres() {
    what_an_app_keeps(Engine::Postgres).await;
}

/// A last day of which nobody heard is none; nor is one that passed while nobody could act.
async fn what_nobody_heard_of(engine: Engine) {
    let (mail, clock) =
        (MailServer::start(free_port(), Mode::Plain, None), Arc::new(ManualClock::at(SystemClock.now())));
    let town = suspended(engine, &mail, &clock).await;
    nothing_waits(&town).await;
    clock.advance(DAY * 23);
    until_told(&mail, BEA, WEEK).await;
    nothing_waits(&town).await;
    mail.answers("550");
    clock.advance(DAY * 6);
    until("the last warning is refused", async || log(&town, "state=failed&kind=expires").await.len() == 1).await;
    clock.advance(DAY);
    town.after("expiry").await;
    assert_eq!(town.events("app.remove").await, Vec::<Value>::new(), "nobody heard of it");
    clock.advance(DAY / 12);
    until_told(&mail, BEA, LAST).await;
    nothing_waits(&town).await;
    clock.advance(DAY * 2);
    until("it is told anew", async || goes(&mail, BEA) == [WEEK, LAST, LAST]).await;
    nothing_waits(&town).await;
    town.after("expiry").await;
    assert_eq!(town.events("app.remove").await, Vec::<Value>::new(), "its last day passed unseen");
    clock.advance(DAY);
    until("it is removed", async || town.events("app.remove").await.len() == 1).await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_heard_of_on_sqlite() {
    what_nobody_heard_of(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_heard_of_on_postgres() {
    what_nobody_heard_of(Engine::Postgres).await;
}

/// Without a way to tell people, what an app keeps stays, and its page says so.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_where_nobody_can_be_told() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await;
    let bea = town.person(BEA, &["builders", "people-ops"]).await;
    assert_eq!(deploys(&bea, &town, "lunch", "tinypoll").await.status, 200);
    clock.advance(DAY * 82);
    until("it is suspended", async || town.events("app.expire").await.len() == 1).await;
    for days in [23, 6, 1] {
        clock.advance(DAY * days);
        town.after("warnings").await;
    }
    town.after("expiry").await;
    let done = (town.events("app.remove").await, town.events("expiry.warn").await);
    assert_eq!(done, (Vec::<Value>::new(), Vec::new()));
    let page = town.person(BEA, &[]).await.get(&format!("{}/apps/lunch", town.url())).await;
    assert!(page.text().contains("nothing is deleted until people can be told of it"), "{page:?}");
    town.stop().await;
}

/// Time that nobody saw pass is not taken from whoever is to be warned.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_ahead_removes_nothing_unwarned() {
    let (mail, clock) =
        (MailServer::start(free_port(), Mode::Plain, None), Arc::new(ManualClock::at(SystemClock.now())));
    let town = suspended(Engine::Sqlite, &mail, &clock).await;
    clock.advance(DAY * 50);
    until_told(&mail, BEA, WEEK).await;
    clock.advance(DAY * 9);
    until_told(&mail, BEA, LAST).await;
    town.after("expiry").await;
    assert_eq!(town.events("app.remove").await, Vec::<Value>::new());
    // Whoever deploys it again keeps it, and nobody is asked to take on what does not end.
    let open = async || town.get("/api/v1/notices").await.json()["warnings"].clone();
    assert!(open().await.to_string().contains("the data of the app"), "{}", open().await);
    let later = manifest("lunch", "").replace(&ahead(80), &ahead(200));
    let again = town.deploy(&[("bailiwick.toml", &later), ("app.js", CODE)]).await;
    assert_eq!(again.status, 200, "{again:?}");
    until("the warning is over", async || open().await == json!([])).await;
    clock.advance(DAY * 2);
    town.after("expiry").await;
    assert_eq!(town.events("app.remove").await, Vec::<Value>::new());
    town.stop().await;
}
