//! Putting, seeing, rotating and revoking entries.

use crate::{both, house::*};
use model::{Env, Group, SecretId, TenantId};
use vault::{
    ListSecrets, Owner, PutSecret, RevokeSecret, RotateSecret, SecretState, SecretString, SecretView, Sensitivity,
};

both! {
    an_entry_is_shown_without_its_value
    what_is_missing_or_wrong_is_refused
    hosts_and_position_make_a_version
    rotating_keeps_the_version
    an_id_belongs_to_one_app
    an_id_is_kept_for_the_app_that_is_named
    a_revoked_secret_is_gone
    what_is_no_id_is_refused_before_it_is_noted_anywhere
}

fn list(id: Option<&str>) -> ListSecrets {
    ListSecrets { tenant: TenantId::main(), id: id.map(SecretId::new) }
}

fn rotate(value: &str) -> RotateSecret {
    RotateSecret { tenant: TenantId::main(), id: SecretId::new(ID), env: Env::Prod, value: SecretString::from(value) }
}

async fn one(house: &House) -> SecretView {
    house.vault.show(house.permit(list(Some(ID)))).await.unwrap().remove(0)
}

async fn an_entry_is_shown_without_its_value(kind: Kind) {
    let house = House::new(kind).await;
    let put_view = house.put(PutSecret { sensitivity: Some(Sensitivity::Critical), ..put() }).await.unwrap();
    house.put(PutSecret { env: Env::Staging, attach: Some("header:X-Api-Key".to_owned()), ..put() }).await.unwrap();
    let all = house.vault.list(house.permit(list(None))).await.unwrap();
    assert_eq!(all.len(), 2);
    let prod = all.iter().find(|view| view.env == Env::Prod).unwrap();
    // Whether it replaced one is said by the putting alone.
    assert_eq!((put_view.replaced, prod.replaced), (Some(false), None));
    assert_eq!(*prod, SecretView { replaced: None, ..put_view });
    assert_eq!(
        (prod.owner.to_string().as_str(), prod.attach.as_str(), prod.version),
        ("group:people-ops", "bearer", 1)
    );
    assert_eq!(prod.expires_at, "2027-02-02T00:00:00Z".parse().unwrap());
    assert_eq!(
        (prod.state, prod.bound, prod.app.as_deref(), prod.last_used),
        (SecretState::Unbound, false, None, None)
    );
    assert_eq!(prod.sensitivity, Sensitivity::Critical);
    assert!(!serde_json::to_string(&all).unwrap().contains("canary"));
    let none = house.vault.show(house.permit(list(Some("people-ops/nothing")))).await.unwrap_err();
    assert_eq!(refused(none).code, "secret.unknown");
}

fn with(spoil: impl FnOnce(&mut PutSecret)) -> PutSecret {
    let mut act = put();
    spoil(&mut act);
    act
}

/// Entries with one mistake each, and its code.
fn mistakes() -> Vec<(PutSecret, &'static str)> {
    let nobody = Owner::Group(Group::new(""));
    let mut all = vec![
        (with(|act| act.purpose = "  ".into()), "secret.incomplete"),
        (with(|act| act.owner = nobody), "secret.incomplete"),
        (with(|act| act.hosts.clear()), "secret.incomplete"),
        (with(|act| act.app = Some("Not An App".into())), "secret.app"),
    ];
    for day in ["2026-11-22", "2027-11-25"] {
        let expires = day.parse().unwrap();
        all.push((with(|act| act.expires = expires), "secret.expiry"));
    }
    for id in "slack-bot people-ops/ people-ops/a/b People/bot /bot a--b/bot".split(' ') {
        all.push((with(|act| act.id = SecretId::new(id)), "secret.id"));
    }
    for host in ["*.slack.com", "https://slack.com"] {
        let hosts = vec![host.to_owned()];
        all.push((with(|act| act.hosts = hosts), "secret.host"));
    }
    let places = "cookie:x header: header:Host header:content_length header:bailiwick-x query:a&b";
    for place in places.split(' ') {
        let attach = Some(place.to_owned());
        all.push((with(|act| act.attach = attach), "secret.attach"));
    }
    let long = "x".repeat(vault::VALUE_BYTES_MAX + 1);
    let values = "|1234567|line\nbreak-key|with space and more|ümlaut-value|is-redacted-here";
    for value in values.split('|').chain([long.as_str()]) {
        let value = SecretString::from(value);
        all.push((with(|act| act.value = value), "secret.value"));
    }
    all
}

