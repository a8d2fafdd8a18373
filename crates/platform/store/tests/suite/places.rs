//! Places in the log: the next one each, whatever is undone, lost, or comes from elsewhere.

use crate::{
    both,
    log::{check, notes},
    sql,
    support::*,
};
use model::TenantId;
use serde_json::json;
use std::time::Duration;
use store::{Also, Database, Outcome, Piece, Refill, StoreConfig, inspect};
use tokio::sync::mpsc;

/// Longer than what was sent to a node may stay untaken before the database gives the connection up.
const STALL: Duration = Duration::from_secs(6);
/// Together more than the sockets between hold, at a megabyte each.
const LARGE_NOTES: usize = 24;

both! {
    what_is_undone_leaves_no_gap
    what_has_no_place_in_the_log_says_so
    no_place_that_the_head_covers_is_given_again
    what_was_not_sequenced_goes_on_elsewhere
    a_copy_is_of_one_moment
}

/// An act whose event was inserted, and then went with it.
async fn undone(house: &House) {
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    let id = tx.event().clone();
    tx.also(Also { id, action: "app.revoke.done", outcome: Outcome::Allowed, detail: json!({}), why: None });
    tx.commit(json!({}), None).await.unwrap_err();
}

async fn what_is_undone_leaves_no_gap(kind: Kind) {
    let house = House::new(kind).await;
    for (round, size) in [(0, 20), (1, 40)] {
        let acts = (0..60).map(|n| {
            let house = &house;
            async move {
                if n % 3 == 0 {
                    house.note(&format!("r{round}-{n}")).await.unwrap();
                } else {
                    undone(house).await;
                }
            }
        });
        futures_util::future::join_all(acts).await;
        assert_eq!(house.store.sequence_now().await.unwrap().events, 20);
        check(&house.store, size).await;
    }
}

/// It is no entry yet: no page shows a place, no head lacks it, and nothing erases what is still to be hashed.
async fn what_has_no_place_in_the_log_says_so(kind: Kind) {
    let house = House::new(kind).await;
    notes(&house, "a", 3).await;
    house.store.sequence_now().await.unwrap();
    notes(&house, "b", 2).await;
    let (_, mut tx) = house.store.write(house.permit(Change("log/main"))).await.unwrap();
    assert!(!tx.erase_event(3).await.unwrap());
    tx.commit(json!({}), None).await.unwrap();
    let events = house.events().await;
    assert_eq!(events.len(), 6);
    for (event, sequenced) in events.iter().zip([false, false, false, true, true, true]) {
        assert_eq!(event.index.is_some(), sequenced, "{event:?}");
        let same = house.store.event(&TenantId::main(), &event.id).await.unwrap().unwrap();
        assert_eq!(same.index, event.index);
    }
    let seen = inspect(&house.config.database, &[NOTES]).await.unwrap().unwrap();
    assert!(seen.short_logs.is_empty(), "{seen:?}");
    assert_eq!(house.store.sequence_now().await.unwrap().events, 3);
    check(&house.store, 6).await;
}

