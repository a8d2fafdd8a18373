//! The surface: plan, open, held, used, cut, and what stays cut.

use crate::house::{House, problem, text};
use authority::{CutState, Surface, SurfaceName};

#[tokio::test]
async fn plan_open_held_used_cut() {
    let house = House::new().await;
    let broker = &house.broker;
    let count = house.manifest.connect.len();
    assert_eq!(broker.name(), SurfaceName::Broker);
    let planned = broker.plan(&house.manifest);
    assert_eq!(planned.len(), count, "{planned:#?}");

    let held = broker.held(&house.app).await.unwrap();
    assert_eq!(held.len(), count);
    let api = held.iter().find(|held| held.item == "https://api.example:443").unwrap();
    assert_eq!(api.why.as_deref(), Some("A host for many cases"));
    assert_eq!(api.until.unwrap().to_string(), "2026-12-02T00:00:00.000Z");

    assert!(broker.used(&house.app).await.unwrap().is_empty());
    for _ in 0..2 {
        text(house.get("https://api.example/x").await).await;
    }
    problem(house.get("https://evil.example/x").await).await;
    house.store.flush_access().await.unwrap();
    let used = broker.used(&house.app).await.unwrap();
    assert_eq!(used.len(), 1, "{used:?}");
    assert_eq!((used[0].item.as_str(), used[0].count, used[0].last), ("https://api.example:443", 2, Some(house.now())));

    let cut = broker.cut(&house.app).await;
    assert_eq!(cut.len(), count);
    assert!(
        cut.iter()
            .all(|line| line.state == CutState::Dead && line.dead_at == Some(house.now()) && line.node == "node-1")
    );
    assert_eq!(cut[0].how, "destination closed; no call was under way");
    assert!(broker.cut(&house.app).await.is_empty(), "cutting twice is no change");
    assert!(broker.held(&house.app).await.unwrap().is_empty());
    assert_eq!(broker.used(&house.app).await.unwrap().len(), 1, "what was used can be told after the cut");
    assert_eq!(problem(house.get("https://api.example/x").await).await.code, "egress.cut");
}

#[tokio::test]
async fn what_was_cut_stays_cut_until_new_credentials_open_it() {
    let house = House::new().await;
    house.broker.cut(&house.app).await;
    // The rows are not cut yet: memory does not believe them.
    house.broker.refresh(&house.app).await.unwrap();
    house.broker.load_all().await.unwrap();
    assert!(house.broker.held(&house.app).await.unwrap().is_empty());
    house.cut_rows().await;
    house.cut_rows().await;
    house.broker.refresh(&house.app).await.unwrap();
    assert!(house.broker.held(&house.app).await.unwrap().is_empty());
    house.open(2).await;
    assert_eq!(house.broker.held(&house.app).await.unwrap().len(), house.manifest.connect.len());
    assert_eq!(problem(house.get("https://api.example/x").await).await.code, "egress.cut", "the instance is of before");
}

#[tokio::test]
async fn grants_survive_a_start_and_opening_again_is_no_change() {
    let house = House::new().await;
    let before = house.broker.held(&house.app).await.unwrap();
    house.open(1).await;
    house.broker.load_all().await.unwrap();
    assert_eq!(house.broker.held(&house.app).await.unwrap(), before);
    assert_eq!(house.retire().await, [format!("{} destinations", before.len())]);
    house.broker.refresh(&house.app).await.unwrap();
    assert!(house.broker.held(&house.app).await.unwrap().is_empty());
    assert!(house.retire().await.is_empty());
}
