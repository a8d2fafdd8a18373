//! From live to its end: expiry on the date, a switch that no deploy undoes, a certificate that stays.

use crate::house::{APP, House, manifest, refused};
use crate::waivers::SENDS;
use authority::{AppState, Caller};
use catalog::{GRACE, ListApps, Status};
use model::{AppId, Clock, Env, TenantId, Timestamp};
use std::time::Duration;

async fn state(house: &House, name: &str) -> AppState {
    let permit = house.permit(ListApps { tenant: TenantId::main() }).await.unwrap();
    let apps = house.catalog.list(permit).unwrap();
    apps.into_iter().find(|app| app.app == name).unwrap().environments[0].state
}

async fn an_app_is_suspended_on_its_date_and_not_before(house: House) {
    let text = manifest("poll", "").replace("2027-01-31", "2026-11-24");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    let other = manifest("other", "");
    house.deploy(&[("bailiwick.toml", &other), ("app.js", APP)]).await.unwrap();
    let system = Caller::system("expiry");
    // The last moment of its last day.
    house.clock.advance(Duration::from_millis(86_400_000 + 43_200_000 - 1));
    assert_eq!(house.catalog.expire_due(&system).await.unwrap(), 0);
    assert_eq!(state(&house, "poll").await, AppState::Live);
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.catalog.expire_due(&system).await.unwrap(), 1);
    house.follow().await;
    assert_eq!(house.catalog.expire_due(&system).await.unwrap(), 0);
    assert_eq!(state(&house, "poll").await, AppState::Expired);
    assert_eq!(*house.surface.cut.lock().unwrap(), [house.app("poll")]);
    let events = house.events("app.expire").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["surfaces"][0]["state"], "dead", "{events:?}");
    // Suspended is not revoked: its team deploys it again with a later date, under newer credentials.
    assert_eq!(refused(house.restore("poll").await).code, "app.not_revoked");
    let later = manifest("poll", "").replace("2027-01-31", "2026-12-24");
    let again = house.deploy(&[("bailiwick.toml", &later), ("app.js", APP)]).await.unwrap();
    assert_eq!(again.status, Status::Live);
    let opened = house.surface.opened.lock().unwrap().last().cloned().unwrap();
    assert_eq!((opened.0, opened.2), (house.app("poll"), 2));
}

/// Writing one may take its time: none of the others goes on meanwhile.
async fn apps_of_one_date_are_all_cut_before_the_first_is_written(house: House) {
    for name in ["poll", "other", "third"] {
        let text = manifest(name, "").replace("2027-01-31", "2026-11-24");
        house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    }
    house.clock.advance(Duration::from_secs(2 * 86_400));
    assert_eq!(house.catalog.expire_due(&Caller::system("expiry")).await.unwrap(), 3);
    assert_eq!(house.surface.cut_before.lock().unwrap().as_slice(), [3, 3, 3]);
    assert_eq!(house.events("app.expire").await.len(), 3);
}

async fn an_old_release_past_its_date_does_not_come_back(house: House) {
    let text = manifest("poll", "").replace("2027-01-31", "2026-11-24");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    let later = manifest("poll", "").replace("2027-01-31", "2026-12-24");
    house.deploy(&[("bailiwick.toml", &later), ("app.js", APP)]).await.unwrap();
    house.clock.advance(Duration::from_secs(3 * 86_400));
    assert_eq!(refused(house.rollback("poll", None).await).code, "release.expired");
    assert_eq!(state(&house, "poll").await, AppState::Live);
}

async fn a_switched_off_app_is_not_deployed_on_again(house: House) {
    let text = manifest("poll", "");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    house.revoke("poll").await;
    for env in Env::ALL {
        let denied = house.deploy_to(env, &[("bailiwick.toml", &text), ("app.js", APP)]).await;
        assert_eq!(refused(denied).code, "app.revoked");
    }
    assert_eq!(refused(house.rollback("poll", Some(1)).await).code, "app.revoked");
    let restored = house.restore("poll").await.unwrap();
    assert_eq!(restored.environments[0].credential_epoch, 2);
}

