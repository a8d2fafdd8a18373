//! What an app may leave unread, and that others do not wait for it.

use crate::support::{House, MANIFEST, app, call, instance, manifest, unread};
use model::Env;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) async fn eight_answers_may_wait_to_be_read(house: House) {
    let two = app("two", Env::Prod);
    house.open(&house.data, &two, &manifest(MANIFEST), 1).await;
    let two = instance("main", two, Some("ana"));
    house.insert("things", json!({ "tags": vec!["x".repeat(50 << 10); 4] })).await;
    let mut held = vec![];
    for number in 0..8 {
        // A refusal has a body too.
        let question = if number == 7 { json!({ "order": "nosuch" }) } else { json!({}) };
        held.push(unread(&house.data, &house.instance(), "POST", "things/query", question).await);
    }
    // Whatever it is that is asked for next; and others are answered at once.
    let ninth = house.call("POST", "things/count", json!({}));
    let elsewhere = tokio::time::timeout(Duration::from_secs(4), async {
        call(&house.data, &two, "POST", "votes/records", json!({ "choice": "lake" })).await.0
    });
    let ((status, problem), elsewhere) = tokio::join!(ninth, elsewhere);
    assert_eq!(elsewhere, Ok(201));
    assert_eq!((status, &problem["code"]), (429, &json!("data.unread")), "{problem}");
    assert_eq!(problem["fix"], "read an answer before asking for the next");
    // Another release of the app does not begin anew.
    house.open(&house.data, &app("one", Env::Prod), &manifest(MANIFEST), 1).await;
    let waits = house.call("POST", "things/count", json!({}));
    let reads = async {
        tokio::task::yield_now().await;
        drop(held.pop());
    };
    let ((status, counted), ()) = tokio::join!(waits, reads);
    assert_eq!((status, &counted["count"]), (200, &json!(1)));
}

pub(crate) async fn many_at_once_are_answered_in_turn(house: House) {
    for number in 0..5 {
        house.insert("votes", json!({ "choice": number.to_string() })).await;
    }
    let instance = house.instance();
    let mut asked = tokio::task::JoinSet::new();
    let house = std::sync::Arc::new(house);
    for number in 0..60 {
        let (house, instance) = (house.clone(), instance.clone());
        asked.spawn(async move {
            let verb = if number % 3 == 0 { "count" } else { "query" };
            call(&house.data, &instance, "POST", &format!("votes/{verb}"), json!({})).await.0
        });
    }
    assert!(asked.join_all().await.iter().all(|status| *status == 200));
}

pub(crate) async fn an_instance_that_is_refused_again_and_again_is_counted(house: House) {
    let tasks = house.store.start_tasks().await;
    for number in 0..30 {
        assert_eq!(house.refused("POST", "votes/records", json!({ "nosuch": number })).await.0, 400);
        assert_eq!(house.refused("POST", "things/export", Value::Null).await.0, 403);
    }
    house.store.flush_access().await.unwrap();
    let rows =
        house.store.read("SELECT action FROM events WHERE action LIKE 'data.%' AND outcome = 'denied'", &[]).await;
    assert_eq!(rows.unwrap().len(), 20, "an event each");
    let tallies = house.store.tallies();
    let counted = |action: &str| {
        tallies.iter().filter(|(counts, _)| counts.action == action).map(|(_, tally)| tally.events).sum::<u64>()
    };
    assert_eq!((counted("data.write"), counted("data.export")), (30, 30));
    tasks.stop().await.unwrap();
}
