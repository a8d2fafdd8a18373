//! The change feed: gapless, in commit order, on every node.

use crate::{both, support::*};
use futures_util::StreamExt;
use model::TenantId;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use store::{EPOCH_CHANGED, Store, StoreError};

both! {
    gapless_under_many_writers
    a_raise_is_in_the_feed
    backwards_means_reload
    other_nodes_hear_of_it
    one_node_leads
}

async fn change(house: &House, store: &std::sync::Arc<Store>, key: &str) -> Result<(), StoreError> {
    let (_, mut tx) = store.write(house.permit(Change("app/1"))).await?;
    tx.feed("app", key);
    tx.feed("people", key);
    tx.commit(json!({}), None).await.map(drop)
}

async fn gapless_under_many_writers(kind: Kind) {
    let house = House::new(kind).await;
    let mut changes = house.store.subscribe(&TenantId::main(), 0);
    let keys: Vec<String> = (0..32).map(|n| format!("k{n}")).collect();
    let writers = futures_util::future::join_all(keys.iter().map(|key| change(&house, &house.store, key)));
    let reader = async {
        let mut seen = Vec::new();
        while seen.len() < 64 {
            match changes.next().await.unwrap() {
                store::Change::Changed { position, kind, key, .. } => seen.push((position, kind, key)),
                store::Change::ReloadEverything { .. } => panic!("nothing was missing"),
            }
        }
        seen
    };
    let (written, seen) = tokio::join!(writers, reader);
    written.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert!(seen.iter().map(|(position, ..)| *position).eq(1..=64), "{seen:?}");
    let found: BTreeSet<_> = seen.iter().map(|(_, _, key)| key.clone()).collect();
    assert_eq!(found, keys.into_iter().collect());
    // An act's changes stand together.
    assert!(seen.chunks(2).all(|pair| pair[0].2 == pair[1].2 && pair[0].1 == "app"));
}

async fn a_raise_is_in_the_feed(kind: Kind) {
    let house = House::new(kind).await;
    let (_, tx) = house.store.write(house.permit(Raise("app/1"))).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();
    let first = house.store.subscribe(&TenantId::main(), 0).next().await.unwrap();
    assert!(matches!(&first, store::Change::Changed { position: 1, kind, .. } if kind == EPOCH_CHANGED), "{first:?}");
}

async fn backwards_means_reload(kind: Kind) {
    let house = House::new(kind).await;
    change(&house, &house.store, "a").await.unwrap();
    let mut changes = house.store.subscribe(&TenantId::main(), 1000);
    assert_eq!(changes.next().await.unwrap(), store::Change::ReloadEverything { position: 2 });
    change(&house, &house.store, "b").await.unwrap();
    let next = changes.next().await.unwrap();
    assert!(matches!(&next, store::Change::Changed { position: 3, key, .. } if key == "b"), "{next:?}");
}

/// On SQLite there is one node: what it commits, it hears.
async fn other_nodes_hear_of_it(kind: Kind) {
    let house = House::new(kind).await;
    let mut config = house.config.clone();
    (config.node, config.data_dir) = ("two".to_owned(), house.dir.path().join("two"));
    let other = match kind {
        Kind::Sqlite => house.store.clone(),
        Kind::Postgres => House::open(&config, &house.authority).await.unwrap(),
    };
    let _tasks = house.store.start_tasks().await;
    let mut changes = house.store.subscribe(&TenantId::main(), 0);
    for n in 0..5 {
        change(&house, &other, &format!("k{n}")).await.unwrap();
        for _ in 0..2 {
            let heard = changes.next().await.unwrap();
            assert!(matches!(&heard, store::Change::Changed { key, .. } if *key == format!("k{n}")), "{heard:?}");
        }
    }
}

async fn one_node_leads(kind: Kind) {
    let house = House::new(kind).await;
    if kind == Kind::Postgres {
        let mut config = house.config.clone();
        (config.node, config.data_dir) = ("two".to_owned(), house.dir.path().join("two"));
        let other = House::open(&config, &house.authority).await.unwrap();
        let leads = house.store.lead("jobs").await.unwrap().unwrap();
        assert!(leads.is_held() && other.lead("jobs").await.unwrap().is_none());
        drop(leads);
        while other.lead("jobs").await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    } else {
        assert!(house.store.lead("jobs").await.unwrap().unwrap().is_held());
    }
}

/// A leader that is stopped keeps its connection, and is silent: another leads within seconds, and it learns of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_hangs_leads_no_more() {
    let house = House::new(Kind::Postgres).await;
    let mut config = house.config.clone();
    (config.node, config.data_dir) = ("two".to_owned(), house.dir.path().join("two"));
    let authority = house.authority.clone();
    let lives = house.store.lead("expiry").await.unwrap().unwrap();
    let (leading, led) = tokio::sync::oneshot::channel();
    let (wake, woken) = std::sync::mpsc::channel::<()>();
    // All that the leader runs, runs on this thread; while it waits for the word, nothing of it does.
    let hanging = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let leads = runtime.block_on(async {
            let store = House::open(&config, &authority).await.unwrap();
            store.lead("jobs").await.unwrap().unwrap()
        });
        leading.send(leads.is_held()).unwrap();
        woken.recv().unwrap();
        runtime.block_on(async {
            let heard = async {
                while leads.is_held() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), heard).await.is_ok()
        })
    });
    assert!(led.await.unwrap());
    assert!(house.store.lead("jobs").await.unwrap().is_none(), "it leads, and hangs");
    let taken = async {
        loop {
            if let Some(leads) = house.store.lead("jobs").await.unwrap() {
                return leads;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let leads = tokio::time::timeout(Duration::from_secs(60), taken).await.expect("another leads");
    wake.send(()).unwrap();
    assert!(tokio::task::spawn_blocking(move || hanging.join().unwrap()).await.unwrap(), "it learns of it");
    assert!(leads.is_held());
    // Whoever lives leads on, however long that took.
    assert!(lives.is_held() && house.store.lead("expiry").await.unwrap().is_none());
}
