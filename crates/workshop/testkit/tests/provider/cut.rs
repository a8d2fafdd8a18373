//! Single sign-on switched off is authority taken away: whoever came in by it is out, at once, on every node, whether or
//! not the record can be written, and nothing brings them back.

use super::{
    Answer, Arc, Browser, Engine, Provider, Signed, SystemClock, Town, Value, json, me,
    set_up::{digest, offered, opened, press, save, tried},
    signed_in,
};
use testkit::{Disk, Postgres, dump, manifest, until};

async fn switched_on(town: &Town, provider: &Provider, ola: &Browser) {
    save(town, ola, provider.issuer(), "s3cret").await;
    tried(town, provider, ola, json!({}), Signed::ByPublishedKey).await;
    let on = press(town, ola, "on", &[("digest", &digest(town).await)]).await;
    assert_eq!(on.status, 200, "{on:?}");
}

async fn off(town: &Town) -> Value {
    let off = town.post("/api/v1/sign-in/off", json!({})).await;
    assert_eq!(off.status, 200, "{off:?}");
    off.json()
}

/// How many ends of sessions the feed tells, one by one.
async fn ends_told(database: &Postgres) -> usize {
    let tables = dump(&database.url).await;
    let (_, rows) = tables.iter().find(|(table, _)| table == "feed").unwrap();
    String::from_utf8_lossy(rows).matches(",session,").count()
}

