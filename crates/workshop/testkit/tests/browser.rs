//! The console's pages and the gateway's plain ones in a real browser: on a phone and a desk, by day and by night, each
//! photographed; judged by axe; by keyboard alone; and nothing is asked of any other host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::json;
use sign_in::{everywhere, reads};
use std::path::PathBuf;
use testkit::{Chromium, Engine, Light, Screen, Town};

/// Pictures stay here after the run: `screens/` in the folder that cargo gives tests.
fn screens() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screens")
}

/// axe-core, as a browser runs it.
fn axe() -> String {
    let folder = testkit::installed(env!("CARGO_TARGET_TMPDIR"), "axe", "axe-core");
    std::fs::read_to_string(folder.join("node_modules/axe-core/axe.min.js")).unwrap()
}

/// The pages that have one address, as an operator who builds looks at them.
const PAGES: [(&str, &str); 14] = [
    ("gallery", "/gallery"),
    ("mine", "/"),
    ("apps", "/apps"),
    ("switch", "/switch"),
    ("requests", "/requests"),
    ("people", "/people"),
    ("how-people-sign-in", "/people/sign-in"),
    ("secrets", "/secrets"),
    ("notices", "/notices"),
    ("policy", "/policy"),
    ("record", "/record"),
    ("new", "/new"),
    ("me", "/me"),
    ("roles", "/roles"),
];

/// What is no page, or is looked at by itself.
const ELSEWHERE: [(&str, &str); 11] = [
    ("/style.css", "the style of all pages"),
    ("/icon.svg", "a picture"),
    ("/follow.js", "a script"),
    ("/passkey.js", "a script"),
    ("/sign-in", "what whoever is not signed in sees at `/`"),
    ("/sign-in/app", "leads back to an app, or asks to confirm: `met.rs`"),
    ("/sign-in/provider", "leads to the provider"),
    ("/sign-in/provider/back", "needs the provider's answer: `sign_in.rs`"),
    ("/sign-in/provider/try", "needs the provider's answer: `sign_in.rs`"),
    ("/login", "needs a login's address: `met.rs`"),
    ("/me/passkeys/new", "offered after a link: `met.rs`"),
];

/// A town where something of everything happened.
struct Scene {
    town: Town,
    request: String,
    receipt: String,
    event: String,
    person: String,
}

async fn scene() -> Scene {
    let town = Town::start(Engine::Sqlite).await;
    let ana = town.person("ana@example.test", &["staff", "people-ops", "builders"]).await;
    town.person("bo@example.test", &["staff"]).await;
    town.deploy_template("tinypoll", "tinypoll").await;
    town.deploy_template("tinypoll", "blank").await;
    town.deploy_template("lunch", "tinypoll").await;
    let waiting = town.deploy_template("poll-notify", "poll-notify").await.json();
    let secret = json!({ "app": "poll-notify", "owner": "people-ops", "purpose": "Posts to the team's channel",
        "expires": day(20), "hosts": ["slack.com"], "value": "xoxb-0123456789abcdef" });
    town.machine("PUT", "/api/v1/secrets/people-ops/poll-notify-slack", secret.to_string().as_bytes()).await;
    ana.open(&format!("{}/", town.app("lunch"))).await;
    for (app, code) in [("lunch", "policy.retention"), ("lunch", "policy.retention"), ("poll-notify", "job.no_handler")]
    {
        let wish =
            json!({ "app": app, "code": code, "until": day(20), "why": "The court asks for it", "break_glass": true });
        assert_eq!(town.post("/api/v1/waivers", wish).await.status, 200);
    }
    let (url, until) = (format!("{}/roles", town.url()), day(7));
    ana.post(&url, &[("role", "auditors"), ("until", &until), ("why", "the audit is due")]).await;
    came_back_and_sent_back(&town).await;
    let revoked = town.post("/api/v1/apps/tinypoll/revoke", json!({ "why": "the poll is over" })).await.json();
    let people = town.get("/api/v1/people").await.json();
    let person =
        people["people"].as_array().unwrap().iter().find(|person| person["email"] == "bo@example.test").unwrap();
    Scene {
        request: waiting["request"].as_str().unwrap_or_else(|| panic!("{waiting}")).to_owned(),
        event: revoked["event"].as_str().unwrap().to_owned(),
        receipt: revoked["event"].as_str().unwrap().to_owned(),
        person: person["id"].as_str().unwrap().to_owned(),
        town,
    }
}

