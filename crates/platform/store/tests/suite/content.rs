//! Content outside the database: what an act names stays, what none named goes, and one of both always comes too late.

use crate::both;
use crate::sql;
use crate::support::{Change, House, Kind, Look, outside};
use model::TenantId;
use serde_json::json;
use std::time::Duration;
use store::{Outcome, StoreError};

both! {
    what_is_named_stays_and_what_is_not_goes
    one_byte_and_it_is_refused
    a_tile_is_moved_only_by_whoever_takes_its_note_away
}

const DAY: Duration = Duration::from_secs(86_400);

async fn what_is_named_stays_and_what_is_not_goes(kind: Kind) {
    let (house, depot) = House::with_depot(kind).await;
    let tenant = TenantId::main();
    let blobs = house.store.blobs(&tenant);
    let named = blobs.keep(b"named".to_vec()).await.unwrap();
    let dropped = blobs.keep(b"dropped".to_vec()).await.unwrap();
    assert_eq!(depot.list().await.unwrap().len(), 2, "both are there before anything names them");
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    let digest = tx.put_blob(&named).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();

    // Not before a day has passed.
    assert_eq!(house.store.collect_content(&tenant, DAY).await.unwrap(), 0);
    house.clock.advance(DAY * 2);
    assert_eq!(house.store.collect_content(&tenant, DAY).await.unwrap(), 1);
    let left = depot.list().await.unwrap();
    assert!(left.len() == 1 && left[0].name.contains(&digest.to_hex()), "{left:?}");
    assert_eq!(blobs.get(&digest).await.unwrap().as_deref(), Some(b"named".as_slice()));

    // Whoever comes with what was given up is refused, and comes again with what is there.
    let (_, mut tx) = house.store.write(house.permit(Change("app/2"))).await.unwrap();
    assert!(matches!(tx.put_blob(&dropped).await, Err(StoreError::Busy { .. })));
    drop(tx);
    let again = blobs.keep(b"dropped".to_vec()).await.unwrap();
    let (_, mut tx) = house.store.write(house.permit(Change("app/2"))).await.unwrap();
    let second = tx.put_blob(&again).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();

    // The same once more costs no second object; what an act lets go of is deleted there.
    let same = blobs.keep(b"dropped".to_vec()).await.unwrap();
    assert_eq!((same.digest(), depot.list().await.unwrap().len()), (&second, 2));
    let (_, mut tx) = house.store.write(house.permit(Change("app/3"))).await.unwrap();
    tx.delete_blob(&second).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();
    assert_eq!(house.store.collect_content(&tenant, DAY).await.unwrap(), 1);
    assert_eq!(depot.list().await.unwrap().len(), 1);
    assert_eq!(blobs.get(&second).await.unwrap(), None);
}

async fn one_byte_and_it_is_refused(kind: Kind) {
    let (house, depot) = House::with_depot(kind).await;
    let tenant = TenantId::main();
    let blobs = house.store.blobs(&tenant);
    let kept = blobs.keep(b"content".to_vec()).await.unwrap();
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    let digest = tx.put_blob(&kept).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();
    let name = depot.list().await.unwrap().remove(0).name;
    depot.put(&name, b"contend".to_vec()).await.unwrap();
    std::fs::remove_dir_all(house.config.data_dir.join("content")).unwrap();
    let refused = blobs.get(&digest).await.unwrap_err();
    assert_eq!(refused.problem().code, "depot.altered");
    depot.delete(&name).await.unwrap();
    assert_eq!(blobs.get(&digest).await.unwrap_err().problem().code, "depot.altered");
    depot.put(&name, b"content".to_vec()).await.unwrap();
    assert_eq!(blobs.get(&digest).await.unwrap().as_deref(), Some(b"content".as_slice()));
}

async fn a_tile_is_moved_only_by_whoever_takes_its_note_away(kind: Kind) {
    let (house, depot) = House::with_depot(kind).await;
    let tenant = TenantId::main();
    let tasks = house.store.start_tasks().await;
    for _ in 0..256 {
        house.store.access(house.permit(Look("apps")), Outcome::Allowed, json!({})).unwrap();
    }
    tasks.stop().await.unwrap();
    let tile = house.store.tile(&tenant, "tile/0/000").await.unwrap().unwrap();

    // What was put is given up before it is named.
    outside(&house.config, sql::GIVEN_UP_SQLITE, sql::GIVEN_UP_POSTGRES).await;
    assert_eq!(house.store.move_tiles(&tenant).await.unwrap(), 0);
    assert_eq!(house.store.collect_content(&tenant, DAY).await.unwrap(), 2, "hashes and entries");
    assert_eq!(depot.list().await.unwrap().len(), 0);
    assert_eq!(house.store.tile(&tenant, "tile/0/000").await.unwrap().unwrap(), tile);
    outside(&house.config, sql::NOTES_AS_BEFORE_SQLITE, sql::NOTES_AS_BEFORE_POSTGRES).await;

    // Another node moves the same tiles: what this one put is named nowhere, and goes.
    outside(&house.config, sql::MOVED_SQLITE, sql::MOVED_POSTGRES).await;
    assert_eq!(house.store.move_tiles(&tenant).await.unwrap(), 0);
    assert_eq!(depot.list().await.unwrap().len(), 2);
    house.clock.advance(DAY * 2);
    assert_eq!(house.store.collect_content(&tenant, DAY).await.unwrap(), 2);
    assert_eq!(depot.list().await.unwrap().len(), 0);
}
