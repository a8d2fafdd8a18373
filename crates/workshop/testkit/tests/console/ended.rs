//! The one act that cannot be undone asks for as much as those that can.

use testkit::{Engine, Form, Passkey, Town};

#[tokio::test(flavor = "multi_thread")]
async fn a_link_alone_ends_no_app() {
    let town = Town::start(Engine::Sqlite).await;
    town.deploy_template("lunch", "tinypoll").await;
    town.deploy_template("rooms", "tinypoll").await;
    let bea = town.person("bea@example.test", &["builders", "people-ops", "staff"]).await;
    // Switching off, which can be taken back, needs no more than the link.
    let off = bea.post(&format!("{}/switch", town.url()), &[("app", "rooms"), ("why", "a test")]).await;
    assert_eq!(off.status, 303, "{off:?}");
    let asked = bea.post(&format!("{}/apps/lunch/retire", town.url()), &[("name", "lunch")]).await;
    assert!(asked.status == 403 && asked.text().contains("Confirm that it is you"), "{asked:?}");
    assert_eq!(bea.open(&format!("{}/", town.app("lunch"))).await.status, 200, "nothing was done");
    // The page carries the form along: confirmed, it goes on as it was sent.
    let form = Form::of(&asked.text());
    let (_passkey, answer) = Passkey::make(&form.options, &town.url());
    let ended = bea.submit(&format!("{}{}", town.url(), form.action), &form.filled(&answer)).await;
    assert!(ended.status == 200 && ended.text().contains("is ended for good"), "{ended:?}");
    let events = town.events("app.retire").await;
    let of = |outcome: &str| events.iter().filter(|event| event["outcome"] == outcome).count();
    assert_eq!((of("denied"), of("allowed")), (1, 1), "{events:?}");
    town.stop().await;
}