fn is_out(answer: &Answer) {
    assert!(matches!(answer.status, 303 | 401), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_wait_for_the_record() {
    let provider = Provider::start().await;
    let town = Town::with(Engine::Sqlite, &opened(&[provider.issuer()]), Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.json()["status"], "live");
    switched_on(&town, &provider, &ola).await;
    let ana = town.browser();
    signed_in(&town, &provider, &ana, json!({})).await;
    let app = format!("{}/", town.app("tinypoll"));
    town.post("/api/v1/people/groups", json!({ "email": "ana@example.test", "join": ["staff"] })).await;
    assert_eq!(ana.open(&app).await.status, 200);

    let town = town.restart(Disk::Full).await;
    assert_ne!(me(&town, &ana).await.status, 401, "she is signed in, though nothing can be recorded");
    let said = off(&town).await;
    // The console's, and the app's that came from it.
    assert_eq!((&said["recorded"], &said["sessions_ended"]), (&json!(false), &json!(2)), "{said}");
    assert_eq!(said["provider"], Value::Null, "{said}");
    assert_eq!(me(&town, &ana).await.status, 401);
    is_out(&ana.get(&app).await);
    assert!(!offered(&town).await);
    let again = town.post("/api/v1/sign-in/off", json!({})).await;
    assert_eq!(again.json()["code"], "provider.not_on", "{again:?}");

    // A crash brings nothing back, before it is written and after.
    let town = town.crash(Disk::Full).await;
    assert_eq!((me(&town, &ana).await.status, offered(&town).await), (401, false));
    let town = town.crash(Disk::Room).await;
    until("the cut is written", || async { town.get("/readyz").await.status == 200 }).await;
    assert_eq!((me(&town, &ana).await.status, offered(&town).await), (401, false));
    assert_ne!(me(&town, &ola).await.status, 401, "who came in by a passkey stays");
    let event = town.get(&format!("/api/v1/events/{}", said["event"].as_str().unwrap())).await.json();
    assert_eq!((&event["action"], &event["detail"]["sessions_ended"]), (&json!("provider.off"), &json!(2)), "{event}");
    assert!(event["detail"]["written_late_at"].is_string(), "{event}");

    // The very same provider, on again: nobody is in by what was before.
    switched_on(&town, &provider, &ola).await;
    assert_eq!(me(&town, &ana).await.status, 401);
    is_out(&ana.get(&app).await);
    let town = town.restart(Disk::Room).await;
    assert_eq!((me(&town, &ana).await.status, offered(&town).await), (401, true));
    is_out(&ana.get(&app).await);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_came_in_by_it_is_out_on_every_node_when_it_is_said() {
    let provider = Provider::start().await;
    let database = Postgres::create().await;
    let more = opened(&[provider.issuer()]);
    let one = Town::at(Some(&database.url), "", &more, Arc::new(SystemClock)).await;
    let two = Town::at(Some(&database.url), "", &more, Arc::new(SystemClock)).await;
    let text = manifest("hello", "");
    let deployed = one.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let (ola, _key) = one.person_with_passkey("ola@example.test", &["operators"]).await;
    switched_on(&one, &provider, &ola).await;
    until("the other node offers it", || offered(&two)).await;
    let (ana, bo) = (two.browser(), one.browser());
    signed_in(&two, &provider, &ana, json!({})).await;
    signed_in(&one, &provider, &bo, json!({ "sub": "bo", "email": "bo@example.test" })).await;
    let url = two.app("hello");
    until("the other node serves it", || async { ana.open(&format!("{url}/")).await.status == 200 }).await;

    let before = ends_told(&database).await;
    let said = off(&one).await;
    // Each by its id: a node of an older version understands no more.
    assert_eq!(ends_told(&database).await - before, 3);
    // Hers at the console and at the app, which the first node never saw, and his.
    assert_eq!((&said["recorded"], &said["sessions_ended"]), (&json!(true), &json!(3)), "{said}");
    assert_eq!((me(&two, &ana).await.status, me(&one, &bo).await.status), (401, 401));
    is_out(&ana.get(&format!("{url}/")).await);
    // On again at once, with what the other node had in its memory: hers is over there too.
    switched_on(&one, &provider, &ola).await;
    until("the other node offers it", || offered(&two)).await;
    assert_eq!(me(&two, &ana).await.status, 401);
    is_out(&ana.get(&format!("{url}/")).await);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_in_its_place_ends_what_began_there_on_sqlite() {
    another_provider_in_its_place_ends_what_began_there(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_in_its_place_ends_what_began_there_on_postgres() {
    another_provider_in_its_place_ends_what_began_there(Engine::Postgres).await;
}

async fn another_provider_in_its_place_ends_what_began_there(engine: Engine) {
    let (one, two) = (Provider::start().await, Provider::start().await);
    let town = Town::with(engine, &opened(&[one.issuer(), two.issuer()]), Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    switched_on(&town, &one, &ola).await;
    let (ana, own) = (town.browser(), town.browser());
    signed_in(&town, &one, &ana, json!({})).await;
    // The same one, set up anew, ends nothing.
    switched_on(&town, &one, &ola).await;
    assert_eq!(me(&town, &ana).await.status, 200);
    switched_on(&town, &two, &ola).await;
    assert_eq!((me(&town, &ana).await.status, me(&town, &ola).await.status), (401, 200));
    let events = town.events("provider.on").await;
    assert_eq!(events[0]["detail"]["sessions_ended"], 1, "{events:?}");
    switched_on(&town, &one, &ola).await;
    assert_eq!(me(&town, &ana).await.status, 401, "nor does it come back");

    // Whoever switches it off and came in by it is told that they are out too.
    signed_in(&town, &one, &own, json!({ "sub": "oz", "email": "oz@example.test", "amr": ["mfa"] })).await;
    town.post("/api/v1/people/groups", json!({ "email": "oz@example.test", "join": ["operators"] })).await;
    let page = own.get(&format!("{}/people/sign-in", town.url())).await.text();
    assert!(page.contains("is signed out at once, on every node: you too"), "{page}");
    let over = press(&town, &own, "off", &[]).await;
    assert!(over.status == 200 && over.text().contains("Yours is among them"), "{over:?}");
    assert_eq!(me(&town, &own).await.status, 401);
    town.stop().await;
}

const APP: &str = "export default { fetch() { return new Response('ok'); } };";
