//! plan · open · held · used · cut.

use crate::{both, house::*};
use authority::{CutState, Surface};

both! {
    plan_open_held_used_cut
    a_restored_app_has_new_placeholders
    retiring_deletes_the_value
    a_secret_that_is_no_longer_named_is_let_go
}

async fn plan_open_held_used_cut(kind: Kind) {
    let house = House::new(kind).await;
    let manifest = manifest("poll-notify", ID);
    let planned = house.vault.plan(&manifest);
    assert_eq!(planned.len(), 1);
    assert!(planned[0].sentence.contains(ID) && planned[0].sentence.contains("slack.com"), "{}", planned[0].sentence);
    assert!(house.vault.held(&poll()).await.unwrap().is_empty());
    house.open(&poll(), &manifest, 1).await.unwrap();
    house.open(&poll(), &manifest, 1).await.unwrap();
    assert_eq!(house.vault.held(&poll()).await.unwrap()[0].until, None);
    house.put(put()).await.unwrap();
    let held = house.vault.held(&poll()).await.unwrap();
    assert_eq!(
        (held.len(), held[0].item.as_str(), held[0].until),
        (1, ID, Some("2027-02-02T00:00:00Z".parse().unwrap()))
    );
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    assert!(house.vault.used(&poll()).await.unwrap().is_empty());
    for _ in 0..2 {
        house.send(&running, &placeholder).await.unwrap();
    }
    let used = house.vault.used(&poll()).await.unwrap();
    assert_eq!((used.len(), used[0].item.as_str(), used[0].count), (1, ID, 2));
    let cut = house.vault.cut(&poll()).await;
    assert_eq!(
        (cut.len(), cut[0].state, cut[0].how.as_str()),
        (1, CutState::Dead, "binding closed; the placeholder of 1 instance dead")
    );
    assert!(house.vault.cut(&poll()).await.is_empty());
    assert_eq!(house.send(&running, &placeholder).await.unwrap_err().code, "secret.not_granted");
    // Rows that are read late do not bring it back.
    house.vault.refresh(&poll()).await.unwrap();
    house.vault.load_all().await.unwrap();
    assert!(house.vault.held(&poll()).await.unwrap().is_empty());
    assert!(house.vault.placeholders(&instance("i-2", &poll())).is_empty());
    house.cut_rows(&poll()).await;
    house.cut_rows(&poll()).await;
    assert!(house.again().await.held(&poll()).await.unwrap().is_empty());
}

async fn a_restored_app_has_new_placeholders(kind: Kind) {
    let house = House::ready(kind).await;
    let old = instance("i-1", &poll());
    let placeholder = house.placeholder(&old);
    let elsewhere = house.again().await;
    let of_elsewhere = format!("Bearer {}", elsewhere.placeholders(&old)["SLACK_TOKEN"]);
    house.vault.cut(&poll()).await;
    house.cut_rows(&poll()).await;
    house.open(&poll(), &manifest("poll-notify", ID), 2).await.unwrap();
    assert_eq!(house.send(&old, &placeholder).await.unwrap_err().code, "secret.not_granted");
    assert!(house.vault.placeholders(&old).is_empty());
    // A node that heard of it all only afterwards.
    elsewhere.refresh(&poll()).await.unwrap();
    let mut parts = head("https://slack.com/api/x", &[("authorization", &of_elsewhere)]);
    let refused = elsewhere.attach(&old, &SLACK, &mut parts).await;
    assert_eq!(refused.unwrap_err().code, "secret.not_granted");
    let new = authority::Instance { credential_epoch: 2, ..instance("i-2", &poll()) };
    let placeholder = house.placeholder(&new);
    house.send(&new, &placeholder).await.unwrap();
}

async fn retiring_deletes_the_value(kind: Kind) {
    let house = House::ready(kind).await;
    house.vault.cut(&poll()).await;
    house.cut_rows(&poll()).await;
    assert_eq!(house.retire(&poll()).await, ["1 secret in prod, its value deleted"]);
    assert!(house.retire(&poll()).await.is_empty());
    // The id is free again, and no value is left behind it.
    let other = app("0190other");
    house.open(&other, &manifest("other", ID), 1).await.unwrap();
    let running = instance("i-2", &other);
    let placeholder = house.placeholder(&running);
    assert_eq!(house.send(&running, &placeholder).await.unwrap_err().code, "secret.missing");
}

async fn a_secret_that_is_no_longer_named_is_let_go(kind: Kind) {
    let house = House::ready(kind).await;
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    house.open(&poll(), &manifest("poll-notify", "people-ops/another"), 1).await.unwrap();
    assert_eq!(house.vault.held(&poll()).await.unwrap()[0].item, "people-ops/another");
    // The variable stands for the other secret now, which nobody has put.
    assert_eq!(house.send(&running, &placeholder).await.unwrap_err().code, "secret.missing");
}
