//! What is larger than one part goes up in parts: a fault in the middle costs a try or the whole, never a half; and a
//! backup of that size comes back as it was.

use crate::{
    backups::{depot, done, plan},
    depot::{Fault, S3},
};
use model::SystemClock;
use seal::RecoveryKey;
use serde_json::json;
use server::{Config, Overrides, Restore, Settings, Unproven};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use testkit::{Engine, Town, manifest};

/// Some three parts of 8 MiB, which no compression makes smaller.
fn noise(mebibytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = (0..mebibytes << 17).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words.flat_map(u64::to_le_bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_is_sent_again_and_an_object_that_fails_leaves_nothing() {
    let (s3, folder) = (S3::start().await, TempDir::new().unwrap());
    let (depot, bytes) = (depot(&s3), noise(17, 7));
    let put = async |name: &str, fault: Fault| {
        s3.set(fault);
        depot.put_from(name, &bytes[..]).await
    };
    for (name, fault, parts) in [("whole", Fault::None, 3), ("again", Fault::PartOnce(2), 4)] {
        let before = s3.parts_sent();
        assert_eq!(put(name, fault).await.unwrap(), bytes.len() as u64, "{name}");
        assert_eq!(s3.parts_sent() - before, parts, "{name}");
        let to = folder.path().join(name);
        assert!(depot.get_file(name, &to).await.unwrap() && std::fs::read(to).unwrap() == bytes, "{name}");
    }
    for (name, fault) in [("first", Fault::FromPart(1)), ("last", Fault::FromPart(3)), ("end", Fault::Whole)] {
        let failed = put(name, fault).await.unwrap_err();
        assert_eq!(failed.problem().code, "depot.unreachable", "{name}: {failed:?}");
        s3.set(Fault::None);
        assert_eq!(depot.get(name).await.unwrap(), None, "{name}");
        assert_eq!(s3.parts(), Vec::<std::path::PathBuf>::new(), "{name}");
    }
    // What stood under the name before stands there still.
    assert!(put("whole", Fault::FromPart(2)).await.is_err());
    s3.set(Fault::None);
    let to = folder.path().join("still");
    assert!(depot.get_file("whole", &to).await.unwrap() && std::fs::read(to).unwrap() == bytes);
}

/// Several would share the line, and each of them would take too long.
#[tokio::test(flavor = "multi_thread")]
async fn one_part_after_the_other_goes_up() {
    let s3 = S3::start().await;
    s3.set(Fault::PartsTakeTime);
    let (depot, bytes) = (depot(&s3), noise(17, 7));
    depot.put_from("streamed", &bytes[..]).await.unwrap();
    depot.put("at once", bytes).await.unwrap();
    assert_eq!((s3.parts_sent(), s3.parts_at_once()), (6, 1));
}

/// Two files of an app, which its bundle and so the backup hold.
async fn deploy_large(town: &Town) {
    let text = manifest("large", "assets = \"public\"\n");
    let files = [
        ("bailiwick.toml", text.into_bytes()),
        ("app.js", b"export default { fetch(request, env) { return env.assets.fetch(request); } };".to_vec()),
        ("public/one.bin", noise(11, 1)),
        ("public/two.bin", noise(11, 2)),
    ];
    let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes::Bytes::from(bytes)));
    let archive = catalog::Unpacked::of(files).unwrap().pack().unwrap();
    let deployed = town.machine("POST", "/api/v1/deploy?env=prod", &archive).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
}

/// Name and sum of everything that apps brought.
fn content(database: &Path) -> Vec<(String, String)> {
    const BLOBS: &str = "SELECT digest, bytes FROM blobs ORDER BY digest";
    let database = rusqlite::Connection::open(database).unwrap();
    let mut blobs = database.prepare(BLOBS).unwrap();
    let rows = blobs.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
    rows.map(|row| row.map(|(name, bytes)| (name, seal::Digest::of(&bytes).to_string())).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_several_parts_comes_back_and_one_that_broke_off_is_none() {
    let (s3, folder, key) = (S3::start().await, TempDir::new().unwrap(), RecoveryKey::generate());
    let town = Town::with(Engine::Sqlite, &plan(&s3, folder.path(), &key, ""), Arc::new(SystemClock)).await;
    deploy_large(&town).await;
    s3.set(Fault::FromPart(3));
    let refused = town.post("/api/v1/backups", json!({ "parts": "data" })).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("depot.unreachable")), "{refused:?}");
    assert_eq!(done(&town).await[0]["outcome"], "failed");
    s3.set(Fault::PartOnce(2));
    let before = s3.parts_sent();
    let made = town.post("/api/v1/backups", json!({ "parts": "data" })).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert!(made.json()["bytes"].as_u64().unwrap() > 22 << 20, "{made:?}");
    assert!(s3.parts_sent() - before >= 4, "one came twice");
    let listed = town.get("/api/v1/backups").await.json();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(s3.parts(), Vec::<std::path::PathBuf>::new());
    let left = town.stop().await;

    let config = Config::read(&left.path().join("config.toml"), &Overrides::default()).unwrap();
    let file = folder.path().join("fetched");
    server::fetch_backup(&config, "latest", server::DATA, &file).await.unwrap();
    let data = folder.path().join("new");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(
        data.join("config.toml"),
        format!("[seal]\nroot = \"file:{}\"\n", testkit::root_key_file().display()),
    )
    .unwrap();
    let settings = Settings::for_restore(data.clone(), None, &Overrides::default()).unwrap();
    let restore = Restore { file, key, settings, unproven: Unproven::Refused, system_user: "tester".to_owned() };
    assert!(restore.run().await.unwrap().log_size > 3);
    let (was, is) = (content(&left.path().join("data/bailiwick.db")), content(&data.join("bailiwick.db")));
    assert!(was.len() >= 2 && was == is, "{was:?} {is:?}");
}
