//! Backups that the server makes by itself: by schedule, into a bucket, so many of them; a failure is an event, and what
//! was made comes back on a machine that has nothing but it and its keys.

use crate::depot::{BUCKET, Fault, KEY, S3, SECRET};
use model::{Clock, ManualClock, SystemClock};
use seal::RecoveryKey;
use serde_json::json;
use server::{Config, Configuration, Contents, Overrides, Restore, Settings, Unproven};
use std::{path::Path, sync::Arc, time::Duration};
use store::{Depot, DepotPlace, S3Place};
use tempfile::TempDir;
use testkit::{Engine, Town, until};

pub(crate) fn plan(s3: &S3, folder: &Path, key: &RecoveryKey, more: &str) -> String {
    let recipient = key.recipient();
    format!("[backup]\nto = \"s3://{BUCKET}/backups\"\nrecipient = \"{recipient}\"\n{more}{}", s3.keys(folder))
}

/// How many have ended, as the database has it.
fn told(town: &Town) -> i64 {
    const COUNT: &str = "SELECT count(*) FROM events WHERE action = 'backup.done'";
    let database = rusqlite::Connection::open(town.data.join("bailiwick.db")).unwrap();
    database.query_row(COUNT, [], |row| row.get(0)).unwrap_or(0)
}

