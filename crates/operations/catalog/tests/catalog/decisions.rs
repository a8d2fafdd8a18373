//! Decisions: what an approval binds to, and that today's policy is asked whatever would bring a release to life.

use crate::house::{APP, House, SHIPPED, manifest, refused};
use catalog::{Error, Status};
use model::{Env, SecretId};
use store::StoreError;

const CONNECT: &str = "[secrets.BOT]\nid = \"staff/bot\"\n[connect.chat]\nhost = \"chat.example\"\nmethods = [\"POST\"]\npaths = [\"/say\"]\nsecret = \"BOT\"\nwhy = \"Says it\"\n";

/// Refuses apps that keep anything about people.
fn stricter() -> String {
    format!(
        "{SHIPPED}\ndeny contains refusal if {{\n\tsome manifest in asked\n\tcount(manifest.data) > 0\n\trefusal := \
         {{\"code\": \"own.data\", \"why\": \"no app keeps data any more\", \"fix\": \"keep none\"}}\n}}\n"
    )
}

const DATA: &str = "[data.votes]\nretain = \"30d\"\nfields.who = { class = \"personal\" }\n";

async fn one_changed_byte_or_scope_voids_a_yes(house: House) {
    let text = manifest("poll", CONNECT);
    let first = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    assert_eq!((first.status, first.tier.unwrap().as_str()), (Status::Waiting, "medium"));
    let request = first.request.unwrap();
    let live = house.approve(&request).await.unwrap();
    assert_eq!((live.status, live.release.unwrap().0), (Status::Live, 1));
    assert_eq!(refused(house.approve(&request).await).code, "request.decided");

    // The same again needs nobody.
    let same = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    assert_eq!((same.status, same.release.unwrap().0), (Status::Live, 1));

    // One byte of code; one method more; one field; a comment in the manifest.
    let wider = text.replace("[\"POST\"]", "[\"POST\", \"PUT\"]");
    let commented = format!("{text}# more\n");
    for (text, code) in [(&text, &format!("{APP} ")[..]), (&wider, APP), (&commented, APP)] {
        let changed = house.deploy(&[("bailiwick.toml", text), ("app.js", code)]).await.unwrap();
        assert_eq!(changed.status, Status::Waiting, "{text}");
        // The old release goes on serving.
        let serving = house.catalog.serving();
        assert_eq!(serving, [house.app("poll")]);
        let live = house.catalog.releases(&house.app("poll").id).await.unwrap();
        assert!(live.iter().any(|release| release.live && release.release.0 == 1), "{live:?}");
        // A newer request took the place of the one before.
        assert_ne!(changed.request.unwrap(), request);
    }
    // Another environment is another yes.
    let staging = house.deploy_to(Env::Staging, &[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    assert_eq!(staging.status, Status::Waiting);
}

async fn a_request_is_for_what_it_was_compared_with(house: House) {
    let version = |version| {
        house.secrets.0.lock().unwrap().insert(SecretId::new("staff/bot"), version);
    };
    let text = manifest("poll", CONNECT);
    let first = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    // Nothing was put when it was asked for: the first value is what was meant.
    version(1);
    house.approve(&first.request.unwrap()).await.unwrap();
    assert_eq!(house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap().status, Status::Live);
    // Bound to another host between the request and the yes.
    let other = format!("{APP} ");
    let second = house.deploy(&[("bailiwick.toml", &text), ("app.js", &other)]).await.unwrap().request.unwrap();
    version(2);
    assert_eq!(refused(house.approve(&second).await).code, "request.stale");
    // What serves was approved with another secret: deploying or restoring it asks anew.
    let again = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    assert_eq!(again.status, Status::Waiting);
    house.revoke("poll").await;
    let restored = house.restore("poll").await.unwrap();
    assert_eq!((restored.status, restored.environments.len(), restored.waiting.len()), (Status::Waiting, 0, 1));
}

async fn a_request_for_what_serves_no_more_is_stale(house: House) {
    let text = manifest("poll", CONNECT);
    let first = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap().request.unwrap();
    house.approve(&first).await.unwrap();
    let wider = text.replace("[\"POST\"]", "[\"POST\", \"PUT\"]");
    let second = house.deploy(&[("bailiwick.toml", &wider), ("app.js", APP)]).await.unwrap().request.unwrap();
    house.approve(&second).await.unwrap();
    let third = house.deploy(&[("bailiwick.toml", &text), ("app.js", &format!("{APP} "))]).await.unwrap();
    // Meanwhile the first serves again: what the third was compared with does not serve any more.
    assert_eq!(house.rollback("poll", Some(1)).await.unwrap().status, Status::Live);
    assert_eq!(refused(house.approve(&third.request.unwrap()).await).code, "request.stale");
}

async fn only_what_a_person_can_decide_waits(house: House) {
    let text = manifest("poll", CONNECT);
    let first = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap().request.unwrap();
    let app = async || {
        let permit = house.permit(catalog::ListApps { tenant: model::TenantId::main() }).await.unwrap();
        house.catalog.list(permit).unwrap().remove(0)
    };
    let env = async || {
        let env = app().await.environments.remove(0);
        (env.word, env.request)
    };
    let back = async || house.catalog.sent_back(&app().await).await.unwrap();
    assert_eq!(env().await, ("waiting", Some(first.clone())));
    let asked = app().await;
    let tier = asked.environments[0].tier;
    assert!(tier == Some(model::Tier::Medium) && asked.purpose.is_some(), "what waits says what it is: {asked:?}");
    assert!(back().await.is_none());
    house.reject(&first, "name the channel").await;
    assert_eq!(env().await, ("rejected", None));
    let said = back().await.unwrap();
    assert_eq!((said.request, said.release.0, said.why.as_deref()), (first, 1, Some("name the channel")));
    // A node that starts now reads the same.
    let again = house.started_again().await;
    let permit = house.permit(catalog::ListApps { tenant: model::TenantId::main() }).await.unwrap();
    assert_eq!(again.list(permit).unwrap()[0].environments[0].word, "rejected");
    let second = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap().request.unwrap();
    assert_eq!(env().await, ("waiting", Some(second.clone())));
    house.approve(&second).await.unwrap();
    assert_eq!(env().await, ("live", None));
    assert!(back().await.is_none());
    let wider = text.replace("[\"POST\"]", "[\"POST\", \"PUT\"]");
    let third = house.deploy(&[("bailiwick.toml", &wider), ("app.js", APP)]).await.unwrap().request.unwrap();
    assert_eq!(env().await, ("live", Some(third.clone())));
    // What serves goes on, and what was asked for came back.
    house.reject(&third, "not that much").await;
    assert_eq!((env().await, back().await.unwrap().release.0), (("live", None), 2));
    house
        .deploy(&[("bailiwick.toml", &text), ("app.js", "export default { fetch: () => new Response(2) };")])
        .await
        .unwrap();
    assert!(back().await.is_none());
}

async fn policy_is_asked_at_every_way_to_live(house: House) {
    let plain = manifest("poll", "");
    let keeps = manifest("poll", DATA);
    assert_eq!(house.deploy(&[("bailiwick.toml", &keeps), ("app.js", APP)]).await.unwrap().status, Status::Live);
    assert_eq!(house.deploy(&[("bailiwick.toml", &plain), ("app.js", APP)]).await.unwrap().status, Status::Live);
    let asks = manifest("asks", &format!("{DATA}{CONNECT}"));
    let waits = house.deploy(&[("bailiwick.toml", &asks), ("app.js", APP)]).await.unwrap();
    assert_eq!(house.rollback("poll", None).await.unwrap().release.unwrap().0, 1);

    house.set_policy(&stricter());
    let denied = refused(house.deploy(&[("bailiwick.toml", &keeps), ("app.js", APP)]).await);
    assert_eq!(denied.code, "own.data");
    assert_eq!(refused(house.approve(&waits.request.unwrap()).await).code, "own.data");
    house.revoke("poll").await;
    assert_eq!(refused(house.restore("poll").await).code, "own.data");
    house.set_policy(SHIPPED);
    house.restore("poll").await.unwrap();
    assert_eq!(house.deploy(&[("bailiwick.toml", &plain), ("app.js", APP)]).await.unwrap().release.unwrap().0, 2);
    house.set_policy(&stricter());
    assert_eq!(refused(house.rollback("poll", Some(1)).await).code, "own.data");
    // What keeps nothing is restored: policy judges what would serve.
    house.revoke("poll").await;
    house.restore("poll").await.unwrap();
}

/// Its other environment was switched off after the restore was planned, and before it was permitted.
async fn a_restore_opens_nothing_that_it_was_not_judged_on(house: House) {
    let version = |version| {
        house.secrets.0.lock().unwrap().insert(SecretId::new("staff/bot"), version);
    };
    let (keeps, calls) = (manifest("poll", DATA), manifest("poll", CONNECT));
    version(1);
    house.deploy(&[("bailiwick.toml", &keeps), ("app.js", APP)]).await.unwrap();
    let waits = house.deploy_to(Env::Staging, &[("bailiwick.toml", &calls), ("app.js", APP)]).await.unwrap();
    house.approve(&waits.request.unwrap()).await.unwrap();
    house.revoke("poll").await;
    // The yes to one of them holds no more: it stays off, and the other serves.
    version(2);
    let restored = house.restore("poll").await.unwrap();
    assert_eq!((restored.environments[0].env, restored.waiting[0].env), (Env::Prod, Env::Staging), "{restored:?}");

    let planned = house.catalog.plan_restore(None, "poll", "again").await.unwrap();
    house.revoke("poll").await;
    house.set_policy(&stricter());
    let moved = house.catalog.restore(house.permit(planned).await.unwrap()).await;
    assert!(matches!(moved, Err(Error::Store(StoreError::Moved { .. }))), "{moved:?}");
    assert!(house.catalog.serving().is_empty());
    assert_eq!(refused(house.restore("poll").await).code, "own.data", "asked again, policy sees what would serve");
}

async fn the_shipped_rules_hold_at_a_rollback_too(house: House) {
    let long = manifest("poll", &DATA.replace("30d", "400d"));
    let denied = refused(house.deploy(&[("bailiwick.toml", &long), ("app.js", APP)]).await);
    assert_eq!(denied.code, "policy.retention");
    house.set_policy("package bailiwick\nimport rego.v1\ndeny contains x if { input.never; x := {} }\n");
    let waits = house.deploy(&[("bailiwick.toml", &long), ("app.js", APP)]).await.unwrap().request.unwrap();
    house.approve(&waits).await.unwrap();
    let short = manifest("poll", DATA);
    house.deploy(&[("bailiwick.toml", &short), ("app.js", APP)]).await.unwrap();
    house.set_policy(SHIPPED);
    assert_eq!(refused(house.rollback("poll", None).await).code, "policy.retention");
    assert_eq!(refused(house.rollback("poll", Some(9)).await).code, "release.unknown");
    assert_eq!(refused(house.rollback("nobody", None).await).code, "app.unknown");
}

async fn a_lowered_class_is_a_widening(house: House) {
    let text = manifest("poll", &format!("{CONNECT}{DATA}"));
    let first = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    house.approve(&first.request.unwrap()).await.unwrap();
    let lower = text.replace("fields.who = { class = \"personal\" }", "fields.who = { class = \"internal\" }");
    let second = house.deploy(&[("bailiwick.toml", &lower), ("app.js", APP)]).await.unwrap();
    assert_eq!(second.status, Status::Waiting);
    let act = catalog::ListRequests { tenant: model::TenantId::main() };
    let permit = house.permit(act).await.unwrap();
    let requests = house.catalog.requests_page(permit, "waiting", None, None, 10).await.unwrap();
    assert_eq!(requests.len(), 1);
    let widens = requests[0].changes.iter().filter(|change| change.kind.gives_more()).map(|change| &change.text);
    let widens: Vec<_> = widens.collect();
    assert!(widens.iter().any(|text| text.contains("who") || text.contains("votes")), "{:?}", requests[0].changes);
}

both!(
    one_changed_byte_or_scope_voids_a_yes,
    a_request_is_for_what_it_was_compared_with,
    a_request_for_what_serves_no_more_is_stale,
    only_what_a_person_can_decide_waits,
    policy_is_asked_at_every_way_to_live,
    a_restore_opens_nothing_that_it_was_not_judged_on,
    the_shipped_rules_hold_at_a_rollback_too,
    a_lowered_class_is_a_widening,
);
