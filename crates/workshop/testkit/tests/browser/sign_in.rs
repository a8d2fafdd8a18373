//! Single sign-on, from pasting the issuer to somebody's sign-in, in a real browser against a real provider; by keyboard
//! and without script but the passkey's.

use super::{Chromium, Engine, Light, Screen, Town, arrives, axe, judged, node, screens};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A paste, a try and a login take a person less.
const WITHIN: Duration = Duration::from_secs(120);

/// The page's words, once they hold these.
pub(crate) async fn reads(browser: &Chromium, words: &str) -> String {
    const TEXT: &str = "return document.readyState === 'complete' && document.body ? document.body.innerText : ''";
    let reading = async {
        loop {
            let text = browser.ask(TEXT).await;
            if let Some(text) = text.as_str().filter(|text| text.contains(words)) {
                return text.to_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(30), reading).await {
        Ok(text) => text,
        Err(_) => panic!("never {words:?} on {}", browser.ask(TEXT).await),
    }
}

/// The page as it is, on each screen and by each light.
pub(crate) async fn everywhere(browser: &Chromium, axe: &str, name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for screen in Screen::ALL {
        for light in Light::ALL {
            browser.look(screen, light).await;
            let file = format!("operator-{name}-{screen:?}-{light:?}.png").to_lowercase();
            browser.photograph(&screens().join(file)).await;
            let found = judged(browser, axe).await;
            wrong.extend(found.into_iter().map(|line| format!("{name} {screen:?} {light:?}: {line}")));
        }
    }
    wrong
}

/// Pastes what the provider gave, by keyboard, and sends it.
async fn pastes(browser: &Chromium, page: &str, issuer: &str, secret: &str) {
    browser.go(page).await;
    browser.run("const f = document.getElementById('f-issuer'); f.focus(); f.select()").await;
    browser.keys(&format!("{issuer}\u{e004}bailiwick\u{e004}{secret}\u{e007}")).await;
    reads(browser, "Single sign-on is set up, not on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pasted_tried_and_signed_in() {
    let (port, axe) = (testkit::free_port(), axe());
    let opened = format!("[broker]\nprivate = [\"127.0.0.1:{port}\"]\n");
    let town = Town::with(Engine::Sqlite, &opened, Arc::new(model::SystemClock)).await;
    let _provider = node::start(port, &town.url());
    let browser = Chromium::start().await;
    browser.authenticator().await;
    let added =
        town.post("/api/v1/people", json!({ "email": "ola@example.test", "groups": ["operators"] })).await.json();
    browser.go(added["link"].as_str().unwrap()).await;
    browser.click("main button").await;
    arrives(&browser, "/me/passkeys/new").await;
    browser.click("main form button").await;
    reads(&browser, "My apps").await;

    let (page, issuer) = (format!("{}/people/sign-in", town.url()), format!("http://localhost:{port}"));
    pastes(&browser, &page, &issuer, "a mistyped secret").await;
    browser.go(&page).await;
    let mut wrong = everywhere(&browser, &axe, "sign-in-set-up").await;
    browser.click("form[action$='/try'] button").await;
    let text = reads(&browser, "The try did not work").await;
    assert!(text.contains("invalid_client"), "{text}");

    let began = Instant::now();
    pastes(&browser, &page, &issuer, "a secret of the test alone").await;
    browser.go(&page).await;
    browser.click("form[action$='/try'] button").await;
    let text = reads(&browser, "It works").await;
    for words in ["zoe@example.test", "ops", "amr: mfa", "yes: it counts as a second factor here"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    wrong.extend(everywhere(&browser, &axe, "sign-in-tried").await);
    browser.click("form[action$='/on'] button").await;
    reads(&browser, "Single sign-on is on").await;
    let zoe = Chromium::start().await;
    zoe.go(&format!("{}/sign-in", town.url())).await;
    zoe.click("a.button").await;
    reads(&zoe, "zoe@example.test").await;
    assert!(began.elapsed() < WITHIN, "it took {:?}", began.elapsed());
    browser.go(&page).await;
    wrong.extend(everywhere(&browser, &axe, "sign-in-on").await);
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    super::town_stops(town).await;
}
