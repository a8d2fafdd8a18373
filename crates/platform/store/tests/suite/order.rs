//! The feed where nodes disagree about time: the first to take a position commits last, and a node that listens goes deaf
//! while others commit. On SQLite there is one node and one writer.

use crate::{sql, support::*};
use futures_util::StreamExt;
use model::TenantId;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use store::{Change, Database, Store};
use tokio_postgres::{Client, NoTls};

async fn beside(house: &House) -> Client {
    let Database::Postgres { url } = &house.config.database else { panic!("on PostgreSQL") };
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn commit(house: &House, store: &Arc<Store>, key: &str) {
    let (_, mut tx) = store.write(house.permit(crate::support::Change("app/1"))).await.unwrap();
    tx.feed("app", key);
    tx.commit(json!({}), None).await.unwrap();
}

fn of(change: &Change) -> (u64, &str) {
    match change {
        Change::Changed { position, key, .. } => (*position, key),
        Change::ReloadEverything { .. } => panic!("nothing was missing"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_to_take_a_position_may_commit_last() {
    let house = House::new(Kind::Postgres).await;
    commit(&house, &house.store, "before").await;
    let mut changes = house.store.subscribe(&TenantId::main(), 0);
    assert_eq!(of(&changes.next().await.unwrap()), (1, "before"));
    let first = beside(&house).await;
    first.batch_execute(sql::TAKE_POSITION).await.unwrap();
    let second = commit(&house, &house.store, "second");
    tokio::pin!(second);
    // It may not overtake, and nothing is told of either before the first has committed.
    assert!(tokio::time::timeout(Duration::from_millis(200), second.as_mut()).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(50), changes.next()).await.is_err());
    first.batch_execute(sql::COMMIT).await.unwrap();
    second.await;
    let (one, two) = (changes.next().await.unwrap(), changes.next().await.unwrap());
    assert_eq!((of(&one), of(&two)), ((2, "first"), (3, "second")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_went_deaf_hears_of_everything_all_the_same() {
    let house = House::new(Kind::Postgres).await;
    let mut config = house.config.clone();
    (config.node, config.data_dir) = ("two".to_owned(), house.dir.path().join("two"));
    let other = House::open(&config, &house.authority).await.unwrap();
    let _tasks = house.store.start_tasks().await;
    let mut changes = house.store.subscribe(&TenantId::main(), 0);
    commit(&house, &other, "heard").await;
    assert_eq!(of(&changes.next().await.unwrap()), (1, "heard"));
    let beside = beside(&house).await;
    for round in 0..3 {
        beside.batch_execute(sql::DEAFEN).await.unwrap();
        for number in 0..5 {
            commit(&house, &other, &format!("{round}.{number}")).await;
        }
        for number in 0..5 {
            let change = tokio::time::timeout(Duration::from_secs(10), changes.next()).await.expect("in time").unwrap();
            assert_eq!(of(&change), (2 + round * 5 + number, &*format!("{round}.{number}")));
        }
    }
}
