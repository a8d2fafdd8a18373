//! Many at once: groups, cancellation, readers beside a writer.

use crate::{both, sql, support::*};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use store::params;

both! {
    many_acts_share_a_commit
    a_cancelled_act_harms_nobody
    readers_do_not_wait_for_a_writer
    reads_that_nobody_waits_for_keep_no_reader
}

async fn many_acts_share_a_commit(kind: Kind) {
    let house = House::new(kind).await;
    let before = house.store.commit_counts();
    let names: Vec<String> = (0..200).map(|n| format!("n{n}")).collect();
    for done in futures_util::future::join_all(names.iter().map(|name| house.note(name))).await {
        done.unwrap();
    }
    let after = house.store.commit_counts();
    assert_eq!((house.notes().await, house.events().await.len()), (200, 200));
    assert_eq!(after.acts - before.acts, 200);
    if kind == Kind::Sqlite {
        let groups = after.groups - before.groups;
        assert!((4..40).contains(&groups), "200 acts in {groups} groups");
    }
}

async fn a_cancelled_act_harms_nobody(kind: Kind) {
    let house = Arc::new(House::new(kind).await);
    let tasks: Vec<_> = (0..120_u64)
        .map(|n| {
            let house = house.clone();
            tokio::spawn(async move {
                // Every third is cut off somewhere on its way: waiting, writing, committing.
                let limit = if n % 3 == 0 { Duration::from_micros(n * 60) } else { Duration::from_secs(60) };
                tokio::time::timeout(limit, house.note(&format!("n{n}"))).await.map(Result::unwrap).is_ok()
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += i64::from(task.await.unwrap());
    }
    // The next act ends only after what was left behind was decided.
    house.note("last").await.unwrap();
    let (notes, events) = (house.notes().await, house.events().await.len() as i64);
    assert_eq!(notes, events);
    assert!(done >= 80 && notes > done && notes <= 121, "{done} told, {notes} there");
}

async fn readers_do_not_wait_for_a_writer(kind: Kind) {
    let house = House::new(kind).await;
    house.note("a").await.unwrap();
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    tx.execute(sql::INSERT_NOTE, params!["b", "text", 1_i64, None::<Vec<u8>>]).await.unwrap();
    let reads = futures_util::future::join_all((0..40).map(|_| house.notes())).await;
    assert!(reads.iter().all(|count| *count == 1));
    tx.commit(json!({}), None).await.unwrap();
    assert_eq!(house.notes().await, 2);
}

async fn reads_that_nobody_waits_for_keep_no_reader(kind: Kind) {
    let house = House::new(kind).await;
    let endless = if kind == Kind::Sqlite { sql::ENDLESS_SQLITE } else { sql::ENDLESS_POSTGRES };
    // As many as there are readers, and others behind them.
    let reads = futures_util::future::join_all((0..40).map(|_| house.store.read(endless, &[])));
    assert!(tokio::time::timeout(Duration::from_secs(1), reads).await.is_err(), "none ends by itself");
    // Sooner than the time that a statement may take.
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), house.notes()).await, Ok(0));
}
