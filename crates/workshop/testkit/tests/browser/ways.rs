//! What only a real browser does: a folder that is chosen, a file that is downloaded, a device that is lost, a way out
//! of a page that no policy closes.

use super::{Chromium, Engine, Town, arrives, sign_in, sign_in::reads};
use serde_json::json;
use std::{net::UdpSocket, time::Duration};
use tempfile::TempDir;
use testkit::{manifest, until};

/// Until a script says yes, whatever page is there meanwhile.
async fn holds(browser: &Chromium, what: &str, script: &str) {
    let holds = async {
        while browser.ask(script).await != json!(true) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), holds).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Its files come by their paths within it; what begins with a dot stays behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_chosen_in_the_page() {
    let (town, folder) = (Town::start(Engine::Sqlite).await, TempDir::new().unwrap());
    let lunch = folder.path().join("lunch");
    let files = testkit::template("lunch", "tinypoll");
    for (path, bytes) in &files {
        let to = lunch.join(path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
    std::fs::create_dir(lunch.join(".git")).unwrap();
    std::fs::write(lunch.join(".git/config"), "[core]").unwrap();
    let browser = Chromium::start().await;
    sign_in(&browser, &town, "ana@example.test", &["builders", "people-ops", "staff"]).await;
    browser.go(&format!("{}/new", town.url())).await;
    browser.choose("#f-files", &lunch).await;
    let script = format!("return document.getElementById('f-files').files.length > {}", files.len());
    holds(&browser, "the folder is read, with what is hidden in it", &script).await;
    browser.click("#t-folder ~ form button[value=check]").await;
    let text = reads(&browser, "lunch is ready").await;
    assert!(text.contains("public/style.css") && !text.contains(".git"), "{text}");
    browser.click(".acts [value=deploy]").await;
    reads(&browser, "is live").await;
    browser.go(&format!("{}/", town.app("lunch"))).await;
    let shown = browser.run("return document.body.innerText").await;
    assert!(shown.as_str().unwrap_or_default().len() > 20, "{shown}");
    super::town_stops(town).await;
}

/// A second passkey, on another device, signs in when the first is lost, and takes the lost one away.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_passkey_is_got_over_by_a_second() {
    const ROWS: &str = "document.querySelectorAll('form[action$=\"/remove\"]').length";
    let town = Town::start(Engine::Sqlite).await;
    let browser = Chromium::start().await;
    let phone = browser.authenticator().await;
    sign_in(&browser, &town, "ana@example.test", &["staff"]).await;
    browser.click("form[data-passkey] button").await;
    reads(&browser, "My apps").await;
    browser.loses(&phone).await;
    browser.authenticator().await;
    browser.go(&format!("{}/me/passkeys/new", town.url())).await;
    reads(&browser, "Make another passkey").await;
    browser.click("form[data-passkey] button").await;
    reads(&browser, "Keep two, on two devices").await;
    holds(&browser, "two passkeys", &format!("return {ROWS} === 2")).await;

    browser.run("document.querySelector('details.menu').open = true").await;
    browser.click("form[action='/sign-out'] button").await;
    reads(&browser, "You are not signed in").await;
    browser.click("form[data-passkey] button").await;
    reads(&browser, "My apps").await;
    browser.go(&format!("{}/me", town.url())).await;
    browser.click("form[action$='/remove'] button").await;
    holds(&browser, "one passkey is left", &format!("return document.readyState === 'complete' && {ROWS} === 1")).await;
    let removed = town.events("passkey.remove").await;
    assert_eq!((removed.len(), &removed[0]["outcome"]), (1, &json!("allowed")), "{removed:?}");

    // What is left still opens the door.
    browser.run("document.querySelector('details.menu').open = true").await;
    browser.click("form[action='/sign-out'] button").await;
    reads(&browser, "You are not signed in").await;
    browser.click("form[data-passkey] button").await;
    reads(&browser, "My apps").await;
    super::town_stops(town).await;
}

/// The page of an export looks again by itself, with a bar, until the file is whole.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_watched_until_it_is_whole() {
    let (town, folder) = (Town::start(Engine::Sqlite).await, TempDir::new().unwrap());
    town.deploy_template("lunch", "tinypoll").await;
    let browser = Chromium::start().await;
    browser.downloads(folder.path()).await;
    sign_in(&browser, &town, "ada@example.test", &["auditors"]).await;
    browser.go(&format!("{}/record", town.url())).await;
    browser.click("form[action$=export] button").await;
    arrives(&browser, "/record/export/").await;
    reads(&browser, "Nothing is sent before you download it").await;
    browser.click("a[download]").await;
    reads(&browser, "events were sent").await;
    let full = "const bar = document.querySelector('progress'); return bar && bar.value === bar.max && bar.max > 0";
    holds(&browser, "the bar is full", full).await;
    let file = folder.path().join("record.txt");
    until("the file is there", async || std::fs::metadata(&file).is_ok_and(|file| file.len() > 1_000)).await;
    super::town_stops(town).await;
}

/// Whatever the policy says, browsers let a page send to any address by WebRTC, but for one header; and that stops
/// neither forms that are sent on nor links.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_sends_nothing_by_webrtc_and_still_leads_elsewhere() {
    const PAGE: &str = "export default { fetch: ({ method, url }) => method === 'POST' \
        ? new Response(null, { status: 303, headers: { location: '/sent' } }) \
        : new Response(`<form method=post><button>Send</button></form><p>at ${new URL(url).pathname}`, \
            { headers: { 'content-type': 'text/html' } }) };";
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    // Whoever is asked what address it sees is sent a datagram (STUN); this ends when all answered, or none may be asked.
    let asks = format!(
        "try {{ const call = new RTCPeerConnection({{ iceServers: [{{ urls: 'stun:{}' }}] }}); \
         call.createDataChannel('x'); \
         call.onicegatheringstatechange = () => call.iceGatheringState === 'complete' && done('complete'); \
         call.createOffer().then(offer => call.setLocalDescription(offer)).catch(error => done(error.name)); \
         }} catch (error) {{ done(error.name) }}",
        listener.local_addr().unwrap()
    );
    let (town, browser) = (Town::start(Engine::Sqlite).await, Chromium::start().await);
    let live = town.deploy(&[("bailiwick.toml", &manifest("pages", "")), ("app.js", PAGE)]).await;
    assert_eq!(live.json()["status"], "live", "{live:?}");
    sign_in(&browser, &town, "ana@example.test", &["staff"]).await;
    browser.go(&format!("{}/", town.app("pages"))).await;
    reads(&browser, "at /").await;
    let ended = browser.run_async(&format!("const done = arguments[arguments.length - 1]; {asks}")).await;
    let heard = listener.recv_from(&mut [0; 1024]);
    assert!(heard.is_err(), "the page sent something: {heard:?}");
    // Either nobody is asked, or there is no call at all.
    assert!(ended == "complete" || ended == "NotAllowedError", "{ended}");

    browser.click("button").await;
    reads(&browser, "at /sent").await;
    browser.run(&format!("location = '{}/me'", town.url())).await;
    arrives(&browser, "/me").await;

    // Of a page without the header the listener hears.
    browser.go("about:blank").await;
    browser.run(&format!("const done = () => {{}}; {asks}")).await;
    until("a page sends by WebRTC", async || listener.recv_from(&mut [0; 1024]).is_ok()).await;
    super::town_stops(town).await;
}