/// An app that was off and serves again, and one whose release was sent back.
async fn came_back_and_sent_back(town: &Town) {
    town.deploy_template("dinner", "tinypoll").await;
    town.post("/api/v1/apps/dinner/revoke", json!({ "why": "it asked too much" })).await;
    town.post("/api/v1/apps/dinner/restore", json!({ "why": "it was looked at" })).await;
    let waits = town.deploy_template("party", "poll-notify").await.json()["request"].as_str().unwrap().to_owned();
    let back = town.post(&format!("/api/v1/requests/{waits}/reject"), json!({ "why": "name the channel" })).await;
    assert_eq!(back.status, 200, "{back:?}");
}

fn day(ahead: u64) -> String {
    use model::Clock;
    let at = model::SystemClock.now().plus(std::time::Duration::from_secs(ahead * 86_400));
    at.to_string()[..10].to_owned()
}

/// Signs the browser in by a one-time link, as a person does.
async fn sign_in(browser: &Chromium, town: &Town, email: &str, groups: &[&str]) {
    let added = town.post("/api/v1/people", json!({ "email": email, "groups": groups })).await.json();
    browser.go(added["link"].as_str().unwrap()).await;
    browser.click("main button").await;
    arrives(browser, "/me/passkeys/new").await;
}

/// What is wrong with the page, in a line each.
async fn judged(browser: &Chromium, axe: &str) -> Vec<String> {
    browser.run(axe).await;
    let found = browser
        .run_async(
            "const done = arguments[arguments.length - 1]; \
             axe.run(document, { resultTypes: ['violations'] }).then(r => done(r.violations.map(v => \
             v.id + ': ' + v.help + ' at ' + v.nodes.map(n => n.target.join(' ') + ' ' + (n.failureSummary || '').replace(/\\n/g, ' ')).join(' | '))), e => done(['axe: ' + e]))",
        )
        .await;
    let mut wrong: Vec<String> =
        found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    let wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
    if wide.as_i64().unwrap_or(1) > 0 {
        wrong.push(format!("the page is {wide} pixels wider than the screen"));
    }
    // 44 pixels, for what is pressed; links inside a sentence are exempt (WCAG 2.5.8).
    let small = browser
        .run(
            "return [...document.querySelectorAll('button, select, input:not([type=hidden]), summary, a.button, .places a, .tabs a, .worries a')] \
             .filter(e => e.checkVisibility() && !e.closest('.sheet') && !['checkbox','radio'].includes(e.type)) \
             .filter(e => e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML.slice(0, 80))",
        )
        .await;
    wrong.extend(small.as_array().unwrap().iter().map(|html| format!("smaller than 44 pixels: {html}")));
    wrong
}

