//! From live to its end: expiry on the date, a switch that no deploy undoes, a certificate that stays.

use crate::house::{APP, House, manifest, refused};
use crate::waivers::SENDS;
use authority::{AppState, Caller};
use catalog::{ListApps, Status};
use model::{Env, TenantId};
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
);