async fn one_past_its_date_or_without_a_release_holds_the_others_back_in_nothing(house: House) {
    let text = manifest("poll", "");
    let soon = text.replace("2027-01-31", "2026-11-24");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    house.deploy_to(Env::Staging, &[("bailiwick.toml", &soon), ("app.js", APP)]).await.unwrap();
    house.revoke("poll").await;
    house.clock.advance(Duration::from_secs(3 * 86_400));
    let restored = house.restore("poll").await.unwrap();
    assert_eq!((restored.status, restored.environments.len()), (Status::Live, 1), "{restored:?}");
    assert_eq!((restored.empty[0].env, restored.empty[0].state), (Env::Staging, AppState::Expired));
    assert_eq!(house.events("app.restore").await.pop().unwrap()["empty"][0]["state"], "expired");
    let later = text.replace("2027-01-31", "2026-12-24");
    let again = house.deploy_to(Env::Staging, &[("bailiwick.toml", &later), ("app.js", APP)]).await.unwrap();
    assert_eq!(again.status, Status::Live);

    // All that it had is past its date: it comes back as expired, and its team deploys it again.
    house.revoke("poll").await;
    house.clock.advance(Duration::from_secs(100 * 86_400));
    let restored = house.restore("poll").await.unwrap();
    assert_eq!((restored.status, restored.environments.len(), restored.empty.len()), (Status::Expired, 0, 2));
    assert_eq!(refused(house.restore("poll").await).code, "app.not_revoked");
    let later = text.replace("2027-01-31", "2027-04-24");
    assert_eq!(house.deploy(&[("bailiwick.toml", &later), ("app.js", APP)]).await.unwrap().status, Status::Live);
}