pub(crate) async fn done(town: &Town) -> Vec<serde_json::Value> {
    let events = town.get("/api/v1/events?action=backup.done&limit=100").await.json();
    events["events"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_schedule_so_many_are_kept_and_a_failure_is_an_event() {
    let (s3, folder, key) = (S3::start().await, TempDir::new().unwrap(), RecoveryKey::generate());
    let day = Duration::from_secs(86_400);
    // Four nights ago: `machine` signs by today's clock, so what it is asked for comes last.
    let clock = Arc::new(ManualClock::at(SystemClock.now().minus(day * 4)));
    let more = plan(&s3, folder.path(), &key, "schedule = \"0 2 * * *\"\nkeep = { last = 2 }\n");
    let mut town = Town::with(Engine::Sqlite, &more, clock.clone()).await;
    for night in 1..=4 {
        until("a backup a night, and one at once", || async { told(&town) == night }).await;
        assert_eq!(s3.objects("backups/").len(), if night == 1 { 2 } else { 4 });
        if night < 4 {
            // What was missed while nothing ran is made up for at the start.
            clock.advance(day);
            town = town.restart(testkit::Disk::Room).await;
        }
    }
    let before = s3.objects("backups/");
    s3.set(Fault::Status(500));
    clock.advance(SystemClock.now().since(clock.now()));
    town = town.restart(testkit::Disk::Room).await;
    until("a failure is an event", || async { done(&town).await.len() == 5 }).await;
    let mut events = done(&town).await;

    // It failed: an event says so, nothing half is left, and nothing was deleted for it.
    let failed = events.remove(0);
    assert_eq!((&failed["outcome"], &failed["detail"]["code"]), (&json!("failed"), &json!("depot.unreachable")));
    assert!(!failed.to_string().contains(KEY) && !failed.to_string().contains(SECRET), "{failed}");
    let refused = town.post("/api/v1/backups", json!({})).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("depot.unreachable")), "{refused:?}");
    s3.set(Fault::None);
    assert_eq!(s3.objects("backups/"), before);
    let listed = town.get("/api/v1/backups").await.json();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 4, "{listed}");
    assert!(
        events.iter().all(|event| event["outcome"] == "allowed" && event["actor"][0] == "system:backup"),
        "{events:?}"
    );
    assert_eq!(events[0]["detail"]["deleted"].as_array().unwrap().len(), 2, "data and configuration: {events:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_the_configuration_alone_is_not_the_nights() {
    let (s3, folder, key) = (S3::start().await, TempDir::new().unwrap(), RecoveryKey::generate());
    let day = Duration::from_secs(86_400);
    let clock = Arc::new(ManualClock::at(SystemClock.now().minus(day * 2)));
    let more = plan(&s3, folder.path(), &key, "schedule = \"0 2 * * *\"\n");
    let town = Town::with(Engine::Sqlite, &more, clock.clone()).await;
    until("one at once", || async { told(&town) == 1 }).await;
    s3.set(Fault::Status(500));
    clock.advance(day);
    let town = town.restart(testkit::Disk::Room).await;
    until("the night's fails", || async { told(&town) == 2 }).await;
    s3.set(Fault::None);
    let made = town.post("/api/v1/backups", json!({ "parts": "config" })).await;
    assert_eq!(made.status, 200, "{made:?}");
    clock.advance(Duration::from_secs(700));
    let town = town.restart(testkit::Disk::Room).await;
    until("the night's is tried again", || async { told(&town) == 4 }).await;
    let events = done(&town).await;
    assert!(events[0]["detail"]["file"].is_string() && events[1]["detail"]["file"].is_null(), "{events:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_and_data_come_back_apart_and_together() {
    let (s3, folder, key) = (S3::start().await, TempDir::new().unwrap(), RecoveryKey::generate());
    let more = plan(&s3, folder.path(), &key, "");
    let town = Town::with(Engine::Postgres, &more, Arc::new(SystemClock)).await;
    assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.status, 200);
    let made = town.post("/api/v1/backups", json!({ "parts": "config" })).await.json();
    assert!(made["file"].is_null() && made["configuration"].is_string(), "{made}");
    let made = town.post("/api/v1/backups", json!({ "parts": "data" })).await.json();
    assert!(
        made["file"].is_string() && made["configuration"].is_null() && made["bytes"].as_u64() > Some(1000),
        "{made}"
    );
    let left = town.stop().await;

    // A machine that has the keys, and where the backups lie.
    let fetched = |name: &str| folder.path().join(name);
    let config = Config::read(&left.path().join("config.toml"), &Overrides::default()).unwrap();
    server::fetch_backup(&config, "latest", server::CONFIGURATION, &fetched("c")).await.unwrap();
    server::fetch_backup(&config, "latest", server::DATA, &fetched("d")).await.unwrap();
    let unknown = server::fetch_backup(&config, "none.backup", server::DATA, &fetched("n")).await.unwrap_err();
    assert_eq!(unknown.code, "backup.failed");
    assert_eq!(server::contents(&fetched("c"), &key).unwrap(), Contents::Configuration);
    assert_eq!(server::contents(&fetched("d"), &key).unwrap(), Contents::Data);
    let data = folder.path().join("new");
    std::fs::create_dir(&data).unwrap();
    let (root_key, ours) = (testkit::root_key(), Unproven::Refused);
    let opened = |name: &str, root: &seal::RootKey| Configuration::open(&fetched(name), &key, root, ours);
    let foreign = opened("c", &seal::RootKey::generate()).err().unwrap();
    assert_eq!(foreign.code, "backup.root_key", "{foreign}");
    assert!(opened("d", &root_key).is_err(), "that is the data");
    let (was, is) = (left.path().join("config.toml"), data.join("config.toml"));
    let restored = || opened("c", &root_key).unwrap().restore(&data, &is);
    for attempt in 0..2 {
        assert_eq!(restored().unwrap(), ["config.toml"], "{attempt}: the same is no other");
        assert_eq!(std::fs::read(&was).unwrap(), std::fs::read(&is).unwrap());
    }
    std::fs::write(&is, "# of somebody else\n").unwrap();
    assert!(restored().unwrap_err().why.contains("there already"));
    let elsewhere = folder.path().join("etc").join("config.toml");
    let put = opened("c", &root_key).unwrap().restore(&data, &elsewhere).unwrap();
    assert_eq!((put, elsewhere.exists()), (vec![elsewhere.display().to_string()], true));

    // Each byte of it counts.
    let whole = std::fs::read(fetched("c")).unwrap();
    for at in (0..whole.len()).step_by(41) {
        let mut bent = whole.clone();
        bent[at] ^= 2;
        std::fs::write(fetched("bent"), &bent).unwrap();
        assert!(opened("bent", &root_key).is_err(), "byte {at}");
    }

    // The data goes where this machine's configuration says: here, into SQLite.
    let root = data.join("root.key");
    testkit::root_key().create_file(&root).unwrap();
    std::fs::write(&is, format!("[seal]\nroot = \"file:{}\"\n", root.display())).unwrap();
    let settings = Settings::for_restore(data.clone(), None, &Overrides::default()).unwrap();
    let restore = Restore { file: fetched("d"), key, settings, unproven: ours, system_user: "tester".to_owned() };
    assert!(restore.run().await.unwrap().log_size > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_plan_are_said_at_once() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config.toml");
    let text = "[backup]\nto = \"ftp://x\"\nschedule = \"every day\"\nrecipient = \"age1nobody\"\n\
                [storage]\nblobs = \"s3://b/\"\n[telemetry]\notlp = \"collector\"\n";
    std::fs::write(&file, text).unwrap();
    let problems = Config::read(&file, &Overrides::default()).unwrap_err();
    let at: Vec<&str> = problems.iter().filter_map(|problem| problem.at.as_deref()).collect();
    assert_eq!(at, ["storage.blobs", "backup.to", "backup.schedule", "backup.recipient", "telemetry.otlp"]);
    let plain = "[storage]\nblobs = \"s3://bucket/x\"\ns3 = { endpoint = \"http://s3.corp.example\", key = \"file:k\", secret = \"plain\" }\n";
    std::fs::write(&file, plain).unwrap();
    let problems = Config::read(&file, &Overrides::default()).unwrap_err();
    assert!(problems[0].why.contains("in the clear"), "{problems:?}");
    testkit::private_file(&folder.path().join("k"), "x");
    std::fs::write(&file, plain.replace("http:", "https:")).unwrap();
    let problems = Config::read(&file, &Overrides::default()).unwrap_err();
    assert!(
        problems[0].why.contains("does not stand in the configuration") && !problems[0].to_string().contains("plain")
    );
}

/// The first attempt to end what was sent fails: there is an event, and the next attempt is made.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_at_its_last_step_is_told_and_tried_again() {
    let (s3, folder, key) = (S3::start().await, TempDir::new().unwrap(), RecoveryKey::generate());
    let more = plan(&s3, folder.path(), &key, "");
    let town = Town::with(Engine::Sqlite, &more, Arc::new(SystemClock)).await;
    s3.set(Fault::Status(500));
    for failures in 1..=2 {
        let refused = town.post("/api/v1/backups", json!({ "parts": "data" })).await;
        assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("depot.unreachable")), "{refused:?}");
        let events = done(&town).await;
        assert_eq!((events.len(), &events[0]["outcome"]), (failures, &json!("failed")), "{events:?}");
    }
    s3.set(Fault::None);
    let made = town.post("/api/v1/backups", json!({ "parts": "data" })).await;
    assert_eq!(made.status, 200, "{made:?}");
    town.stop().await;
}