/// What was lost is missed, and nothing else takes its place.
async fn no_place_that_the_head_covers_is_given_again(kind: Kind) {
    let house = House::new(kind).await;
    notes(&house, "a", 3).await;
    house.store.sequence_now().await.unwrap();
    outside(&house.config, sql::LOSE_THE_THIRD, sql::LOSE_THE_THIRD).await;
    notes(&house, "b", 1).await;
    assert_eq!(house.store.sequence_now().await.unwrap().events, 1);
    let tenant = TenantId::main();
    let places = house.store.events_by_index(&tenant, 0, 10).await.unwrap();
    assert!(places.iter().map(|event| event.index.unwrap()).eq([0_u64, 1, 3]), "{places:?}");
    let seen = inspect(&house.config.database, &[NOTES]).await.unwrap().unwrap();
    assert_eq!(seen.short_logs, [(tenant, 4, 3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_an_earlier_version_get_their_places() {
    let house = House::new(Kind::Sqlite).await;
    notes(&house, "a", 3).await;
    house.store.sequence_now().await.unwrap();
    notes(&house, "b", 2).await;
    outside(&house.config, sql::UNPLACE_FROM_3, "").await;
    notes(&house, "c", 2).await;
    assert_eq!(house.store.sequence_now().await.unwrap().events, 4);
    check(&house.store, 7).await;
}

/// As a backup does it. Once the first rows are there, no more are taken until `meanwhile` is over.
async fn refill(from: &House, to: &Database, meanwhile: impl Future<Output = ()>) {
    let (send, mut pieces) = mpsc::channel(1);
    let mut refill = Refill::begin(to).await.unwrap().unwrap();
    let mut meanwhile = Some(meanwhile);
    let fill = async move {
        while let Some(piece) = pieces.recv().await {
            if matches!(piece, Piece::Rows(_))
                && let Some(meanwhile) = meanwhile.take()
            {
                meanwhile.await;
            }
            match piece {
                Piece::Steps(steps) => refill.steps(&steps, &[NOTES]).await.unwrap(),
                Piece::Table { name, columns } => refill.table(&name, &columns).unwrap(),
                Piece::Rows(lines) => {
                    for line in lines {
                        refill.row(&line).await.unwrap();
                    }
                }
            }
        }
        refill.commit().await.unwrap();
    };
    let (read, ()) = tokio::join!(from.store.snapshot(send), fill);
    read.unwrap();
}

async fn what_was_not_sequenced_goes_on_elsewhere(kind: Kind) {
    for from in [Kind::Sqlite, Kind::Postgres] {
        let house = House::new(from).await;
        notes(&house, "a", 3).await;
        house.store.sequence_now().await.unwrap();
        notes(&house, "b", 2).await;
        let folder = tempfile::tempdir().unwrap();
        let database = kind.database(folder.path()).await;
        refill(&house, &database, async {}).await;
        let config = StoreConfig { database, data_dir: folder.path().to_owned(), ..house.config.clone() };
        let store = House::open(&config, &house.authority).await.unwrap();
        let permit = house.authority.decide(&machine(), Change("app/1")).unwrap();
        let (_, tx) = store.write(permit).await.unwrap();
        tx.commit(json!({}), None).await.unwrap();
        assert_eq!(store.sequence_now().await.unwrap().events, 3, "from {from:?}");
        check(&store, 6).await;
    }
}

/// What is written while whoever takes it is slow is not in it: not in one table, and not in another.
async fn a_copy_is_of_one_moment(kind: Kind) {
    let house = House::new(kind).await;
    notes(&house, "a", 3).await;
    let folder = tempfile::tempdir().unwrap();
    let database = Kind::Sqlite.database(folder.path()).await;
    refill(&house, &database, notes(&house, "late", 20)).await;
    assert_eq!(house.notes().await, 23);
    let config = StoreConfig { database, data_dir: folder.path().to_owned(), ..house.config.clone() };
    let copy = House::open(&config, &house.authority).await.unwrap();
    assert_eq!(copy.read_one(sql::COUNT_NOTES, &[]).await.unwrap().unwrap().int(0).unwrap(), 3);
    assert_eq!(copy.sequence_now().await.unwrap().events, 3);
    check(&copy, 3).await;
}

/// A backup goes where it goes as fast as that takes it: the database is not to give up whoever waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_taken_slowly_comes_whole() {
    let house = House::new(Kind::Postgres).await;
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    for n in 0..LARGE_NOTES {
        tx.execute(sql::INSERT_NOTE, store::params![n.to_string(), "text", 1_i64, vec![7_u8; 1 << 20]]).await.unwrap();
    }
    tx.commit(json!({}), None).await.unwrap();
    let (send, mut pieces) = mpsc::channel(1);
    let taken = async move {
        let (mut table, mut rows) = (String::new(), 0);
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Table { name, .. } => table = name,
                Piece::Rows(lines) if table == "notes" => {
                    if rows == 0 {
                        tokio::time::sleep(STALL).await;
                    }
                    rows += lines.len();
                }
                Piece::Steps(_) | Piece::Rows(_) => {}
            }
        }
        rows
    };
    let (read, rows) = tokio::join!(house.store.snapshot(send), taken);
    read.unwrap();
    assert_eq!(rows, LARGE_NOTES);
}
