//! Runs that did not end: of a node that starts again under another name, and of one that does not start again.

use crate::support::*;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use store::{Outcome, Store, StoreConfig};

/// Well past the time after which a node without a lease is lost.
const LONG: Duration = Duration::from_secs(61);

/// Whose gaps are told, oldest first.
async fn gaps(house: &House) -> Vec<String> {
    let events = house.events().await.into_iter().rev();
    events.filter(|event| event.action == "record.gap").map(|event| event.resource).collect()
}

async fn called(name: &str, house: House) -> House {
    let (mut config, authority, clock, dir) = house.close().await;
    config.node = name.to_owned();
    let store = House::open(&config, &authority).await.unwrap();
    House { store, authority, clock, config, dir }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_opens_the_file_tells_of_the_crash_of_another_name() {
    let house = House::new(Kind::Sqlite).await;
    drop(house.store.start_tasks().await);
    house.clock.advance(Duration::from_secs(9));
    let house = called("two", house).await;
    drop(house.store.start_tasks().await);
    assert_eq!(gaps(&house).await, ["node/one"]);
    let event = house.events().await.remove(0);
    let detail = &event.json().unwrap()["detail"];
    let range = (&detail["from"], &detail["until"]);
    assert_eq!(range, (&json!("2026-11-23T00:00:00.000Z"), &json!("2026-11-23T00:00:09.000Z")));
    // Each once.
    let house = called("three", house).await;
    let tasks = house.store.start_tasks().await;
    assert_eq!(gaps(&house).await, ["node/one", "node/two"]);
    tasks.stop().await.unwrap();
    let house = called("four", house).await;
    let tasks = house.store.start_tasks().await;
    assert_eq!(gaps(&house).await.len(), 2, "three ended well");
    tasks.stop().await.unwrap();
}

/// Another process on the same database.
async fn beside(house: &House, node: &str) -> Arc<Store> {
    let data_dir = house.dir.path().join("beside");
    let config = StoreConfig { node: node.to_owned(), data_dir, ..house.config.clone() };
    House::open(&config, &house.authority).await.unwrap()
}

/// Looks twice, with more than enough time between.
async fn look(house: &House, other: &Store) {
    other.tell_lost_runs().await.unwrap();
    house.clock.advance(LONG);
    other.tell_lost_runs().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_come_back_is_told_of_by_another() {
    let house = House::new(Kind::Postgres).await;
    let tasks = house.store.start_tasks().await;
    let other = beside(&house, "two").await;
    let others = other.start_tasks().await;
    assert!(gaps(&house).await.is_empty(), "beside it, nothing is known of it yet");
    other.tell_lost_runs().await.unwrap();
    assert!(gaps(&house).await.is_empty(), "it may start again");
    look(&house, &other).await;
    assert_eq!(gaps(&house).await, ["node/one"]);
    look(&house, &other).await;
    assert_eq!(gaps(&house).await.len(), 1, "once");
    // It was only cut off: its run goes on, and crashes then.
    house.store.access(house.permit(Look("apps")), Outcome::Allowed, json!({})).unwrap();
    house.store.flush_access().await.unwrap();
    drop(tasks);
    look(&house, &other).await;
    assert_eq!(gaps(&house).await, ["node/one", "node/one"]);
    others.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_its_lease_is_not_lost() {
    let house = House::new(Kind::Postgres).await;
    let tasks = house.store.start_tasks().await;
    let other = beside(&house, "two").await;
    let lease = house.store.node_lease("run").await.unwrap().unwrap();
    for _ in 0..2 {
        lease.renew(0).await.unwrap();
        other.tell_lost_runs().await.unwrap();
        house.clock.advance(LONG);
    }
    assert!(gaps(&house).await.is_empty());
    drop(tasks);
}

/// Else it would take the run of another process, which has the lease, for one that crashed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_lease_no_start_is_recorded() {
    let house = House::new(Kind::Postgres).await;
    let tasks = house.store.start_tasks().await;
    let same = beside(&house, "one").await;
    let (lease, leased) = tokio::sync::oneshot::channel::<()>();
    let mut waiting = same.run_tasks();
    waiting.record_start_once(async move { drop(leased.await) });
    // Its other tasks run: this is written by them, one commit after the other.
    for _ in 0..5 {
        same.access(house.permit(Look("apps")), Outcome::Allowed, json!({})).unwrap();
        same.flush_access().await.unwrap();
        assert!(gaps(&house).await.is_empty());
    }
    lease.send(()).unwrap();
    let told = async {
        while gaps(&house).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("it is recorded, once it has one");
    drop((waiting, tasks));
}
