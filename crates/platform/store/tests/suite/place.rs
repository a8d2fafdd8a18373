//! The database file away, or another in its place, under a store that has it open. SQLite alone has such a file.

use crate::support::{House, Kind};
use std::{fs, path::PathBuf};
use store::{Database, StoreError};

fn file(house: &House) -> PathBuf {
    match &house.config.database {
        Database::Sqlite { path } => path.clone(),
        Database::Postgres { .. } => panic!("no file"),
    }
}

async fn refuses(house: &House, what: &str) {
    let refused = house.note(what).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unwritable { .. }), "{what}: {refused:?}");
    let problem = refused.problem();
    assert_eq!(problem.code, "record.unwritable");
    assert!(problem.why.contains("was removed or replaced") && problem.fix.contains("/proc/PID/fd"), "{problem}");
    assert!(house.store.check_writable().await.is_err(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_that_no_file_of_that_name_holds() {
    let house = House::new(Kind::Sqlite).await;
    house.note("before").await.unwrap();
    let database = file(&house);
    let (log, away) = (database.with_extension("db-wal"), house.dir.path().join("away"));
    for (n, file) in [&database, &log].into_iter().enumerate() {
        fs::rename(file, &away).unwrap();
        refuses(&house, &format!("removed {n}")).await;
        fs::copy(&away, file).unwrap();
        refuses(&house, &format!("replaced {n}")).await;
        fs::rename(&away, file).unwrap();
        house.store.check_writable().await.unwrap();
        house.note(&format!("back {n}")).await.unwrap();
    }
    assert_eq!(house.notes().await, 3);
    let left = house.store.read_one(crate::sql::COUNT_RUNS, &[]).await.unwrap().unwrap();
    assert_eq!(left.int(0).unwrap(), 0, "a look whether it can be written leaves nothing");
    assert_eq!(house.events().await.len(), 3, "an event for each note, and none for what was refused");
}

/// As many at once as there are readers, so that some of them open the file anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_read_from_a_file_that_stands_in_its_place() {
    let house = House::new(Kind::Sqlite).await;
    house.note("before").await.unwrap();
    let (database, away) = (file(&house), house.dir.path().join("away"));
    let other = house.dir.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch(crate::sql::CREATE_NOTES).unwrap();
    fs::rename(&database, &away).unwrap();
    fs::rename(&other, &database).unwrap();
    let reads = (0..64).map(|_| house.store.read_one(crate::sql::COUNT_NOTES, &[]));
    for read in futures_util::future::join_all(reads).await {
        match read {
            Ok(row) => assert_eq!(row.unwrap().int(0).unwrap(), 1, "of the file that it knows"),
            Err(error) => assert!(matches!(error, StoreError::Unwritable { .. }), "{error:?}"),
        }
    }
}
