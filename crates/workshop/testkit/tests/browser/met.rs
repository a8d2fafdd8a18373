//! What people meet besides the places of the console: signing in, confirming, a terminal's code, lists of a house where
//! nothing is yet, and the gateway's plain pages at an app's host. Each by its words, on every screen, judged like any page.

use super::{
    Chromium, Engine, Town, axe,
    sign_in::{everywhere, reads},
    town_stops,
};
use serde_json::json;
use testkit::manifest;

const OLA: &str = "ola@example.test";
const HELLO: &str = "export default { fetch: () => new Response('hello') };";

/// What is wrong with the pages that were met so far.
struct Met<'a> {
    browser: &'a Chromium,
    axe: &'a str,
    wrong: Vec<String>,
}

impl Met<'_> {
    /// The page that comes now, once these words stand there.
    async fn look(&mut self, name: &str, words: &str) {
        reads(self.browser, words).await;
        let found = everywhere(self.browser, self.axe, name).await;
        self.wrong.extend(found);
    }

    async fn at(&mut self, name: &str, url: &str, words: &str) {
        self.browser.go(url).await;
        self.look(name, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_meet_besides_the_console() {
    let (town, axe) = (Town::start(Engine::Sqlite).await, axe());
    let browser = Chromium::start().await;
    let mut met = Met { browser: &browser, axe: &axe, wrong: Vec::new() };
    signs_in(&town, &mut met).await;
    nothing_is_there_yet(&town, &mut met).await;
    proves_more(&town, &mut met).await;
    at_an_apps_host(&town, &mut met).await;
    let mut wrong = met.wrong;
    let said = browser.traffic().await.1;
    wrong.extend(said.into_iter().filter(|line| line.contains("Content Security Policy")));
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    town_stops(town).await;
}

async fn signs_in(town: &Town, met: &mut Met<'_>) {
    let groups = ["operators", "builders", "people-ops", "staff", "club"];
    let added = town.post("/api/v1/people", json!({ "email": OLA, "groups": groups })).await.json();
    met.at("welcome", added["link"].as_str().unwrap(), "Sign in as ola@example.test?").await;
    met.browser.click("main button").await;
    met.look("offer", "Sign in by a touch from now on?").await;
}

async fn nothing_is_there_yet(town: &Town, met: &mut Met<'_>) {
    for (name, path, words) in [
        ("mine-empty", "/", "Apps that you may use will stand here"),
        ("apps-empty", "/apps", "Every app of the organisation will stand here"),
        ("requests-empty", "/requests", "Nothing waits"),
        ("secrets-empty", "/secrets", "Every secret will stand here"),
    ] {
        met.at(name, &format!("{}{path}", town.url()), words).await;
    }
}

async fn serves(town: &Town, name: &str, manifest: &str) {
    let live = town.deploy(&[("bailiwick.toml", manifest), ("app.js", HELLO)]).await;
    assert_eq!(live.json()["status"], "live", "{name}: {live:?}");
}

/// A page that asks for a second factor, and the code of a terminal.
async fn proves_more(town: &Town, met: &mut Met<'_>) {
    // `[access]` is its last table.
    serves(town, "papers", &format!("{}mfa = [\"/export/**\"]\n", manifest("papers", ""))).await;
    met.at("confirm", &format!("{}/export/all", town.app("papers")), "This part of papers needs a second factor").await;
    let login = json!({ "login": seal::Token::generate().hash() }).to_string();
    let begun = town.browser().send("POST", &format!("{}/login/begin", town.url()), &[], login.as_bytes()).await;
    let address = begun.json()["address"].as_str().unwrap_or_else(|| panic!("{begun:?}")).to_owned();
    met.at("login", &address, "Does your terminal show this code?").await;
}

async fn at_an_apps_host(town: &Town, met: &mut Met<'_>) {
    let club = manifest("club", "").replace("\"everyone\"", "\"group:club\"");
    let slow = manifest("slow", "[limits]\nrequests = \"1/h per user\"");
    for (name, manifest) in [("club", club), ("slow", slow), ("tea", manifest("tea", ""))] {
        serves(town, name, &manifest).await;
        // With a session of her own at each.
        met.browser.go(&format!("{}/", town.app(name))).await;
        reads(met.browser, "hello").await;
    }
    met.at("gateway-limit", &format!("{}/", town.app("slow")), "too much at once").await;
    let left = town.post("/api/v1/people/groups", json!({ "email": OLA, "leave": ["club"] })).await;
    assert_eq!(left.status, 200, "{left:?}");
    met.at("gateway-not-for-you", &format!("{}/", town.app("club")), "not open to you").await;
    assert_eq!(town.post("/api/v1/apps/club/retire", json!({})).await.status, 200);
    // For a moment it is only known that nothing of it serves.
    let (club, anybody) = (format!("{}/", town.app("club")), town.browser());
    testkit::until("it ended", async || anybody.get(&club).await.text().contains("ended for good")).await;
    met.at("gateway-retired", &club, "was ended for good").await;
    met.at("gateway-lost", &format!("{}/.bailiwick/signed-in", town.app("tea")), "not begun in this browser").await;
    met.browser.go(&format!("{}/", town.app("tea"))).await;
    reads(met.browser, "hello").await;
    let leaves = "const form = document.createElement('form'); form.method = 'post'; form.action = '/.bailiwick/sign-out'; document.body.append(form); form.submit();";
    met.browser.run(leaves).await;
    met.look("gateway-signed-out", "signed out of this app").await;
}
