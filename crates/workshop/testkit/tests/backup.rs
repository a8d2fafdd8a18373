//! A backup while the server runs, restored on another engine, rehearsed, and bent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use model::SystemClock;
use seal::{RecoveryKey, RootKey};
use serde_json::json;
use server::{Bailiwick, Drill, Overrides, Restore, Settings, Unproven};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use testkit::{Dice, Disk, Engine, Postgres, Town, manifest, sent};
use tokio::io::AsyncReadExt;

/// Something worth keeping: an app with votes, people, a revoke.
async fn lived(engine: Engine) -> Town {
    let town = Town::start(engine).await;
    assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.status, 200);
    let ana = town.person("ana@example.test", &["staff", "people-ops", "builders"]).await;
    let url = town.app("tinypoll");
    let page = ana.open(&format!("{url}/")).await.text();
    let choice = page.split("name=\"choice\"").nth(1).unwrap().split("value=\"").nth(1).unwrap();
    let choice = choice.split('"').next().unwrap().to_owned();
    assert_eq!(ana.post(&format!("{url}/vote"), &[("choice", &choice)]).await.status, 303);
    town
}

async fn backup(town: &Town, key: &RecoveryKey, to: &Path) -> PathBuf {
    let answer = town.get(&format!("/api/v1/backup?recipient={}", key.recipient())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = to.join("one.backup");
    std::fs::write(&file, &answer.body).unwrap();
    file
}

/// The root key's own copy, where a restore expects it.
fn place_root(data: &Path) -> PathBuf {
    std::fs::create_dir_all(data).unwrap();
    let path = data.join("root.key");
    testkit::root_key().create_file(&path).unwrap();
    path
}

fn settings(data: &Path, text: &str) -> Settings {
    let file = data.join("config.toml");
    std::fs::write(&file, text).unwrap();
    Settings::for_restore(data.to_owned(), Some(&file), &Overrides::default()).unwrap()
}

async fn comes_back(from: Engine, to: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let key = RecoveryKey::generate();
    let town = lived(from).await;
    let file = backup(&town, &key, folder.path()).await;
    let before = town.get("/api/v1/events?limit=500").await.json();
    let before = before["events"].as_array().unwrap().len() as u64;
    town.stop().await;

    let data = folder.path().join("restored");
    let root = place_root(&data);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let database = match to {
        Engine::Sqlite => String::new(),
        Engine::Postgres => format!("database = \"{}\"\n", Postgres::create().await.url),
    };
    let text =
        format!("[server]\nlisten = \"127.0.0.1:{port}\"\n{database}[seal]\nroot = \"file:{}\"\n", root.display());
    let restore = Restore {
        file: file.clone(),
        key: key.clone(),
        settings: settings(&data, &text),
        unproven: Unproven::Refused,
        system_user: "tester".to_owned(),
    };
    let restored = restore.run().await.unwrap();
    assert!(restored.log_size + 3 >= before && restored.rows > 50, "{restored:?} {before}");

    // How the record goes on, and apps come back, is followed at the program itself (`bailiwick/tests/backup.rs`).
    // Whoever wrote last lets go of the file's lock a moment later.
    let (server, running) = loop {
        match Bailiwick::start(settings(&data, &text), Arc::new(SystemClock)).await {
            Ok(started) => break started,
            Err(problem) if problem.code.contains("in_use") => tokio::task::yield_now().await,
            Err(problem) => panic!("{problem}"),
        }
    };
    // Nothing serves until a person has said why: the backup knows of no revoke that came after it.
    assert!(server.is_recovering());
    running.stop().await;
    drop(server);
    let (settings, unproven) = (settings(&data, &text), Unproven::Refused);
    let again = Restore { file, key, settings, unproven, system_user: "tester".to_owned() };
    let refused = again.run().await.unwrap_err();
    assert!(refused.what.contains("empty place"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_comes_back_as_sqlite() {
    comes_back(Engine::Sqlite, Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_comes_back_as_postgres() {
    comes_back(Engine::Sqlite, Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_comes_back_as_sqlite() {
    comes_back(Engine::Postgres, Engine::Sqlite).await;
}

/// The machine that it was restored on may never serve it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_restored_is_in_doubt_whatever_machine_serves_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = RecoveryKey::generate();
    let town = lived(Engine::Sqlite).await;
    let file = backup(&town, &key, folder.path()).await;
    town.stop().await;
    let (database, data) = (Postgres::create().await.url, folder.path().join("restored"));
    let (root, port) = (place_root(&data), testkit::free_port());
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\ndatabase = \"{database}\"\n[seal]\nroot = \"file:{}\"\n",
        root.display()
    );
    let (settings, unproven) = (settings(&data, &text), Unproven::Refused);
    let restore = Restore { file, key, settings, unproven, system_user: "tester".to_owned() };
    restore.run().await.unwrap();

    let town = Town::at(Some(&database), "", "", Arc::new(SystemClock)).await;
    let refused = town.get("/api/v1/apps").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("platform.recovering")), "{refused:?}");
    let town = town.restart(Disk::Room).await;
    assert_eq!(town.get("/api/v1/apps").await.status, 503, "until somebody says why");
    let accepted = town.post("/api/v1/recover", json!({ "why": "the old machine is gone" })).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    assert_eq!(accepted.json()["logs"][0]["restored"], true, "{accepted:?}");
    assert_eq!(town.get("/api/v1/apps").await.status, 200);
    let town = town.restart(Disk::Room).await;
    assert_eq!(town.get("/api/v1/apps").await.status, 200, "accepted once");
    town.stop().await;
    // And wherever it is opened next.
    let town = Town::at(Some(&database), "", "", Arc::new(SystemClock)).await;
    assert_eq!(town.get("/api/v1/apps").await.status, 200);
    town.stop().await;
}

/// What goes wrong once the database is filled.
#[derive(Debug, Clone, Copy)]
enum Late {
    /// It cannot be opened with the key that is there.
    OtherKey,
    /// Nobody may write that it was restored.
    NoPolicy,
}

async fn starts_recovering(to: Engine, late: Late) {
    let folder = tempfile::tempdir().unwrap();
    let key = RecoveryKey::generate();
    let town = lived(Engine::Sqlite).await;
    let file = backup(&town, &key, folder.path()).await;
    town.stop().await;
    let data = folder.path().join("restored");
    let root = place_root(&data);
    let right = std::fs::read(&root).unwrap();
    let wrong = data.join("policies").join("own.rego");
    match late {
        Late::OtherKey => {
            std::fs::remove_file(&root).unwrap();
            RootKey::generate().create_file(&root).unwrap();
        }
        Late::NoPolicy => {
            std::fs::create_dir(data.join("policies")).unwrap();
            std::fs::write(&wrong, "package bailiwick\ndeny {").unwrap();
        }
    }
    let port = testkit::free_port();
    let database = match to {
        Engine::Sqlite => String::new(),
        Engine::Postgres => format!("database = \"{}\"\n", Postgres::create().await.url),
    };
    let text =
        format!("[server]\nlisten = \"127.0.0.1:{port}\"\n{database}[seal]\nroot = \"file:{}\"\n", root.display());
    let (settings_then, unproven) = (settings(&data, &text), Unproven::Accepted);
    let restore = Restore { file, key, settings: settings_then, unproven, system_user: "tester".to_owned() };
    let refused = restore.run().await.unwrap_err();
    assert!(refused.fix.contains("*recovering*"), "{late:?}: {refused}");

    std::fs::write(&root, right).unwrap();
    drop(std::fs::remove_file(&wrong));
    let (server, running) = loop {
        match Bailiwick::start(settings(&data, &text), Arc::new(SystemClock)).await {
            Ok(started) => break started,
            Err(problem) if problem.code.contains("in_use") => tokio::task::yield_now().await,
            Err(problem) => panic!("{problem}"),
        }
    };
    assert!(server.is_recovering(), "{late:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_stopped_half_way_starts_recovering_on_sqlite() {
    starts_recovering(Engine::Sqlite, Late::NoPolicy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_stopped_half_way_starts_recovering_on_postgres() {
    starts_recovering(Engine::Postgres, Late::OtherKey).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_checks_everything_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let key = RecoveryKey::generate();
    let town = lived(Engine::Postgres).await;
    let file = backup(&town, &key, folder.path()).await;
    let drill = |file: &Path, key: &RecoveryKey, root: RootKey| {
        let (file, unproven) = (file.to_owned(), Unproven::Refused);
        Drill { file, key: key.clone(), root, unproven, scratch: folder.path().to_owned() }.run()
    };
    let restored = drill(&file, &key, testkit::root_key()).await.unwrap();
    assert!(restored.log_size > 5 && restored.tables > 15, "{restored:?}");

    // Another recovery key, another root key, one changed byte, the end cut off.
    let other = drill(&file, &RecoveryKey::generate(), testkit::root_key()).await.unwrap_err();
    assert!(other.why.contains("recovery key"), "{other}");
    let other = drill(&file, &key, RootKey::generate()).await.unwrap_err();
    assert_eq!(other.code, "backup.root_key", "{other}");
    let whole = std::fs::read(&file).unwrap();
    let bent = folder.path().join("bent.backup");
    for at in [whole.len() / 3, whole.len() - 5] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&bent, &bytes).unwrap();
        assert_eq!(drill(&bent, &key, testkit::root_key()).await.unwrap_err().code, "backup.failed", "byte {at}");
        std::fs::write(&bent, &whole[..at]).unwrap();
        assert_eq!(drill(&bent, &key, testkit::root_key()).await.unwrap_err().code, "backup.failed", "cut at {at}");
    }
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["bent.backup", "one.backup"]);

    // How it went is on the record.
    let told = serde_json::json!({ "ok": true, "file": "sha256:x", "restored": restored, "code": null });
    let answer = town.post("/api/v1/backup/drills", told).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let events = town.get("/api/v1/events?action=backup.drill").await.json();
    assert_eq!(events["events"][0]["detail"]["restored"]["rows"], restored.rows, "{events}");
    let made = town.get("/api/v1/events?action=backup.create").await.json();
    assert_eq!(made["events"][0]["detail"]["recipient"], key.recipient().to_string());
    let refused = town.get("/api/v1/backup?recipient=age1nobody").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("backup.recipient")), "{refused:?}");
    town.stop().await;
}

/// A drill migrates what it restored, as a start does: what a version before has made is sound all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_a_step_is_drilled_after_it() {
    let (folder, key) = (tempfile::tempdir().unwrap(), RecoveryKey::generate());
    let town = lived(Engine::Sqlite).await;
    testkit::one_step_back(&town.data.join("bailiwick.db"));
    let file = backup(&town, &key, folder.path()).await;
    town.stop().await;
    let (root, unproven) = (testkit::root_key(), Unproven::Refused);
    let drill = Drill { file, key, root, unproven, scratch: folder.path().to_owned() };
    assert!(drill.run().await.unwrap().log_size > 5);
}

/// An app with a file that does not get smaller.
fn large() -> Bytes {
    let mut dice = Dice::new(7);
    let noise: Vec<u8> = (0..12 << 20).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
    let files: [(&str, Bytes); 3] = [
        ("bailiwick.toml", manifest("large", "assets = \"public\"\n").into()),
        ("app.js", "export default { fetch() { return new Response('ok'); } };".into()),
        ("public/noise.bin", noise.into()),
    ];
    catalog::Unpacked::of(files.map(|(name, bytes)| (name.to_owned(), bytes))).unwrap().pack().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_ends_with_the_right_to_it_and_there_are_so_many_at_once() {
    let town = Town::start(Engine::Sqlite).await;
    // More than stands on the way between a server and whoever does not read.
    let deployed = town.machine("POST", "/api/v1/deploy?env=prod", &large()).await;
    assert_eq!(deployed.json()["status"], "live", "{}", deployed.text());
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    let path = format!("/api/v1/backup?recipient={}", RecoveryKey::generate().recipient());
    let mut held = vec![];
    for _ in 0..2 {
        let (mut stream, mut begin) = (sent(town.port, &ola, "localhost", &path).await, [0; 12]);
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        held.push(stream);
    }
    for path in [&*path, "/api/v1/export"] {
        let refused = ola.get(&format!("{}{path}", town.url())).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (429, Some("downloads.crowded")), "{refused:?}");
    }
    // Others have places.
    assert_eq!(town.get("/api/v1/export").await.status, 200);
    let left = json!({ "email": "ola@example.test", "leave": ["operators"] });
    assert_eq!(town.post("/api/v1/people/groups", left).await.status, 200);
    for mut stream in held {
        let mut rest = vec![];
        let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok() && rest.len() < 10 << 20, "{} bytes came", rest.len());
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it does not end as if it were whole");
    }
    town.stop().await;
}
