//! The record: what is sealed, what is buffered, what is counted, how it is listed.

use crate::{both, support::*};
use authority::{Caller, Origin, Target, Who};
use model::{PersonId, TenantId, TraceId};
use serde_json::json;
use std::time::Duration;
use store::{EventFilter, Outcome, StoreError};

both! {
    sealed_text_opens_and_dies_with_its_key
    accesses_are_buffered_and_flushed
    a_full_buffer_refuses
    refusals_are_events
    a_crash_leaves_a_gap
    lists_are_newest_first_and_filtered
}

async fn sealed_text_opens_and_dies_with_its_key(kind: Kind) {
    let house = House::new(kind).await;
    let ana = ana(&house.clock).traced(TraceId::new("ab".repeat(16)));
    let act = |why: &'static str| {
        let permit = house.authority.decide(&ana, Change("app/1")).unwrap();
        let store = house.store.clone();
        async move {
            let (_, tx) = store.write(permit).await.unwrap();
            tx.commit(json!({}), Some(why)).await.unwrap()
        }
    };
    let first = act("canary: it leaked").await;
    let second = act("canary: again").await;
    let tenant = TenantId::main();
    let read = |id| house.store.event(&tenant, id);
    let event = read(&first.event).await.unwrap().unwrap();
    let stored = String::from_utf8(event.body.clone().unwrap()).unwrap();
    assert!(!stored.contains("canary") && !stored.contains("192.0.2.7"), "{stored}");
    let shown = house.store.show(&event).await.unwrap();
    assert_eq!(shown["why"], "canary: it leaked");
    assert_eq!(shown["from"], json!({ "ip": "192.0.2.7", "device": "Firefox canary-device" }));
    assert!(shown.get("why_sealed").is_none() && shown["trace_id"] == "ab".repeat(16));
    // Sealed for its own event: moved into another, it does not open.
    let mut moved = read(&second.event).await.unwrap().unwrap();
    moved.body.clone_from(&event.body);
    assert_eq!(house.store.fill(&moved).await.unwrap().why, None);

    let (_, mut tx) = house.store.write(house.permit(Change("person/ana"))).await.unwrap();
    tx.forget_subject(&ana.subject()).await.unwrap();
    tx.commit(json!({}), Some("asked to be forgotten")).await.unwrap();
    for id in [&first.event, &second.event] {
        let event = read(id).await.unwrap().unwrap();
        assert_eq!(house.store.fill(&event).await.unwrap(), store::Filled::default());
        assert!(event.body.is_some());
    }
    let third = act("a new key").await;
    let event = read(&third.event).await.unwrap().unwrap();
    assert_eq!(house.store.fill(&event).await.unwrap().why.as_deref(), Some("a new key"));
}

async fn accesses_are_buffered_and_flushed(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await.unwrap();
    let ids: Vec<_> = (0..700)
        .map(|n| house.store.access(house.permit(Look("apps")), Outcome::Allowed, json!({ "n": n })).unwrap())
        .collect();
    house.store.flush_access().await.unwrap();
    let last = house.store.event(&TenantId::main(), &ids[699]).await.unwrap().unwrap();
    assert_eq!(last.json().unwrap()["durability"], "access");
    assert_eq!(house.events().await.len(), 700);
    house.store.access(house.permit(Look("apps")), Outcome::Failed, json!({})).unwrap();
    tasks.stop().await.unwrap();
    let events = house.events().await;
    assert_eq!(events.len(), 701);
    assert!(events.iter().all(|event| event.index.is_some()));
}

async fn a_full_buffer_refuses(kind: Kind) {
    let house = House::new(kind).await;
    let mut noted = 0;
    let refused = loop {
        match house.store.access(house.permit(Look("apps")), Outcome::Allowed, json!({})) {
            Ok(_) => noted += 1,
            Err(error) => break error,
        }
        assert!(noted < 100_000, "the buffer has no bound");
    };
    assert!(matches!(refused, StoreError::Busy { .. }), "{refused:?}");
    assert_eq!(refused.problem().status(), 503);
}

