//! Signing in as a person does it: in a real browser, with an authenticator, by keyboard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, ManualClock, SystemClock};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use testkit::{Chrome, Engine, Town};

/// An app of files, with one folder that needs a second factor.
fn manifest() -> String {
    let expires = SystemClock.now().plus(Duration::from_secs(80 * 86_400)).to_string();
    format!(
        "[app]\nname = \"papers\"\nteam = \"people-ops\"\npurpose = \"Shows papers to colleagues\"\nexpires = \"{}\"\nclass = \"internal\"\n[runtime]\nprofile = \"static\"\nmain = \"public/index.html\"\nassets = \"public\"\n[access]\nuse = [\"everyone\"]\nmfa = [\"/export/**\"]\n",
        &expires[..10]
    )
}

/// Keeps a picture where the run's artifacts are, to be looked at.
async fn keep(chrome: &Chrome, name: &str) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), chrome.picture().await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_confirms_and_goes_on() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await;
    let toml = manifest();
    let files = [
        ("bailiwick.toml", toml.as_str()),
        ("public/index.html", "<!doctype html><title>papers</title><p>All papers</p>"),
        ("public/export/all.html", "<!doctype html><title>export</title><p>Every paper at once</p>"),
    ];
    let deployed = town.deploy(&files).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let added = town.post("/api/v1/people", json!({ "email": "ana@example.test", "groups": ["staff"] })).await;
    let link = added.json()["link"].as_str().unwrap().to_owned();

    let chrome = Chrome::start(1280, 900).await;
    chrome.authenticator().await;
    chrome.open(&link).await;
    chrome.sees("Sign in as ana@example.test").await;
    chrome.press("Sign in").await;
    chrome.sees("Sign in by a touch from now on?").await;
    keep(&chrome, "offer").await;
    chrome.press("Make a passkey").await;
    chrome.sees("My apps").await;
    chrome.open(&format!("{}/me", town.url())).await;
    let text = chrome.sees("Where I am signed in").await;
    assert!(text.contains("confirmed with a second factor"), "{text}");
    keep(&chrome, "me").await;

    // Signed out, and in again by the passkey alone, on the way to an app.
    chrome.script("document.querySelector('details.menu').open = true").await;
    chrome.press("Sign out").await;
    chrome.sees("You are not signed in").await;
    keep(&chrome, "signed-out").await;
    chrome.open(&format!("{}/", town.app("papers"))).await;
    chrome.sees("Sign in to use papers").await;
    chrome.press("Sign in with a passkey").await;
    chrome.sees("All papers").await;

    // A part of the app that asks for a second factor asks in place, and goes on; for ten minutes it asks no more.
    let export = format!("{}/export/all.html", town.app("papers"));
    chrome.open(&export).await;
    chrome.sees("Every paper at once").await;
    clock.advance(Duration::from_secs(601));
    for _ in 0..2 {
        chrome.open(&export).await;
        chrome.sees("Confirm that it is you").await;
        keep(&chrome, "app-confirm").await;
        chrome.press("Confirm and go on").await;
        chrome.sees("Every paper at once").await;
        clock.advance(Duration::from_secs(590));
        chrome.open(&export).await;
        chrome.sees("Every paper at once").await;
        clock.advance(Duration::from_secs(11));
    }

    // An act that needs a fresh one asks in place, and goes on.
    chrome.open(&format!("{}/me", town.url())).await;
    chrome.press("Remove").await;
    chrome.sees("Confirm that it is you").await;
    keep(&chrome, "confirm").await;
    chrome.press("Confirm and go on").await;
    let text = chrome.sees("You have none").await;
    assert!(text.contains("Where I am signed in"), "{text}");
    chrome.stop().await;
    town.stop().await;
}
