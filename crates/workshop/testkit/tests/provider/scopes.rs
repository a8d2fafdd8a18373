//! What a provider is asked to tell: what people need, or what an operator named.

use super::{
    Arc, Engine, Provider, SystemClock, Town, json,
    set_up::{PAGE, answers, discovery, fields, opened, page, refused, save, trying},
};

#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_asked_for_as_they_are_named() {
    let provider = Provider::start().await;
    let town = Town::with(Engine::Sqlite, &opened(&[provider.issuer()]), Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    let scopes = |address: &str| {
        let found = address.split('&').find_map(|pair| pair.split_once("scope=")).expect("a scope").1.to_owned();
        found.replace("%20", "+").split('+').map(str::to_owned).collect::<Vec<_>>()
    };
    // This provider lists none: address and name, and no more.
    save(&town, &ola, provider.issuer(), "s3cret").await;
    assert_eq!(scopes(&trying(&town, &ola).await), ["openid", "email", "profile"]);
    let named = |named: &'static str| {
        let mut form = fields(provider.issuer(), "s3cret");
        form.push(("scopes", named));
        let (ola, url) = (&ola, format!("{}{PAGE}", town.url()));
        async move { ola.post(&url, &form).await }
    };
    assert_eq!(named("openid email groups").await.status, 200);
    assert_eq!(scopes(&trying(&town, &ola).await), ["openid", "email", "groups"]);
    let kept = town.get("/api/v1/sign-in").await.json();
    assert_eq!(kept["draft"]["scopes"], json!(["openid", "email", "groups"]), "{kept}");
    assert!(page(&town, &ola).await.contains("value=\"openid email groups\""));
    refused(&named("email gro\"ups").await, 400, "provider.scopes");
    town.stop().await;
    // One that lists `groups` is asked for it without a word.
    let lists = answers(|issuer| discovery(issuer, &json!({ "scopes_supported": ["openid", "groups"] }))).await;
    let town = Town::with(Engine::Sqlite, &opened(&[&lists]), Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    assert_eq!(save(&town, &ola, &lists, "s3cret").await.status, 200);
    assert_eq!(scopes(&trying(&town, &ola).await), ["openid", "email", "profile", "groups"]);
    town.stop().await;
}
