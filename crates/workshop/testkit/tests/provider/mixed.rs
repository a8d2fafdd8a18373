//! One issuer's answer, mixed into another's: an operator tries a hostile one while an honest one is in force. What is
//! given for the address of one kind is refused at that of the other, and an answer says whose it is where that was
//! promised.

use super::{
    Arc, Engine, Provider, Signed, SystemClock, Town, back, back_from_try, json, me, off,
    set_up::{digest, opened, press, refused, save, tried, trying},
    town,
};

/// A parameter of an address, as it stands there.
fn part<'a>(address: &'a str, name: &str) -> &'a str {
    let query = address.rsplit('?').next().unwrap();
    let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    found.unwrap_or_else(|| panic!("no {name} in {address}")).1
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_for_one_address_is_worth_nothing_at_the_other() {
    let (honest, hostile) = (Provider::start().await, Provider::start().await);
    let may = opened(&[honest.issuer(), hostile.issuer()]);
    let town = Town::with(Engine::Sqlite, &may, Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    save(&town, &ola, honest.issuer(), "s3cret").await;
    tried(&town, &honest, &ola, json!({}), Signed::ByPublishedKey).await;
    let on = press(&town, &ola, "on", &[("digest", &digest(&town).await)]).await;
    assert_eq!(on.status, 200, "{on:?}");
    assert_eq!(save(&town, &ola, hostile.issuer(), "s3cret").await.status, 200);
    let before = honest.brought();

    // Its sign-in page leads the operator on to the honest one, with what Eve's own sign-in began with.
    let eve = town.browser();
    let (begun, trial) = (off(&town, &eve).await, trying(&town, &ola).await);
    assert!(part(&begun, "redirect_uri").ends_with("back") && part(&trial, "redirect_uri").ends_with("try"));
    let mixed = begun.replace(part(&begun, "state"), part(&trial, "state"));
    honest.says(json!({ "sub": "ola-there", "email": "olive@example.test" }), Signed::ByPublishedKey);
    refused(&back(&town, &ola, &honest.approve(&mixed)).await, 403, "provider.refused");
    assert_eq!((honest.brought(), hostile.brought()), (before, vec![]), "no code went anywhere");

    // Given for the address of tries, which is registered there too, the hostile one is brought it: it signs nobody in.
    let mixed = mixed.replace(part(&begun, "redirect_uri"), part(&trial, "redirect_uri"));
    let query = honest.approve(&mixed);
    refused(&back_from_try(&town, &ola, &query).await, 403, "provider.try_failed");
    let code = part(&query, "code");
    assert_eq!(hostile.brought(), [code]);
    let stolen = format!("code={code}&state={}", part(&begun, "state"));
    refused(&back(&town, &eve, &stolen).await, 403, "provider.refused");
    assert_eq!(me(&town, &eve).await.status, 401);

    // Nor does a sign-in come back as a try; where it belongs it is as good as before.
    let zoe = town.browser();
    let query = honest.approve(&off(&town, &zoe).await);
    let before = honest.brought();
    refused(&back_from_try(&town, &zoe, &query).await, 403, "provider.refused");
    assert_eq!((honest.brought(), me(&town, &zoe).await.status), (before, 401));
    let home = back(&town, &zoe, &query).await;
    assert!(home.status == 200 && home.text().contains("olive@example.test"), "{home:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_whose_it_is_where_that_was_promised() {
    let provider = Provider::start().await;
    provider.promises();
    provider.says(json!({}), Signed::ByPublishedKey);
    let in_force = town(&provider).await;
    let ana = in_force.browser();
    let query = provider.approve(&off(&in_force, &ana).await);
    for more in ["", "&iss=", "&iss=https://evil.example"] {
        refused(&back(&in_force, &ana, &format!("{query}{more}")).await, 403, "provider.refused");
    }
    assert_eq!((provider.brought(), me(&in_force, &ana).await.status), (vec![], 401));
    let home = back(&in_force, &ana, &format!("{query}&iss={}", provider.issuer())).await;
    assert!(home.status == 200 && home.text().contains("ana@example.test"), "{home:?}");
    in_force.stop().await;

    // An operator who tries it is told what is missing.
    let town = Town::with(Engine::Sqlite, &opened(&[provider.issuer()]), Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    save(&town, &ola, provider.issuer(), "s3cret").await;
    let before = provider.brought();
    let told = back_from_try(&town, &ola, &provider.approve(&trying(&town, &ola).await)).await;
    refused(&told, 403, "provider.try_failed");
    assert!(told.text().contains("does not say whose it is"), "{told:?}");
    assert_eq!(provider.brought(), before);
    let query = provider.approve(&trying(&town, &ola).await);
    let worked = back_from_try(&town, &ola, &format!("{query}&iss={}", provider.issuer())).await;
    assert!(worked.text().contains("It works"), "{worked:?}");
    town.stop().await;
}