async fn what_is_missing_or_wrong_is_refused(kind: Kind) {
    let house = House::new(kind).await;
    for (act, code) in mistakes() {
        let shown = format!("{act:?}");
        let problem = refused(house.put(act).await.unwrap_err());
        assert_eq!(problem.code, code, "{problem} {shown}");
        assert!(!problem.to_string().contains("canary") && !problem.fix.is_empty());
    }
    assert!(house.vault.list(house.permit(list(None))).await.unwrap().is_empty());
    let (attach, value) = (Some("header:X-Key".to_owned()), SecretString::from("with space in it"));
    house.put(PutSecret { attach, value, ..put() }).await.unwrap();
    let most = SecretString::from("x".repeat(vault::VALUE_BYTES_MAX));
    house.put(PutSecret { value: most, ..put() }).await.unwrap();
}

async fn hosts_and_position_make_a_version(kind: Kind) {
    let house = House::ready(kind).await;
    assert_eq!((one(&house).await.state, one(&house).await.app.as_deref()), (SecretState::Ready, Some("poll-notify")));
    assert_eq!(house.vault.versions(&poll())[&SecretId::new(ID)], 1);
    let view = house.put(PutSecret { purpose: "Something else".to_owned(), ..put() }).await.unwrap();
    assert_eq!((view.version, view.state), (1, SecretState::Ready));
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    let view = house
        .put(PutSecret { hosts: vec!["slack.com".to_owned(), "other.example".to_owned()], ..put() })
        .await
        .unwrap();
    assert_eq!((view.version, view.state), (2, SecretState::Changed));
    assert_eq!(house.send(&running, &placeholder).await.unwrap_err().code, "secret.changed");
    let now = house.vault.versions_now(&manifest("poll-notify", ID), Env::Prod).await.unwrap();
    assert_eq!((now[&SecretId::new(ID)], house.vault.versions(&poll())[&SecretId::new(ID)]), (2, 1));
    house.open(&poll(), &manifest("poll-notify", ID), 1).await.unwrap();
    assert_eq!(one(&house).await.state, SecretState::Ready);
    house.send(&running, &placeholder).await.unwrap();
    let view = house.put(PutSecret { attach: Some("basic".to_owned()), ..put() }).await.unwrap();
    assert_eq!((view.version, view.state), (3, SecretState::Changed));
}

async fn rotating_keeps_the_version(kind: Kind) {
    let house = House::ready(kind).await;
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    assert_eq!(house.send(&running, &placeholder).await.unwrap(), format!("Bearer {VALUE}"));
    let view = house.vault.rotate(house.permit(rotate("xoxb-second-value"))).await.unwrap();
    assert_eq!((view.version, view.state), (1, SecretState::Ready));
    assert_eq!(house.send(&running, &placeholder).await.unwrap(), "Bearer xoxb-second-value");
    let problem = refused(house.vault.rotate(house.permit(rotate("short"))).await.unwrap_err());
    assert_eq!(problem.code, "secret.value");
    let unknown = RotateSecret { env: Env::Staging, ..rotate("xoxb-third-value") };
    assert_eq!(refused(house.vault.rotate(house.permit(unknown)).await.unwrap_err()).code, "secret.unknown");
}

