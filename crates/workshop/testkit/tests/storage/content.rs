//! Bundles and tiles in a depot: nothing new without it, what runs goes on, no byte that is not what its digest says.

use crate::depot::{BUCKET, Fault, KEY, S3, SECRET};
use model::SystemClock;
use seal::RecoveryKey;
use std::{io::Cursor, io::Write, path::Path, sync::Arc};
use tempfile::TempDir;
use testkit::{Answer, Disk, Engine, Town, until};

pub(crate) fn storage(s3: &S3, folder: &Path) -> String {
    format!("[storage]\nblobs = \"s3://{BUCKET}/prod\"\n{}", s3.keys(folder))
}

async fn deployed(town: &Town, name: &str) {
    let answer = town.deploy_template(name, "tinypoll").await;
    assert_eq!(answer.json()["status"], "live", "{answer:?}");
}

fn code(answer: &Answer) -> String {
    let document = answer.json();
    let problem = if document["problem"].is_null() { &document } else { &document["problem"] };
    problem["code"].as_str().unwrap_or_default().to_owned()
}

/// As another machine, which has fetched nothing yet.
async fn elsewhere(town: Town) -> Town {
    town.changed(|data| drop(std::fs::remove_dir_all(data.join("content")))).await
}

async fn serves(town: &Town, who: &str) -> bool {
    let browser = town.person(who, &["staff"]).await;
    browser.open(&format!("{}/", town.app("tinypoll"))).await.status == 200
}