/// Each request ends within a minute, so a large object comes in ranges, all of them of one object.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_one_comes_in_parts_of_one_and_the_same() {
    let (s3, folder) = (S3::start().await, TempDir::new().unwrap());
    let place = |name: &str| folder.path().join(name);
    std::fs::write(place("c.toml"), plan(&s3, folder.path(), &RecoveryKey::generate(), "")).unwrap();
    let config = Config::read(&place("c.toml"), &Overrides::default()).unwrap();
    let none = server::fetch_backup(&config, "latest", server::DATA, &place("none")).await.unwrap_err();
    assert_eq!(none.code, "backup.failed", "{none}");
    let depot = depot(&s3);
    let bytes: Vec<u8> = (0..20_u32 << 20).map(|at| u8::try_from((at / 7) % 251).unwrap()).collect();
    let name = "bailiwick-20261101T000000Z.backup";
    depot.put(name, bytes.clone()).await.unwrap();
    depot.put("bailiwick-20990101T000000Z.backup", b"made up".to_vec()).await.unwrap();
    let before = s3.gets();
    let found = server::fetch_backup(&config, "latest", server::DATA, &place("one")).await.unwrap();
    assert_eq!((found.as_str(), s3.gets() - before), (name, 2), "a name of a day to come is not the latest");
    assert!(std::fs::read(place("one")).unwrap() == bytes);
    s3.set(Fault::Replaces);
    let refused = server::fetch_backup(&config, name, server::DATA, &place("two")).await.unwrap_err();
    assert_eq!(refused.code, "depot.unreachable", "{refused}");
    s3.set(Fault::Times(3));
    assert!(depot.get_file(name, &place("three")).await.unwrap(), "a fault that passes is not noticed");
    assert!(std::fs::read(place("three")).unwrap() == bytes);
}