async fn walk(browser: &Chromium, axe: &str, who: &str, pages: &[(&str, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, url) in pages {
        for screen in Screen::ALL {
            for light in Light::ALL {
                browser.look(screen, light).await;
                browser.go(url).await;
                let file = format!("{who}-{name}-{screen:?}-{light:?}.png").to_lowercase();
                browser.photograph(&screens().join(file)).await;
                let found = judged(browser, axe).await;
                wrong.extend(found.into_iter().map(|line| format!("{who} {name} {screen:?} {light:?}: {line}")));
            }
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_on_every_screen() {
    let (scene, axe) = (scene().await, axe());
    let (town, url) = (&scene.town, scene.town.url());
    let at = |path: &str| format!("{url}{path}");
    let browser = Chromium::start().await;
    let signed_out = [
        ("sign-in", at("/")),
        ("nothing", at("/nothing")),
        ("gateway-unknown", town.app("nothing")),
        ("gateway-off", format!("{}/", town.app("tinypoll"))),
    ];
    let mut wrong = walk(&browser, &axe, "stranger", &signed_out).await;
    sign_in(&browser, town, "ola@example.test", &["operators", "builders", "people-ops", "staff"]).await;
    let others = [
        ("apps-worry", at("/apps?worry=waiting&tier=medium")),
        ("app", at("/apps/lunch")),
        ("app-waiting", at("/apps/poll-notify")),
        ("app-revoked", at("/apps/tinypoll")),
        ("releases", at("/apps/tinypoll/releases")),
        ("log", at("/apps/lunch/log")),
        ("receipt", at(&format!("/apps/tinypoll/receipts/{}", scene.receipt))),
        ("receipt-back", at("/apps/dinner/receipts/latest")),
        ("edit-sent-back", at("/apps/party/edit")),
        ("switch-app", at("/switch?app=lunch")),
        ("request", at(&format!("/requests/{}", scene.request))),
        ("person", at(&format!("/people/{}", scene.person))),
        ("secret", at("/secrets/people-ops/poll-notify-slack")),
        ("record-search", at("/record?outcome=denied&secret=x%2Fy")),
        ("event", at(&format!("/record/{}", scene.event))),
        ("edit", at("/apps/lunch/edit")),
        ("gateway-waiting", format!("{}/", town.app("poll-notify"))),
    ];
    let pages: Vec<_> = PAGES.into_iter().map(|(name, path)| (name, at(path))).chain(others).collect();
    wrong.extend(walk(&browser, &axe, "operator", &pages).await);
    let (addresses, said) = browser.traffic().await;
    let ours = |address: &&String| {
        let host = address.split('/').nth(2).unwrap_or_default();
        let name = host.split(':').next().unwrap_or_default();
        name == "localhost"
            || name.ends_with(".localhost")
            || address.starts_with("data:")
            || address.starts_with("chrome")
    };
    wrong.extend(
        addresses.iter().filter(|address| !ours(address)).map(|address| format!("asked of another host: {address}")),
    );
    assert!(addresses.len() > 20, "nothing was seen: {addresses:?}");
    let policy = said.iter().filter(|line| line.contains("Content Security Policy"));
    wrong.extend(policy.map(|line| format!("against our own policy: {line}")));
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    town_stops(scene.town).await;
}

/// The addresses that show something and hold no name, as the routers say them.
fn addresses() -> Vec<String> {
    const ROUTERS: [&str; 3] = [
        include_str!("../../../product/server/src/pages/mod.rs"),
        include_str!("../../../product/server/src/pages/gallery.rs"),
        include_str!("../../../product/server/src/sign_in/mod.rs"),
    ];
    let mut all = Vec::new();
    for router in ROUTERS {
        let code: String = router.split_whitespace().collect();
        for route in code.split(".route(\"").skip(1) {
            let (path, takes) = route.split_once("\",").unwrap();
            let shows = takes.starts_with("get(") || takes.starts_with("axum::routing::get(");
            if shows && !path.contains('{') {
                all.push(path.to_owned());
            }
        }
    }
    all
}

/// A new page is looked at, or somebody says why it is not.
#[test]
fn no_page_is_left_out() {
    let addresses = addresses();
    assert!(addresses.len() > 20, "{addresses:?}");
    let known: Vec<&str> = PAGES.iter().map(|(_, path)| *path).chain(ELSEWHERE.iter().map(|(path, _)| *path)).collect();
    for address in &addresses {
        assert!(known.contains(&address.as_str()), "{address} belongs into `PAGES`, or with a reason into `ELSEWHERE`");
    }
    for path in known {
        assert!(addresses.iter().any(|address| address == path), "{path} is no page any more");
    }
    assert!(ELSEWHERE.iter().all(|(_, why)| !why.is_empty()));
}

async fn town_stops(town: Town) {
    drop(town.stop().await);
}

/// By keyboard alone, from any page: the switch is the second stop, and the receipt says what died.
#[tokio::test(flavor = "multi_thread")]
async fn the_switch_by_keyboard_alone() {
    let town = Town::start(Engine::Sqlite).await;
    town.deploy_template("lunch", "tinypoll").await;
    let browser = Chromium::start().await;
    sign_in(&browser, &town, "ola@example.test", &["operators", "builders", "people-ops"]).await;
    browser.go(&format!("{}/policy", town.url())).await;
    let focused = || async {
        browser.run("const e = document.activeElement; const s = getComputedStyle(e); return [e.textContent.trim(), s.outlineStyle, e.getBoundingClientRect().left >= 0]").await
    };
    browser.keys("\u{e004}").await;
    assert_eq!(focused().await[0], "Skip to content");
    browser.keys("\u{e004}").await;
    let second = focused().await;
    assert_eq!(second, json!(["Switch an app off", "solid", true]), "it is seen while it has the focus");
    browser.keys("\u{e007}").await;
    arrives(&browser, "/switch").await;
    assert_eq!(browser.run("return document.activeElement.name").await, "app", "the field has the focus");
    browser.keys("lunch\u{e004}the test is over\u{e007}").await;
    arrives(&browser, "/apps/lunch/receipts/").await;
    let text = browser.run("return document.body.innerText").await;
    let text = text.as_str().unwrap_or_default();
    assert!(text.contains("lunch is switched off") && text.contains("the test is over"), "{text}");
    assert_eq!(town.browser().get(&format!("{}/", town.app("lunch"))).await.status, 410);
    // From an app's own page it is two presses of a mouse: the link knows the app.
    town.deploy_template("dinner", "tinypoll").await;
    browser.go(&format!("{}/apps/dinner", town.url())).await;
    browser.click("header a.off").await;
    arrives(&browser, "/switch").await;
    browser.keys("the second test").await;
    browser.click("form[action='/switch'] button").await;
    arrives(&browser, "/apps/dinner/receipts/").await;
    town_stops(town).await;
}

/// A key that leads elsewhere is answered before the page is there.
async fn arrives(browser: &Chromium, at: &str) {
    const WHERE: &str = "return document.readyState === 'complete' ? location.pathname : ''";
    let arriving = async {
        while !browser.ask(WHERE).await.as_str().is_some_and(|path| path.starts_with(at)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), arriving)
        .await
        .unwrap_or_else(|_| panic!("never at {at}"));
}

/// Findings, what mends them, and a draft that is tried: on every screen, by the buttons that a builder presses.
#[tokio::test(flavor = "multi_thread")]
async fn what_blocks_is_mended_and_tried() {
    const CODE: &str = "export default {\n  async fetch(request, env) {\n    const key = \"ghp_aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5\";\n    await env.data.visits.insert({ who: env.user.email });\n    return new Response(`seen ${await env.data.visits.count()}`);\n  },\n};\n";
    let (town, axe) = (Town::start(Engine::Sqlite).await, axe());
    let browser = Chromium::start().await;
    sign_in(&browser, &town, "ana@example.test", &["builders", "people-ops", "staff"]).await;
    let mut wrong = Vec::new();
    for (press, name, words) in [
        ("", "findings", "Fix all"),
        ("[name=fix][value=all]", "mended", "is ready"),
        ("[name=do][value=try]", "tried", "Trying visits"),
    ] {
        if press.is_empty() {
            browser.go(&format!("{}/new", town.url())).await;
            let fill = "document.querySelector('#t-paste ~ details').open = true; \
                document.getElementById('p-name').value = 'visits'; document.getElementById('p-purpose').value = 'Counts who came'; document.getElementById('p-code').value = arguments[0];";
            browser.run(&fill.replace("arguments[0]", &json!(CODE).to_string())).await;
            browser.click("#t-paste ~ details button").await;
        } else {
            browser.click(press).await;
        }
        reads(&browser, words).await;
        for screen in Screen::ALL {
            for light in Light::ALL {
                browser.look(screen, light).await;
                let file = format!("builder-{name}-{screen:?}-{light:?}.png").to_lowercase();
                browser.photograph(&screens().join(file)).await;
                let found = judged(&browser, &axe).await;
                wrong.extend(found.into_iter().map(|line| format!("{name} {screen:?} {light:?}: {line}")));
            }
        }
    }
    let page = browser.run("return location.href").await;
    let open = browser.run("return document.querySelector('.acts a.button').href").await;
    browser.go(open.as_str().unwrap()).await;
    let seen = browser.run("return document.body.innerText").await;
    assert_eq!(seen.as_str(), Some("seen 1"));
    browser.go(page.as_str().unwrap()).await;
    browser.click("form[action$='/end'] button").await;
    reads(&browser, "visits was tried").await;
    wrong.extend(everywhere(&browser, &axe, "try-over").await);
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    town_stops(town).await;
}

/// A template chosen in the page becomes a live app, without script.
#[tokio::test(flavor = "multi_thread")]
async fn a_template_goes_live_in_two_clicks() {
    let town = Town::start(Engine::Sqlite).await;
    let browser = Chromium::start().await;
    sign_in(&browser, &town, "ana@example.test", &["builders", "people-ops", "staff"]).await;
    browser.look(Screen::Desk, Light::Day).await;
    browser.go(&format!("{}/new", town.url())).await;
    browser.click("#t-name").await;
    browser.keys("lunch\u{e007}").await;
    let text = reads(&browser, "lunch is ready").await;
    assert!(text.contains("Seven questions"), "{text}");
    browser.photograph(&screens().join("builder-judged-desk-day.png")).await;
    browser.click(".acts button").await;
    reads(&browser, "is live").await;
    browser.photograph(&screens().join("builder-live-desk-day.png")).await;
    browser.go(&format!("{}/", town.app("lunch"))).await;
    let title = browser.run("return document.body.innerText").await;
    assert!(title.as_str().unwrap_or_default().len() > 20, "{title}");
    town_stops(town).await;
}

#[path = "browser/acts.rs"]
mod acts;
#[path = "browser/met.rs"]
mod met;
#[path = "provider/node.rs"]
mod node;
#[path = "browser/sign_in.rs"]
mod sign_in;
#[path = "browser/ways.rs"]
mod ways;
