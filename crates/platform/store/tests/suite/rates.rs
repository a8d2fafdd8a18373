//! Allowances that nodes share, drawn by two of them at once. There is nobody to share with on SQLite.

use crate::{
    sql,
    support::{House, Kind, outside},
};
use model::TenantId;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Allowance, Drawer, Drawn, Store, hold};

async fn two() -> (House, Arc<Store>) {
    let house = House::new(Kind::Postgres).await;
    let mut config = house.config.clone();
    (config.node, config.data_dir) = ("two".to_owned(), house.dir.path().join("two"));
    let other = House::open(&config, &house.authority).await.unwrap();
    (house, other)
}

/// Draws until there is no more, as fast as it goes; how much.
async fn drain(store: &Store, key: &str, allowance: Allowance, wanted: u32) -> u32 {
    let mut all = 0;
    while let Drawn::Some(drawn) = store.draw(&TenantId::main(), key, allowance, wanted, Drawer::Known).await.unwrap() {
        all += drawn;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_together_draw_exactly_the_limit() {
    let (house, other) = two().await;
    for (count, wanted) in [(10, 1), (59, 1), (600, 50), (600, 1)] {
        let key = format!("{count} by {wanted}");
        let allowance =
            Allowance { count, per: if count < 60 { Duration::from_secs(60) } else { Duration::from_secs(600) } };
        let drains = (0..8).map(|n| drain(if n % 2 == 0 { &house.store } else { &other }, &key, allowance, wanted));
        let drawn: u32 = futures_util::future::join_all(drains).await.into_iter().sum();
        assert_eq!(drawn, count, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_node_had_drawn_is_lost_until_it_could_not_have_been_used() {
    let (house, other) = two().await;
    let (key, allowance) = ("lost", Allowance { count: 100, per: Duration::from_secs(1) });
    let began = Instant::now();
    let Drawn::Some(lost) = other.draw(&TenantId::main(), key, allowance, 50, Drawer::Known).await.unwrap() else {
        panic!("none")
    };
    assert_eq!(lost, 12, "an eighth");
    drop(other);
    let rest = drain(&house.store, key, allowance, 50).await;
    assert!(rest + lost == 100 || began.elapsed() > allowance.per, "{rest}");
    let Drawn::Over(wait) = house.store.draw(&TenantId::main(), key, allowance, 1, Drawer::Known).await.unwrap() else {
        panic!("there was more");
    };
    assert!(wait <= allowance.per + hold(allowance.per) + Duration::from_millis(16), "{wait:?}");
    // There is some again once the first block has left the span, and the moment in which it might have been used.
    let again = async {
        while house.store.draw(&TenantId::main(), key, allowance, 1, Drawer::Known).await.unwrap() != Drawn::Some(1) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.expect("it comes back");
    assert!(began.elapsed() >= allowance.per + hold(allowance.per), "{:?}", began.elapsed());
}

/// The wait is a span, and not as long as the clock was ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_locks_nobody_out() {
    let house = House::new(Kind::Postgres).await;
    let (key, allowance) = ("back", Allowance { count: 2, per: Duration::from_millis(400) });
    assert!(drain(&house.store, key, allowance, 1).await >= 2);
    outside(&house.config, "", sql::DRAWN_AHEAD).await;
    let began = Instant::now();
    let first = house.store.draw(&TenantId::main(), key, allowance, 1, Drawer::Known).await.unwrap();
    let Drawn::Over(wait) = first else { panic!("what was drawn is not forgotten: {first:?}") };
    assert!(wait <= allowance.per + hold(allowance.per) + Duration::from_millis(1), "{wait:?}");
    let again = async {
        while house.store.draw(&TenantId::main(), key, allowance, 1, Drawer::Known).await.unwrap() != Drawn::Some(1) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.expect("it comes back");
    assert!(began.elapsed() >= allowance.per, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_and_keys_draw_apart_and_rows_are_pruned() {
    let (house, _other) = two().await;
    let one = Allowance { count: 1, per: Duration::from_secs(60) };
    for tenant in [TenantId::main(), TenantId::new("elsewhere")] {
        for key in ["a", "b"] {
            assert_eq!(house.store.draw(&tenant, key, one, 5, Drawer::Stranger).await.unwrap(), Drawn::Some(1));
            assert!(matches!(house.store.draw(&tenant, key, one, 5, Drawer::Stranger).await.unwrap(), Drawn::Over(_)));
        }
    }
    assert_eq!(house.store.prune_draws().await.unwrap(), 0, "nothing is old yet");
}