async fn nothing_new_without_it_and_what_runs_goes_on(engine: Engine) {
    let (s3, folder) = (S3::start().await, TempDir::new().unwrap());
    let town = Town::with(engine, &storage(&s3, folder.path()), Arc::new(SystemClock)).await;
    deployed(&town, "tinypoll").await;
    assert!(s3.objects("/prod/content/").len() >= 2, "bundle and image");
    assert!(serves(&town, "ana@example.test").await);
    assert_eq!(s3.gets(), 0, "this machine put it, and has it");

    for (fault, wanted) in [
        (Fault::Status(500), "depot.unreachable"),
        (Fault::Hangs, "depot.unreachable"),
        (Fault::Status(403), "depot.denied"),
    ] {
        s3.set(fault);
        let refused = town.deploy_template("other", "tinypoll").await;
        assert_eq!((refused.status, code(&refused).as_str()), (503, wanted), "{fault:?} {refused:?}");
        assert!(!refused.text().contains(KEY) && !refused.text().contains(SECRET), "{refused:?}");
        assert!(serves(&town, "ana@example.test").await, "{fault:?}");
    }
    // Over a restart too: a revoke and a restore ask nothing of it.
    let town = town.restart(Disk::Room).await;
    assert!(serves(&town, "ana@example.test").await);
    let why = serde_json::json!({ "why": "a look" });
    assert_eq!(town.post("/api/v1/apps/tinypoll/revoke", why.clone()).await.status, 200);
    assert_eq!(town.post("/api/v1/apps/tinypoll/restore", why).await.status, 200);
    assert!(serves(&town, "ana@example.test").await);

    // A fault that passes is not noticed.
    s3.set(Fault::Times(2));
    deployed(&town, "other").await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_new_without_it_and_what_runs_goes_on_on_sqlite() {
    nothing_new_without_it_and_what_runs_goes_on(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_new_without_it_and_what_runs_goes_on_on_postgres() {
    nothing_new_without_it_and_what_runs_goes_on(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_machine_fetches_once_and_is_not_deceived() {
    let (s3, folder) = (S3::start().await, TempDir::new().unwrap());
    let town = Town::with(Engine::Sqlite, &storage(&s3, folder.path()), Arc::new(SystemClock)).await;
    deployed(&town, "tinypoll").await;
    let mut town = town;
    for fault in [Fault::CutsBodies, Fault::BendsBodies, Fault::Status(500)] {
        town = elsewhere(town).await;
        s3.set(fault);
        assert!(!serves(&town, "ana@example.test").await, "{fault:?}");
        s3.set(Fault::None);
        until("it serves again by itself", || serves(&town, "ana@example.test")).await;
    }
    let before = s3.gets();
    town = town.restart(Disk::Room).await;
    assert!(serves(&town, "ana@example.test").await);
    assert_eq!(s3.gets(), before, "what was fetched is kept");

    // What was altered here is fetched again.
    town = town
        .changed(|data| {
            for entry in std::fs::read_dir(data.join("content")).unwrap() {
                std::fs::File::options().append(true).open(entry.unwrap().path()).unwrap().write_all(b"x").unwrap();
            }
        })
        .await;
    assert!(serves(&town, "ana@example.test").await);
    assert!(s3.gets() > before);
    town.stop().await;
}

/// A database that was there before: its content moves out, and nothing else changes.
async fn what_was_there_moves_out(engine: Engine) {
    let (s3, folder) = (S3::start().await, TempDir::new().unwrap());
    let town = Town::start(engine).await;
    deployed(&town, "tinypoll").await;
    for _ in 0..300 {
        assert_eq!(town.get("/api/v1/apps").await.status, 200);
    }
    let more = storage(&s3, folder.path());
    let town = town
        .changed(|data| {
            let config = data.parent().unwrap().join("config.toml");
            let text = std::fs::read_to_string(&config).unwrap();
            std::fs::write(config, format!("{text}\n{more}")).unwrap();
        })
        .await;
    until("bundles move", || async { s3.objects("/prod/content/").len() >= 2 }).await;
    until("full tiles move", || async { s3.objects("/prod/tiles/").len() >= 2 }).await;
    until("the record says so", || async {
        !town.get("/api/v1/events?action=storage.move").await.json()["events"].as_array().unwrap().is_empty()
    })
    .await;
    let town = elsewhere(town).await;
    assert!(serves(&town, "ana@example.test").await);
    let tile = town.get("/log/main/tile/0/000").await;
    assert_eq!((tile.status, tile.body.len()), (200, 256 * 32), "{tile:?}");
    let verdict = ledger::verify_export(Cursor::new(&town.export().await), &ledger::Options::default()).unwrap();
    assert!(verdict.ok && verdict.size > 256, "{verdict:?}");

    // A backup is whole by itself: it is restored without the depot.
    let key = RecoveryKey::generate();
    let answer = town.get(&format!("/api/v1/backup?recipient={}", key.recipient())).await;
    let file = folder.path().join("one.backup");
    std::fs::write(&file, &answer.body).unwrap();
    let (root, unproven) = (testkit::root_key(), server::Unproven::Refused);
    let drill = server::Drill { file, key, root, unproven, scratch: folder.path().to_owned() };
    let restored = drill.run().await.unwrap();
    assert!(restored.log_size > 256, "{restored:?}");

    // Without the place that rows name, nothing starts.
    let left = town.stop().await;
    let config = std::fs::read_to_string(left.path().join("config.toml")).unwrap();
    let server = config.split("[seal]").next().unwrap();
    let refused = Town::again(&left, server, "").await.unwrap_err();
    assert_eq!(refused.code, "depot.unconfigured", "{refused}");
    Town::again(&left, server, &more).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_moves_out_on_sqlite() {
    what_was_there_moves_out(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_moves_out_on_postgres() {
    what_was_there_moves_out(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_does_as_well() {
    let folder = TempDir::new().unwrap();
    let more = format!("[storage]\nblobs = \"file:{}/blobs\"\n", folder.path().display());
    let town = Town::with(Engine::Sqlite, &more, Arc::new(SystemClock)).await;
    deployed(&town, "tinypoll").await;
    let town = elsewhere(town).await;
    assert!(serves(&town, "ana@example.test").await);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_is_asked_again_uploads_once() {
    let (s3, folder) = (S3::start().await, TempDir::new().unwrap());
    let town = Town::with(Engine::Sqlite, &storage(&s3, folder.path()), Arc::new(SystemClock)).await;
    // Authority moves while it is deployed: each change lets an act that came too late be asked again.
    let moving = async {
        for number in 0..40 {
            town.person(&format!("person{number}@example.test"), &["staff"]).await;
        }
    };
    let deploying = async {
        for name in ["one", "two", "three", "four"] {
            deployed(&town, name).await;
        }
    };
    tokio::join!(moving, deploying);
    let objects = s3.objects("/prod/content/");
    let mut digests: Vec<_> = objects.iter().map(|path| path.parent().unwrap()).collect();
    digests.dedup();
    assert!(digests.len() >= 4, "{objects:?}");
    assert_eq!(digests.len(), objects.len(), "each content lies there once: {objects:?}");
    town.stop().await;
}