async fn an_id_belongs_to_one_app(kind: Kind) {
    let house = House::ready(kind).await;
    let other = app("0190other");
    let error = house.open(&other, &manifest("other", ID), 1).await.unwrap_err();
    let authority::SurfaceError::Refused(problem) = error else { panic!("{error}") };
    assert_eq!(problem.code, "secret.shared");
    assert!(problem.what.contains("`poll-notify`") && problem.at.unwrap().starts_with("bailiwick.toml:"));
    let error = house.open(&other, &manifest("other", "finance/slack-bot"), 1).await.unwrap_err();
    let authority::SurfaceError::Refused(problem) = error else { panic!("{error}") };
    assert_eq!(problem.code, "secret.not_granted");
    let asked = PutSecret { app: Some("other".to_owned()), ..put() };
    assert_eq!(refused(house.put(asked).await.unwrap_err()).code, "secret.shared");
    assert!(house.vault.placeholders(&instance("i-2", &other)).is_empty());
}

async fn an_id_is_kept_for_the_app_that_is_named(kind: Kind) {
    let house = House::new(kind).await;
    let view = house.put(PutSecret { app: Some("poll-notify".to_owned()), ..put() }).await.unwrap();
    assert_eq!((view.app.as_deref(), view.bound), (Some("poll-notify"), false));
    let error = house.open(&app("0190other"), &manifest("other", ID), 1).await.unwrap_err();
    let authority::SurfaceError::Refused(problem) = error else { panic!("{error}") };
    assert_eq!(problem.code, "secret.shared");
    house.open(&poll(), &manifest("poll-notify", ID), 1).await.unwrap();
    assert!(one(&house).await.bound);
}

async fn a_revoked_secret_is_gone(kind: Kind) {
    let house = House::ready(kind).await;
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    house.send(&running, &placeholder).await.unwrap();
    let revoke = || RevokeSecret {
        tenant: TenantId::main(),
        id: SecretId::new(ID),
        env: Env::Prod,
        why: "it leaked".to_owned(),
    };
    for _ in 0..2 {
        let revoked = house.vault.revoke(house.permit(revoke())).await.unwrap();
        assert_eq!(revoked.recorded, store::Recorded::InDatabase);
        assert_eq!(revoked.secret.unwrap().state, SecretState::Revoked);
    }
    let problem = house.send(&running, &placeholder).await.unwrap_err();
    assert_eq!(problem.code, "secret.revoked");
    assert_eq!(
        refused(house.vault.rotate(house.permit(rotate("xoxb-second-value"))).await.unwrap_err()).code,
        "secret.revoked"
    );
    let started = house.again().await;
    let placeholder_there = started.placeholders(&running)["SLACK_TOKEN"].clone();
    let mut parts = head("https://slack.com/api/x", &[("authorization", &format!("Bearer {placeholder_there}"))]);
    assert_eq!(started.attach(&running, &SLACK, &mut parts).await.unwrap_err().code, "secret.revoked");
    // Putting it again is a new value, under what was approved.
    assert_eq!(house.put(put()).await.unwrap().state, SecretState::Ready);
    house.send(&running, &placeholder).await.unwrap();
    let unknown = RevokeSecret { env: Env::Staging, ..revoke() };
    assert_eq!(refused(house.vault.revoke(house.permit(unknown)).await.unwrap_err()).code, "secret.unknown");
}

async fn what_is_no_id_is_refused_before_it_is_noted_anywhere(kind: Kind) {
    let house = House::new(kind).await;
    for id in ["people-ops/\0", "people-ops/Slack Bot", "people-ops"] {
        let shown = house.vault.show(house.permit(list(Some(id)))).await.unwrap_err();
        let turn = RotateSecret { id: SecretId::new(id), ..rotate("xoxb-second-value") };
        let turned = house.vault.rotate(house.permit(turn)).await.unwrap_err();
        let (id, why) = (SecretId::new(id), String::new());
        let revoke = RevokeSecret { tenant: TenantId::main(), id, env: Env::Prod, why };
        let revoked = house.vault.revoke(house.permit(revoke)).await.unwrap_err();
        for problem in [shown, turned, revoked].map(refused) {
            assert_eq!((problem.code.as_str(), problem.status()), ("secret.id", 400), "{problem}");
        }
    }
    // No cut stands that no row could take.
    assert!(house.store.standing().is_empty());
}
