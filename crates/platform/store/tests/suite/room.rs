//! Room on the disk of the database. SQLite alone keeps a log beside it.

use crate::{sql, support::*};
use serde_json::json;
use std::{fs, sync::Arc, time::Duration};
use store::{Database, params};
use tokio::sync::mpsc;

/// What the log may keep once it was brought in (`journal_size_limit`).
const KEPT: u64 = 32 << 20;
/// Of one note.
const LARGE: usize = 4 << 20;

fn log(house: &House) -> u64 {
    match &house.config.database {
        Database::Sqlite { path } => fs::metadata(path.with_extension("db-wal")).unwrap().len(),
        Database::Postgres { .. } => panic!("no log"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_kept_for_a_slow_backup_it_gives_back() {
    let house = House::still(Kind::Sqlite).await;
    let tasks = house.store.start_tasks().await;
    let (to, mut pieces) = mpsc::channel(1);
    let store = Arc::clone(&house.store);
    let reading = tokio::spawn(async move { store.snapshot(to).await });
    pieces.recv().await.unwrap();
    for n in 0..10 {
        let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
        tx.execute(sql::INSERT_NOTE, params![format!("large {n}"), "text", 1_i64, vec![0_u8; LARGE]]).await.unwrap();
        tx.commit(json!({}), None).await.unwrap();
    }
    assert!(log(&house) > KEPT, "while it is read, nothing of it can go");
    while pieces.recv().await.is_some() {}
    reading.await.unwrap().unwrap();
    let small = async {
        for n in 0.. {
            if log(&house) <= KEPT {
                break;
            }
            house.note(&format!("small {n}")).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), small).await.expect("a commit or two later it is small");
    tasks.stop().await.unwrap();
    assert_eq!(log(&house), 0, "nothing stays in it at a clean stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_broken_off_before_it_fills_the_disk() {
    let house = House::still(Kind::Sqlite).await;
    let (mut config, authority, _, _dir) = house.close().await;
    config.reserve_bytes = u64::MAX;
    let store = House::open(&config, &authority).await.unwrap();
    let (to, mut pieces) = mpsc::channel(1);
    let (read, ()) = tokio::join!(store.snapshot(to), async { while pieces.recv().await.is_some() {} });
    let refused = read.unwrap_err();
    assert_eq!((refused.problem().code.as_str(), refused.problem().status()), ("store.no_room", 503), "{refused:?}");
}
