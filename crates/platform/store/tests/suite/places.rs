//! Places in the log: the next one each, whatever is undone, lost, or comes from elsewhere.

use crate::{
    both,
    log::{check, notes},
    sql,
    support::*,
};
use model::TenantId;
use serde_json::json;
use store::{Also, Database, Outcome, Piece, Refill, StoreConfig, inspect};

both! {
    what_is_undone_leaves_no_gap
    what_has_no_place_in_the_log_says_so
    no_place_that_the_head_covers_is_given_again
    what_was_not_sequenced_goes_on_elsewhere
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

/// As a backup does it.
async fn refill(from: &House, to: &Database) {
    let (send, mut pieces) = tokio::sync::mpsc::channel(4);
    let mut refill = Refill::begin(to).await.unwrap().unwrap();
    let fill = async move {
        while let Some(piece) = pieces.recv().await {
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
        refill(&house, &database).await;
        let config = StoreConfig { database, data_dir: folder.path().to_owned(), ..house.config.clone() };
        let store = House::open(&config, &house.authority).await.unwrap();
        let permit = house.authority.decide(&machine(), Change("app/1")).unwrap();
        let (_, tx) = store.write(permit).await.unwrap();
        tx.commit(json!({}), None).await.unwrap();
        assert_eq!(store.sequence_now().await.unwrap().events, 3, "from {from:?}");
        check(&store, 6).await;
    }
}