pub(crate) fn depot(s3: &S3) -> Depot {
    let place = S3Place {
        bucket: BUCKET.to_owned(),
        prefix: "backups".to_owned(),
        endpoint: Some(format!("http://127.0.0.1:{}", s3.port)),
        region: "us-east-1".to_owned(),
        key_id: KEY.to_owned().into(),
        secret: SECRET.to_owned().into(),
        ca: vec![],
    };
    Depot::open(&DepotPlace::S3(place)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_names_delete_nothing_genuine() {
    let (s3, folder, key) = (S3::start().await, TempDir::new().unwrap(), RecoveryKey::generate());
    let more = plan(&s3, folder.path(), &key, "keep = { last = 1 }\n");
    let town = Town::with(Engine::Sqlite, &more, Arc::new(SystemClock)).await;
    let made = town.post("/api/v1/backups", json!({ "parts": "data" })).await.json();
    let depot = depot(&s3);
    for year in [2098, 2099] {
        depot.put(&format!("bailiwick-{year}0101T000000Z.backup"), b"made up".to_vec()).await.unwrap();
    }
    let config = town.post("/api/v1/backups", json!({ "parts": "config" })).await.json();
    assert_eq!((&config["deleted"], config["ahead"].as_array().unwrap().len()), (&json!([]), 2), "{config}");
    let there: Vec<String> = depot.list().await.unwrap().into_iter().map(|one| one.name).collect();
    assert!(there.iter().any(|name| made["file"] == **name) && there.len() == 4, "{there:?}");
    town.stop().await;
}

/// Keys without the right to delete: what was made is there, what should have gone is told, and the next one tries again.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deleted_makes_no_backup_fail() {
    let (s3, folder, key) = (S3::start().await, TempDir::new().unwrap(), RecoveryKey::generate());
    let more = plan(&s3, folder.path(), &key, "keep = { last = 1 }\n");
    let town = Town::with(Engine::Sqlite, &more, Arc::new(SystemClock)).await;
    let old = ["bailiwick-20260101T000000Z.backup", "bailiwick-20260102T000000Z.backup"];
    for name in old {
        depot(&s3).put(name, b"of before".to_vec()).await.unwrap();
    }
    s3.set(Fault::Keeps);
    let made = town.post("/api/v1/backups", json!({ "parts": "data" })).await;
    assert_eq!(made.status, 200, "{made:?}");
    let event = done(&town).await.remove(0);
    assert_eq!(event["outcome"], "allowed", "{event}");
    let told = &event["detail"];
    assert_eq!((&told["deleted"], &told["undeleted"]), (&json!([]), &json!(old)), "{told}");
    assert!(told["file"].is_string() && told["code"] == "depot.unreachable", "{told}");
    assert_eq!(s3.objects("backups/").len(), 3);

    s3.set(Fault::None);
    let made = town.post("/api/v1/backups", json!({ "parts": "data" })).await.json();
    let deleted = made["deleted"].as_array().unwrap();
    assert!(old.iter().all(|name| deleted.contains(&json!(name))), "{made}");
    assert!(made["undeleted"].is_null() && made["code"].is_null(), "{made}");
    assert_eq!(s3.objects("backups/").len(), 1);
    town.stop().await;
}

/// Keys that may list, and bring nothing, are found before a backup fails; a look leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_not_write_are_found_by_a_look() {
    let (s3, folder) = (S3::start().await, TempDir::new().unwrap());
    let file = folder.path().join("config.toml");
    std::fs::write(&file, plan(&s3, folder.path(), &RecoveryKey::generate(), "")).unwrap();
    let look = async || {
        let found = server::examine(folder.path(), Some(&file), &Overrides::default()).await;
        found.into_iter().find(|line| line.check == "backup").unwrap()
    };
    let well = look().await;
    assert_eq!(well.health, server::Health::Well, "{well:?}");
    assert!(s3.objects("").is_empty(), "{:?}", s3.objects(""));
    s3.set(Fault::ReadOnly);
    let refused = look().await;
    assert!(refused.health == server::Health::Ill && refused.fix.contains("write"), "{refused:?}");
}