async fn a_switch_takes_what_this_node_has_not_heard_of(house: House) {
    let text = manifest("poll", "");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    let late = house.started_again().await;
    house.deploy_to(Env::Staging, &[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    let permit = house.permit(late.plan_revoke("poll", "enough").unwrap()).await.unwrap();
    assert!(late.revoke(permit).await.unwrap().recorded);
    house.follow().await;
    let cut: Vec<Env> = house.surface.cut.lock().unwrap().iter().map(|app| app.env).collect();
    assert!(cut.contains(&Env::Prod) && cut.contains(&Env::Staging), "{cut:?}");
    let permit = house.permit(ListApps { tenant: TenantId::main() }).await.unwrap();
    let environments = house.catalog.list(permit).unwrap().remove(0).environments;
    assert_eq!(environments.len(), 2);
    assert!(environments.iter().all(|one| one.state == AppState::Revoked), "{environments:?}");
}

async fn what_never_served_can_be_deployed_after_a_restore(house: House) {
    let text = manifest("poll", SENDS);
    let waits = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    assert_eq!(waits.status, Status::Waiting);
    house.revoke("poll").await;
    assert_eq!(refused(house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await).code, "app.revoked");
    let restored = house.restore("poll").await.unwrap();
    assert_eq!((restored.status, restored.waiting.len()), (Status::Waiting, 0), "{restored:?}");
    assert_eq!((restored.empty[0].env, restored.empty[0].state), (Env::Prod, AppState::Waiting));
    let again = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    assert!(again.status == Status::Waiting && again.request.is_some() && again.request != waits.request, "{again:?}");
}

const DAY: Duration = Duration::from_secs(86_400);

/// `poll`, past the only date that it had, as the system has just suspended it.
async fn suspended(house: &House) -> AppId {
    let text = manifest("poll", "").replace("2027-01-31", "2026-11-24");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    house.clock.advance(DAY * 2);
    assert_eq!(house.catalog.expire_due(&Caller::system("expiry")).await.unwrap(), 1);
    house.follow().await;
    house.app("poll").id
}

/// When it is removed, as things stand.
fn removed_from(house: &House) -> Option<Timestamp> {
    house.catalog.removals().first().map(|removal| removal.at)
}

async fn what_nobody_keeps_is_removed_at_the_end_of_its_grace(house: House) {
    let (id, system) = (suspended(&house).await, Caller::system("expiry"));
    let (began, end) = (house.clock.now(), house.clock.now().plus(GRACE));
    assert_eq!(removed_from(&house), Some(end));
    assert_eq!(house.events("app.expire").await[0]["removed_from"], end.to_string(), "its people are told of the day");
    house.clock.advance(GRACE.saturating_sub(Duration::from_millis(1)));
    assert!(house.catalog.remove(&system, &id).await.unwrap().is_none(), "not before");
    assert_eq!(state(&house, "poll").await, AppState::Expired);
    house.clock.advance(Duration::from_millis(1));
    let certificate = house.catalog.remove(&system, &id).await.unwrap().unwrap();
    house.follow().await;
    let grace = serde_json::json!({ "began_at": began, "ended_at": end });
    assert_eq!(serde_json::to_value(&certificate).unwrap()["grace"], grace);
    // As `retire` leaves it: what was deleted is told, the name stays taken, and it is done once.
    let events = house.events("app.remove").await;
    assert_eq!((events.len(), &events[0]["grace"]), (1, &grace), "{events:?}");
    assert_eq!(events[0]["deleted"], serde_json::json!(certificate.deleted));
    let rows = house.store.read("SELECT certificate FROM tombstones", &[]).await.unwrap();
    let kept: serde_json::Value = serde_json::from_str(rows[0].text(0).unwrap()).unwrap();
    assert_eq!(kept, serde_json::to_value(&certificate).unwrap());
    assert_eq!(state(&house, "poll").await, AppState::Retired);
    assert_eq!(removed_from(&house), None);
    assert!(house.catalog.remove(&system, &id).await.unwrap().is_none());
    let later = manifest("poll", "");
    assert_eq!(refused(house.deploy(&[("bailiwick.toml", &later), ("app.js", APP)]).await).code, "app.retired");
}

async fn what_serves_anywhere_or_was_switched_off_is_not_removed(house: House) {
    let (id, system) = (suspended(&house).await, Caller::system("expiry"));
    let text = manifest("poll", "");
    // In the other environment it serves, and then it is past its date there as well.
    let staging = text.replace("2027-01-31", "2026-12-10");
    house.deploy_to(Env::Staging, &[("bailiwick.toml", &staging), ("app.js", APP)]).await.unwrap();
    assert_eq!(removed_from(&house), None);
    house.clock.advance(DAY * 20);
    assert_eq!(house.catalog.expire_due(&system).await.unwrap(), 1);
    house.follow().await;
    assert_eq!(removed_from(&house), Some(house.clock.now().plus(GRACE)), "since its last environment");
    // What is off waits for a person, however long. Restored, it is past its date since then.
    house.revoke("poll").await;
    house.clock.advance(GRACE * 2);
    assert_eq!(removed_from(&house), None);
    assert!(house.catalog.remove(&system, &id).await.unwrap().is_none());
    assert_eq!(house.restore("poll").await.unwrap().status, Status::Expired);
    assert_eq!(removed_from(&house), Some(house.clock.now().plus(GRACE)));
    // Memory that has not heard of who keeps it decides nothing.
    let late = house.started_again().await;
    house.clock.advance(GRACE);
    let again = text.replace("2027-01-31", "2027-04-01");
    let again = house.deploy(&[("bailiwick.toml", &again), ("app.js", APP)]).await.unwrap();
    assert_eq!(late.removals().len(), 1);
    assert!(late.remove(&system, &id).await.unwrap().is_none());
    assert_eq!((again.status, removed_from(&house)), (Status::Live, None));
}

async fn what_waits_for_a_yes_keeps_an_app_and_a_no_is_not_its_end(house: House) {
    let (id, system) = (suspended(&house).await, Caller::system("expiry"));
    let text = manifest("poll", SENDS);
    let waits = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    assert_eq!(waits.status, Status::Waiting);
    // It could serve until the end of January.
    let serves: Timestamp = "2027-02-01T00:00:00Z".parse().unwrap();
    assert_eq!(removed_from(&house), Some(serves.plus(GRACE)));
    house.clock.advance(DAY * 40);
    assert!(house.catalog.remove(&system, &id).await.unwrap().is_none());
    house.reject(&waits.request.unwrap(), "not like that").await;
    assert_eq!(removed_from(&house), Some(house.clock.now().plus(GRACE)), "there is time to mend it");
    assert!(house.catalog.remove(&system, &id).await.unwrap().is_none());
    // What waits and could not serve any more keeps nothing.
    let soon = text.replace("2027-01-31", "2027-01-10");
    let waits = house.deploy(&[("bailiwick.toml", &soon), ("app.js", APP)]).await.unwrap();
    assert_eq!(waits.status, Status::Waiting);
    house.clock.advance(DAY * 80);
    assert!(house.catalog.remove(&system, &id).await.unwrap().is_some());
    house.follow().await;
    assert_eq!(house.catalog.waiting_request(&id).await.unwrap(), None, "its request is void");
}

async fn an_end_leaves_a_tombstone_and_its_certificate(house: House) {
    let text = manifest("poll", "[data.votes]\nretain = \"30d\"\nfields.who = { class = \"personal\" }\n");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    house.deploy_to(Env::Staging, &[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    let app = house.app("poll");
    let permit = house.permit(house.catalog.plan_retire("poll").unwrap()).await.unwrap();
    let certificate = house.catalog.retire(permit).await.unwrap();
    house.follow().await;
    assert_eq!(certificate.deleted.len(), 2, "{certificate:?}");
    let rows = house.store.read("SELECT app_id, certificate FROM tombstones", &[]).await.unwrap();
    assert_eq!((rows.len(), rows[0].text(0).unwrap()), (1, app.id.as_str()));
    let kept: serde_json::Value = serde_json::from_str(rows[0].text(1).unwrap()).unwrap();
    assert_eq!(certificate.everywhere, Some(true));
    let certificate = catalog::Retired { everywhere: None, ..certificate };
    assert_eq!(kept, serde_json::to_value(&certificate).unwrap());
    // It can be read by whoever may see the app, now and in a year.
    let (_, team) = house.catalog.find("poll").unwrap();
    let act = catalog::SeeApp { tenant: TenantId::main(), app: app.id.clone(), team };
    let (shown, _) = house.catalog.see(house.permit(act).await.unwrap()).unwrap();
    assert_eq!(shown.certificate, Some(kept));
    // Who comes by the old address is told that it is no more, also by a server that starts again.
    for catalog in [&house.catalog, &house.started_again().await] {
        assert_eq!(catalog.app_facts()[&(app.id.clone(), app.env)].state, AppState::Retired);
    }
    // The name stays taken; nothing brings it back.
    for env in Env::ALL {
        let again = house.deploy_to(env, &[("bailiwick.toml", &text), ("app.js", APP)]).await;
        assert_eq!(refused(again).code, "app.retired");
    }
    assert_eq!(refused(house.restore("poll").await).code, "app.not_revoked");
    assert_eq!(refused(house.rollback("poll", Some(1)).await).code, "app.retired");
    assert_eq!(state(&house, "poll").await, AppState::Retired);
}

both!(
    an_app_is_suspended_on_its_date_and_not_before,
    apps_of_one_date_are_all_cut_before_the_first_is_written,
    an_old_release_past_its_date_does_not_come_back,
    a_switched_off_app_is_not_deployed_on_again,
    a_switch_takes_what_this_node_has_not_heard_of,
    one_past_its_date_or_without_a_release_holds_the_others_back_in_nothing,
    what_never_served_can_be_deployed_after_a_restore,
    an_end_leaves_a_tombstone_and_its_certificate,
    what_nobody_keeps_is_removed_at_the_end_of_its_grace,
    what_serves_anywhere_or_was_switched_off_is_not_removed,
    what_waits_for_a_yes_keeps_an_app_and_a_no_is_not_its_end,
);
