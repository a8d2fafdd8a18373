//! Leases when the database's clock is set back: what a dead process left lies ahead of it, and holds nobody up for as long
//! as that is. On SQLite there are none.

use crate::{sql, support::*};
use model::TenantId;
use serde_json::json;
use store::Renewal;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_process_of_the_same_name_keeps_nobody_from_its_place() {
    let house = House::new(Kind::Postgres).await;
    outside(&house.config, "", sql::LEASES_AHEAD).await;
    let mine = house.store.node_lease("mine").await.unwrap().unwrap();
    // The other dead one is no company either.
    assert_eq!(mine.renew(0).await.unwrap(), Renewal::Ours { nodes: 1 });
    let second = house.store.node_lease("second").await.unwrap().unwrap();
    assert_eq!(second.renew(0).await.unwrap(), Renewal::Taken, "whoever lives keeps its name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_dead_node_as_long_as_the_clock_was_set_back() {
    let house = House::new(Kind::Postgres).await;
    outside(&house.config, "", sql::LEASES_AHEAD).await;
    let (_, tx) = house.store.write(house.permit(Raise("app/1"))).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();
    // It might live, and not have renewed since the clock was set.
    let seen = house.store.other_nodes().await.unwrap();
    assert!(seen.len() == 1 && !seen[0].ran_out, "{seen:?}");
    assert!(house.store.told_everywhere(&TenantId::main()).await, "it has not renewed for as long as a lease runs");
    assert!(house.store.others_seen().iter().all(|node| node.ran_out));
}
