//! Acts: state and event together or not at all; the epoch; asking again.

use crate::{both, sql, support::*};
use model::{EventId, TenantId};
use serde_json::json;
use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    task::Poll,
    time::Duration,
};
use store::{Also, Outcome, StoreError, params};

both! {
    write_and_event_land_together
    a_dropped_act_leaves_nothing
    a_notice_lands_with_its_event
    a_failed_statement_ends_the_act
    a_moved_epoch_refuses_and_again_succeeds
    again_gives_up_after_ten_seconds
    a_raising_act_raises_and_memory_follows
    two_raising_acts_of_one_epoch
    a_second_event_in_the_same_commit
    a_use_is_recorded_alone
    what_lands_after_whoever_asked_went_away_is_counted
}

async fn write_and_event_land_together(kind: Kind) {
    let house = House::new(kind).await;
    let permit = house.authority.decide(&ana(&house.clock), Change("app/1")).unwrap();
    let (_, mut tx) = house.store.write(permit).await.unwrap();
    tx.execute(sql::INSERT_NOTE, params!["a", "text", 1_i64, None::<Vec<u8>>]).await.unwrap();
    assert_eq!(tx.query_one(sql::COUNT_NOTES, &[]).await.unwrap().unwrap().int(0).unwrap(), 1);
    let committed = tx.commit(json!({ "note": "a" }), None).await.unwrap();
    assert_eq!(house.notes().await, 1);
    let event = house.store.event(&TenantId::main(), &committed.event).await.unwrap().unwrap();
    let body = event.json().unwrap();
    assert_eq!(body["action"], "release.reject");
    assert_eq!(body["user_id"], "ana");
    assert_eq!(body["actor"], json!(["person:ana"]));
    assert_eq!(body["resource"], "app/1");
    assert_eq!(body["outcome"], "allowed");
    assert_eq!(body["durability"], "act");
    assert_eq!(body["timestamp"], "2026-11-23T00:00:00.000Z");
    assert_eq!(body["detail"], json!({ "note": "a" }));
    assert_eq!((event.index, event.at), (None, committed.at));
}

async fn a_dropped_act_leaves_nothing(kind: Kind) {
    let house = House::new(kind).await;
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    tx.execute(sql::INSERT_NOTE, params!["a", "text", 1_i64, None::<Vec<u8>>]).await.unwrap();
    tx.feed("app", "1");
    drop(tx);
    house.note("b").await.unwrap();
    assert_eq!((house.notes().await, house.events().await.len()), (1, 1));
    assert_eq!(house.store.feed_position(&TenantId::main()).await.unwrap(), 0);
}

/// What is to be told is in the commit of the act, or is not at all.
async fn a_notice_lands_with_its_event(kind: Kind) {
    let house = House::new(kind).await;
    let committed = house.note("a").await.unwrap();
    let stale = house.permit(Change("request/2"));
    // One that tells only when it waits, and does not.
    let (_, tx) = house.store.write(house.permit(Raise("app/1"))).await.unwrap();
    tx.commit(json!({ "status": "live" }), None).await.unwrap();
    let (_, tx) = house.store.write(house.permit(Raise("app/1"))).await.unwrap();
    let waiting = tx.commit(json!({ "status": "waiting", "request": "r1" }), None).await.unwrap();
    let (_, tx) = house.store.write(stale).await.unwrap();
    assert!(matches!(tx.commit(json!({}), None).await, Err(StoreError::Moved { .. })));
    let (_, tx) = house.store.write(house.permit(Change("request/3"))).await.unwrap();
    drop(tx);
    let rows = house.store.read(sql::NOTICES, &[]).await.unwrap();
    let told: Vec<(&str, &str)> = rows.iter().map(|row| (row.text(0).unwrap(), row.text(1).unwrap())).collect();
    let mut wanted = vec![(committed.event.as_str(), "decided"), (waiting.event.as_str(), "waits")];
    wanted.sort_unstable();
    let mut told = told;
    told.sort_unstable();
    assert_eq!(told, wanted);
    assert!(rows.iter().all(|row| row.opt_int(5).unwrap().is_none()));
}

async fn a_failed_statement_ends_the_act(kind: Kind) {
    let house = House::new(kind).await;
    house.note("a").await.unwrap();
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    tx.execute(sql::INSERT_NOTE, params!["b", "text", 1_i64, None::<Vec<u8>>]).await.unwrap();
    let taken = tx.execute(sql::INSERT_NOTE, params!["a", "text", 1_i64, None::<Vec<u8>>]).await.unwrap_err();
    let StoreError::Conflict { table, constraint } = &taken else { panic!("{taken:?}") };
    assert_eq!(table, "notes");
    assert!(constraint.contains("notes"), "{constraint}");
    assert!(matches!(tx.query(sql::COUNT_NOTES, &[]).await, Err(StoreError::Ended)));
    assert!(matches!(tx.commit(json!({}), None).await, Err(StoreError::Ended)));
    house.note("c").await.unwrap();
    assert_eq!((house.notes().await, house.events().await.len()), (2, 2));
}