async fn refusals_are_events(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await.unwrap();
    let target = Target::new(TenantId::main(), "app/1");
    let ana = ana(&house.clock);
    let denied = house.authority.decide(&ana, Raise("app/1")).unwrap_err();
    house.store.denied(&denied, &ana, &target).await.unwrap();
    let event = house.events().await.remove(0);
    assert_eq!((event.action.as_str(), event.outcome.as_str()), ("app.deploy", "denied"));
    assert_eq!(event.json().unwrap()["detail"]["code"], denied.code);

    for n in 0..300_u32 {
        let origin = Origin { ip: Some(std::net::Ipv4Addr::from(0xc000_0200 + n % 3).into()), device: None };
        let stranger = Caller::new(TenantId::main(), Who::Stranger).from(origin);
        let denied = house.authority.decide(&stranger, Raise("app/1")).unwrap_err();
        house.store.denied(&denied, &stranger, &target).await.unwrap();
    }
    assert_eq!(house.events().await.len(), 1);
    house.clock.advance(Duration::from_secs(60));
    tasks.stop().await.unwrap();
    let counted: Vec<_> = house.events().await.into_iter().filter(|event| event.subject == "stranger").collect();
    assert_eq!(counted.len(), 3);
    assert!(counted.iter().all(|event| event.json().unwrap()["detail"]["count"] == 100));
}

async fn a_crash_leaves_a_gap(kind: Kind) {
    let house = House::new(kind).await;
    let clean = house.store.start_tasks().await.unwrap();
    clean.stop().await.unwrap();
    let crashed = house.store.start_tasks().await.unwrap();
    assert_eq!(house.events().await.len(), 0);
    drop(crashed);
    house.clock.advance(Duration::from_secs(9));
    let again = house.store.start_tasks().await.unwrap();
    let gap = house.events().await.remove(0);
    assert_eq!((gap.action.as_str(), gap.resource.as_str()), ("record.gap", "node/one"));
    let detail = &gap.json().unwrap()["detail"];
    assert_eq!((&detail["from"], &detail["until"]), (&json!("2026-11-23T00:00:00.000Z"), &json!("2026-11-23T00:00:09.000Z")));
    again.stop().await.unwrap();
}

async fn lists_are_newest_first_and_filtered(kind: Kind) {
    let house = House::new(kind).await;
    let ana = ana(&house.clock).traced(TraceId::new("cd".repeat(16)));
    for n in 0..6 {
        house.clock.advance(Duration::from_secs(1));
        let caller = if n % 2 == 0 { machine() } else { ana.clone() };
        let permit = house.authority.decide(&caller, Change("app/1")).unwrap();
        let (_, tx) = house.store.write(permit).await.unwrap();
        tx.commit(json!({ "n": n }), None).await.unwrap();
    }
    let tenant = TenantId::main();
    let list = async |filter: EventFilter| {
        let events = house.store.events(&tenant, &filter).await.unwrap();
        events.iter().map(|event| event.json().unwrap()["detail"]["n"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let all = EventFilter::default;
    assert_eq!(list(all()).await, [5, 4, 3, 2, 1, 0]);
    let page = house.store.events(&tenant, &EventFilter { limit: Some(2), ..all() }).await.unwrap();
    assert_eq!(list(EventFilter { after: Some(page[1].cursor), limit: Some(3), ..all() }).await, [3, 2, 1]);
    assert_eq!(list(EventFilter { person: Some(PersonId::new("ana")), ..all() }).await, [5, 3, 1]);
    assert_eq!(list(EventFilter { trace: ana.trace.clone(), ..all() }).await, [5, 3, 1]);
    assert_eq!(list(EventFilter { action: Some("release.reject".to_owned()), limit: Some(1), ..all() }).await, [5]);
    assert_eq!(list(EventFilter { app: Some(model::AppId::new("1")), ..all() }).await, [] as [i64; 0]);
    let (since, until) = (model::Timestamp::from_ms(START_MS + 2000), model::Timestamp::from_ms(START_MS + 3000));
    assert_eq!(list(EventFilter { since: Some(since), until: Some(until), ..all() }).await, [2, 1]);
    let other = house.store.events(&TenantId::new("other"), &all()).await.unwrap();
    assert_eq!(other, []);
}
