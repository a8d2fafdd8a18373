//! Receipts that are due: from when other nodes can hear of the cut, and finished by whoever has heard of it.

use crate::house::{APP, House, Kind, manifest};
use model::Timestamp;
use std::time::Duration;

/// Longer than anybody waits for a receipt.
const OVERDUE: Duration = Duration::from_secs(60);

/// With nothing that this server owes from before it started.
fn no_start() -> Timestamp {
    Timestamp::from_ms(0)
}

/// Where other nodes may be: on PostgreSQL.
async fn house() -> House {
    let house = House::new(Kind::Postgres).await;
    house.deploy(&[("bailiwick.toml", &manifest("poll", "")), ("app.js", APP)]).await.unwrap();
    house
}

async fn receipts(house: &House) -> usize {
    house.events("app.revoke.done").await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_due_from_when_the_cut_is_written() {
    let house = house().await;
    // It is written as late after the cut as one from a journal.
    *house.surface.slow.lock().unwrap() = Some((house.clock.clone(), OVERDUE));
    house.revoke("poll").await;
    house.catalog.finish_receipts(no_start()).await.unwrap();
    assert_eq!(receipts(&house).await, 0, "other nodes have only just heard of it");
    house.clock.advance(OVERDUE);
    house.catalog.finish_receipts(no_start()).await.unwrap();
    assert_eq!(receipts(&house).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_not_heard_of_a_cut_does_not_say_that_it_is_done() {
    let house = house().await;
    let (late, authority) = house.beside().await;
    house.revoke("poll").await;
    house.clock.advance(OVERDUE);
    late.finish_receipts(no_start()).await.unwrap();
    assert_eq!(receipts(&house).await, 0, "it serves by what it knew");
    house.tell(&late, &authority).await;
    late.finish_receipts(no_start()).await.unwrap();
    assert_eq!(receipts(&house).await, 1);
}