async fn a_moved_epoch_refuses_and_again_succeeds(kind: Kind) {
    let house = House::new(kind).await;
    let stale = house.permit(Change("app/1"));
    let (_, tx) = house.store.write(house.permit(Raise("app/1"))).await.unwrap();
    assert_eq!(tx.commit(json!({}), None).await.unwrap().epoch, 1);
    let (_, mut tx) = house.store.write(stale).await.unwrap();
    tx.execute(sql::INSERT_NOTE, params!["a", "text", 1_i64, None::<Vec<u8>>]).await.unwrap();
    let moved = tx.commit(json!({}), None).await.unwrap_err();
    assert!(matches!(moved, StoreError::Moved { current: 1, .. }), "{moved:?}");
    assert_eq!((house.notes().await, house.events().await.len()), (0, 1));

    let runs = AtomicU32::new(0);
    let stale = std::sync::Mutex::new(Some(house.permit(Change("app/1"))));
    let (_, tx) = house.store.write(house.permit(Raise("app/1"))).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();
    let done: Result<_, StoreError> = house
        .store
        .again(|| async {
            runs.fetch_add(1, Ordering::SeqCst);
            let kept = stale.lock().unwrap().take();
            let permit = kept.unwrap_or_else(|| house.permit(Change("app/1")));
            let (_, mut tx) = house.store.write(permit).await?;
            tx.execute(sql::INSERT_NOTE, params!["a", "text", 1_i64, None::<Vec<u8>>]).await?;
            tx.commit(json!({}), None).await
        })
        .await;
    assert_eq!(done.unwrap().epoch, 2);
    assert_eq!((runs.load(Ordering::SeqCst), house.notes().await), (2, 1));
}

async fn again_gives_up_after_ten_seconds(kind: Kind) {
    let house = House::new(kind).await;
    let (runs, began) = (AtomicU32::new(0), std::time::Instant::now());
    let result: Result<(), StoreError> = house
        .store
        .again(|| async {
            runs.fetch_add(1, Ordering::SeqCst);
            Err(StoreError::Moved { tenant: TenantId::main(), current: 0 })
        })
        .await;
    assert!(matches!(result, Err(StoreError::Moved { .. })));
    assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
    // Each time it leaves the others a moment.
    assert!((2..=10_001).contains(&runs.load(Ordering::SeqCst)), "{runs:?}");
}

async fn a_raising_act_raises_and_memory_follows(kind: Kind) {
    let house = House::new(kind).await;
    for epoch in 1..=3 {
        let (_, tx) = house.store.write(house.permit(Raise("app/1"))).await.unwrap();
        assert_eq!(tx.commit(json!({}), None).await.unwrap().epoch, epoch);
        // The commit waited for memory: the next permit is of the new epoch.
        assert_eq!(house.permit(Change("app/1")).epoch(), epoch);
    }
    house.note("a").await.unwrap();
    assert_eq!(house.store.epoch(&TenantId::main()).await.unwrap(), 3);
}

async fn two_raising_acts_of_one_epoch(kind: Kind) {
    let house = House::new(kind).await;
    let permits: Vec<_> = (0..8).map(|_| house.permit(Raise("app/1"))).collect();
    let acts = permits.into_iter().map(|permit| async {
        let (_, tx) = house.store.write(permit).await?;
        tx.commit(json!({}), None).await
    });
    let ended = futures_util::future::join_all(acts).await;
    assert_eq!(ended.iter().filter(|end| end.is_ok()).count(), 1);
    assert!(ended.iter().all(|end| matches!(end, Ok(_) | Err(StoreError::Moved { current: 1, .. }))), "{ended:?}");
    assert_eq!((house.events().await.len(), house.store.epoch(&TenantId::main()).await.unwrap()), (1, 1));
}

async fn a_second_event_in_the_same_commit(kind: Kind) {
    let house = House::new(kind).await;
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    let id = EventId::generate();
    let detail = json!({ "event": id, "surfaces": [] });
    let why = Some("it leaked".to_owned());
    tx.also(Also { id: id.clone(), action: "app.revoke.done", outcome: Outcome::Failed, detail, why });
    let main = tx.event().clone();
    assert_eq!(tx.commit(json!({}), None).await.unwrap().event, main);
    let second = house.store.event(&TenantId::main(), &id).await.unwrap().unwrap();
    let shown = house.store.show(&second).await.unwrap();
    assert_eq!((second.action.as_str(), second.outcome.as_str()), ("app.revoke.done", "failed"));
    assert_eq!((shown["why"].as_str(), shown["detail"]["event"].as_str()), (Some("it leaked"), Some(id.as_str())));
    assert_eq!(house.events().await.len(), 2);
}

async fn a_use_is_recorded_alone(kind: Kind) {
    let house = House::new(kind).await;
    let done =
        house.store.record(house.permit(Export("log/main")), Outcome::Failed, json!({ "rows": 3 })).await.unwrap();
    let event = house.store.event(&TenantId::main(), &done.event).await.unwrap().unwrap();
    assert_eq!((event.action.as_str(), event.outcome.as_str()), ("audit.export", "failed"));
    assert_eq!(event.json().unwrap()["durability"], "use");
}

/// Whoever asked goes away at each step of the commit.
async fn what_lands_after_whoever_asked_went_away_is_counted(kind: Kind) {
    let house = House::still(kind).await;
    for last in 1..=8 {
        let (_, tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
        let mut commit = pin!(tx.commit(json!({}), None));
        let mut steps = 0;
        poll_fn(|context| {
            steps += 1;
            if commit.as_mut().poll(context).is_ready() || steps == last { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    // Behind all of them: on SQLite their groups are closed by then.
    house.note("a").await.unwrap();
    let counted = || house.store.tallies().iter().map(|(_, tally)| tally.events).sum::<u64>();
    let equal = async {
        while house.events().await.len() as u64 != counted() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), equal).await;
    waited.unwrap_or_else(|_| panic!("{:?}", house.store.tallies()));
}
