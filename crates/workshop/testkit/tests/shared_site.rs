//! Console and apps on one registrable domain, in a real browser, with an app that is hostile: to the browser they are
//! one site, and cookies of `SameSite=Lax` go along. Nothing rests on that: what the app tries, fails.
//!
//! So does a page of a neighbour that is no app at all, and that no policy of ours holds.
//!
//! It frames the console, reads it, posts to it, tosses cookies, fixates a session, replays a code, spends a link,
//! registers a service worker, and outlives its own end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use testkit::{Answer, Browser, Chrome, Engine, Town, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

const CONSOLE: &str = "https://console.corp.test";
const EVIL: &str = "https://evil.apps.corp.test";
/// Somebody else's machine under the same domain.
const ROGUE: &str = "https://rogue.corp.test";
const GOOD: &str = "https://good.apps.corp.test";
const SERVER: &str = "public_url = \"https://console.corp.test\"\napps_domain = \"apps.corp.test\"\n";

/// What stands before the server in many houses: it ends TLS, for every name, and passes the rest on. The rogue answers
/// for itself.
async fn front(to: u16) -> u16 {
    let names = ["*.corp.test".to_owned(), "*.apps.corp.test".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut inside) = acceptor.accept(stream).await else { return };
                if inside.get_ref().1.server_name() == Some("rogue.corp.test") {
                    let page = "<!doctype html><title>rogue</title><p>rogue";
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: ";
                    let answer = format!("{head}{}\r\n\r\n{page}", page.len());
                    let mut asked = [0; 4096];
                    drop(inside.read(&mut asked).await);
                    drop(inside.write_all(answer.as_bytes()).await);
                    drop(inside.shutdown().await);
                    return;
                }
                let Ok(mut outside) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                drop(tokio::io::copy_bidirectional(&mut inside, &mut outside).await);
            });
        }
    });
    port
}

struct House {
    town: Town,
    chrome: Chrome,
}

impl House {
    async fn open() -> Self {
        let town = Town::serving(Engine::Sqlite, SERVER, "", Arc::new(SystemClock)).await;
        let front = front(town.port).await;
        let more = [
            format!("--host-resolver-rules=MAP *.corp.test 127.0.0.1:{front}"),
            "--ignore-certificate-errors".to_owned(),
        ];
        let chrome = Chrome::start_with(1280, 900, &more).await;
        chrome.authenticator().await;
        Self { town, chrome }
    }

    /// As `machine`, past the front.
    async fn machine(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.town.proof(method, path, body));
        let url = format!("{}{path}", plain(CONSOLE));
        self.town.browser().send(method, &url, &[("authorization", &bearer)], body).await
    }

    async fn deploy(&self, name: &str, code: &str, more: &[(&str, &str)]) {
        let expires = SystemClock.now().plus(Duration::from_secs(80 * 86_400)).to_string();
        let manifest = format!(
            "[app]\nname = \"{name}\"\nteam = \"people-ops\"\npurpose = \"Stands in for an app\"\nexpires = \"{}\"\nclass = \"internal\"\n[runtime]\nprofile = \"wasm\"\nmain = \"app.js\"\n[access]\nuse = [\"everyone\"]\n",
            &expires[..10]
        );
        let mut files = vec![("bailiwick.toml", manifest.as_str()), ("app.js", code)];
        files.extend_from_slice(more);
        let archive = testkit::archive(&files);
        let deployed = self.machine("POST", "/api/v1/deploy?env=prod", &archive).await;
        assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    }

    async fn link(&self, email: &str, groups: &[&str]) -> String {
        let body = json!({ "email": email, "groups": groups }).to_string();
        let added = self.machine("POST", "/api/v1/people", body.as_bytes()).await;
        added.json()["link"].as_str().unwrap_or_else(|| panic!("{added:?}")).to_owned()
    }

    /// A browser without TLS or scripts, signed in by a link: Eve's.
    async fn signed_in(&self, email: &str) -> Browser {
        let (link, browser) = (plain(&self.link(email, &["staff"]).await), self.town.browser());
        assert_eq!(browser.post(&link, &[]).await.status, 303);
        browser
    }

    async fn events(&self, action: &str, outcome: &str) -> usize {
        let path = format!("/api/v1/events?action={action}&outcome={outcome}");
        let listed = self.machine("GET", &path, b"").await;
        listed.json()["events"].as_array().unwrap_or_else(|| panic!("{listed:?}")).len()
    }

    /// Keeps a picture where the run's artifacts are, to be looked at.
    async fn keep(&self, name: &str) {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures/shared-site");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.chrome.picture().await).unwrap();
    }

    /// Whether the console still knows Ana in this browser, and nobody else.
    async fn is_still_ana(&self, after: &str) {
        self.chrome.open(&format!("{CONSOLE}/me")).await;
        let text = self.chrome.text().await;
        assert!(text.contains("Where I am signed in") && text.contains("ana@example.test"), "{after}: {text}");
        self.chrome.open(&format!("{GOOD}/")).await;
        let text = self.chrome.text().await;
        assert!(text.contains("good, for ana@example.test"), "{after}: {text}");
    }
}

/// The same address, straight to the server.
fn plain(url: &str) -> String {
    url.replacen("https://", "http://", 1)
}

const GOOD_CODE: &str = r#"export default { async fetch(request, env) {
  return new Response(`<!doctype html><title>good</title><p>good, for ${env.user.email} ${new URL(request.url).pathname}`, { headers: { "content-type": "text/html" } });
} };"#;

const WORKERS: &str = "const done = arguments[arguments.length - 1]; navigator.serviceWorker.getRegistrations().then((all) => done(all.length));";

/// Says whatever it likes of itself, and sets cookies for its neighbours.
const EVIL_CODE: &str = r#"export default { async fetch(request, env) {
  const url = new URL(request.url);
  const headers = new Headers({ "content-type": "text/html", "service-worker-allowed": "/", "access-control-allow-origin": "*" });
  if (url.searchParams.has("clear")) headers.set("clear-site-data", '"cookies", "*"');
  for (const cookie of url.searchParams.getAll("set")) headers.append("set-cookie", cookie);
  if (url.pathname === "/worker.js") {
    headers.set("content-type", "text/javascript");
    return new Response(`
      self.addEventListener("install", () => self.skipWaiting());
      self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
      self.addEventListener("fetch", (event) => {
        if (event.request.mode === "navigate") event.respondWith(new Response("<p>served by the worker", { headers: { "content-type": "text/html" } }));
      });`, { headers });
  }
  return new Response("<!doctype html><title>evil</title><p>evil", { headers });
} };"#;

/// Sends a form from the page, into a frame of its own or as the whole page.
fn form(action: &str, fields: &str, target: &str) -> String {
    format!(
        "const f = document.createElement('form'); f.method = 'post'; f.action = '{action}'; f.target = '{target}'; f.innerHTML = '{fields}'; document.body.append(f); f.submit();"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_on_the_consoles_own_site_gets_nowhere() {
    let house = House::open().await;
    house.deploy("good", GOOD_CODE, &[]).await;
    house.deploy("evil", EVIL_CODE, &[]).await;
    let chrome = &house.chrome;
    chrome.open(&house.link("ana@example.test", &["staff", "operators"]).await).await;
    chrome.press("Sign in").await;
    chrome.sees("Sign in by a touch from now on?").await;
    chrome.press("Make a passkey").await;
    chrome.sees("My apps").await;
    house.is_still_ana("at the beginning").await;
    let sent = chrome.script(&format!("return document.cookie + '{CONSOLE}'")).await;
    assert_eq!(sent, json!(CONSOLE), "no script reads a cookie of ours");

    for from in [EVIL, ROGUE] {
        frames_and_reads(&house, from).await;
        posts(&house, from).await;
        spends_a_link(&house, from).await;
    }
    tosses_cookies(&house).await;
    fixates_and_replays(&house).await;
    works_on_as_a_service_worker(&house).await;
    house.chrome.stop().await;
    house.town.stop().await;
}

async fn frames_and_reads(house: &House, from: &str) {
    let chrome = &house.chrome;
    chrome.open(&format!("{from}/")).await;
    for address in [format!("{CONSOLE}/me"), format!("{CONSOLE}/switch"), format!("{GOOD}/")] {
        let framed = format!(
            "const done = arguments[arguments.length - 1]; document.body.innerHTML = '<p>framing'; const f = document.createElement('iframe'); f.onload = () => done('loaded'); f.src = '{address}'; document.body.append(f); setTimeout(() => done('silent'), 3000);"
        );
        chrome.script_async(&framed).await;
        let shown = chrome.frame_text().await;
        let refused = shown.contains("is blocked") || shown.contains("refused to connect");
        assert!(!shown.contains("ana@example.test") && refused, "{address} from {from}: {shown}");
    }
    house.keep(&format!("framed-by-{}", name(from))).await;
    for (address, mode) in [
        (format!("{CONSOLE}/api/v1/whoami"), "cors"),
        (format!("{CONSOLE}/me"), "no-cors"),
        (format!("{GOOD}/"), "cors"),
    ] {
        let read = format!(
            "const done = arguments[arguments.length - 1]; fetch('{address}', {{ credentials: 'include', mode: '{mode}' }}).then((answer) => answer.text()).then(done, (error) => done('refused ' + error));"
        );
        let read = chrome.script_async(&read).await;
        let read = read.as_str().unwrap_or_default();
        assert!(read.starts_with("refused TypeError") || read.is_empty(), "{address}: {read}");
    }
    // A window that it opened tells it nothing, and it cannot reach into it.
    let opened = format!(
        "const done = arguments[arguments.length - 1]; const w = window.open('{CONSOLE}/me'); const end = Date.now() + 10000; const look = () => {{ if (w === null || w.closed) return done('closed'); try {{ const title = w.document.title; if (Date.now() < end) setTimeout(look, 100); else done('read ' + title); }} catch (error) {{ done(error.name); }} }}; setTimeout(look, 500);"
    );
    let reached = chrome.script_async(&opened).await;
    // While its page has not come yet it is an empty one of the opener's own: that may be read for a moment.
    let reached = reached.as_str().unwrap_or_else(|| panic!("{reached}"));
    assert!(!reached.starts_with("read "), "{reached}");
}

async fn posts(house: &House, from: &str) {
    let (chrome, why) = (&house.chrome, "<input name=why value=evil><input name=app value=good>");
    let added = house.events("person.add", "allowed").await;
    for (path, fields) in [
        ("/switch", why),
        ("/apps/good/revoke", why),
        ("/me/sessions/end", ""),
        ("/sign-out", ""),
        ("/people", "<input name=email value=eve@example.test><input name=groups value=operators>"),
        ("/login", "<input name=login value=x>"),
        ("/roles", "<input name=role value=operators><input name=until value=2027-01-01><input name=why value=x>"),
    ] {
        chrome.open(&format!("{from}/")).await;
        let send = format!(
            "const done = arguments[arguments.length - 1]; fetch('{CONSOLE}{path}', {{ method: 'POST', credentials: 'include', mode: 'no-cors', headers: {{ 'content-type': 'application/x-www-form-urlencoded' }}, body: 'why=evil&app=good' }}).then(() => done('sent'), () => done('refused'));"
        );
        chrome.script_async(&send).await;
        chrome.script(&form(&format!("{CONSOLE}{path}"), fields, "_top")).await;
        // An app's own policy does not let its forms go there; the console itself refuses a neighbour's.
        let words = if from == EVIL { "evil" } else { "did not come from one of our own pages" };
        chrome.sees(words).await;
    }
    house.keep(&format!("posted-by-{}", name(from))).await;
    for action in ["app.revoke", "session.end", "session.end_others", "role.ask", "login.confirm", "person.groups"] {
        assert_eq!(house.events(action, "allowed").await, 0, "{action}");
    }
    assert_eq!(house.events("person.add", "allowed").await, added, "nobody was added");
    let people = house.machine("GET", "/api/v1/people", b"").await;
    let text = people.text();
    assert!(people.status == 200 && text.contains("ana@example.test"), "{people:?}");
    assert!(!text.contains("eve@example.test"), "nor is Eve an operator, or anybody: {text}");
    house.is_still_ana("after it posted").await;
}

/// `evil`, `rogue`.
fn name(from: &str) -> &str {
    from.trim_start_matches("https://").split('.').next().unwrap()
}

async fn tosses_cookies(house: &House) {
    let eve = house.signed_in("eve@example.test").await;
    let cookies = eve.cookies("console.corp.test");
    let hers =
        cookies.split("; ").find(|pair| pair.starts_with("__Host-bailiwick=")).unwrap_or_else(|| panic!("{cookies}"));
    let value = hers.split_once('=').unwrap().1;
    for name in ["__Host-bailiwick", "__host-bailiwick", "__Host-bailiwick-app", "__Host-bailiwick-begin", "bailiwick"]
    {
        for rest in [
            "; Domain=corp.test; Path=/; Secure",
            "; Domain=corp.test; Path=/me; Secure",
            "; Domain=.corp.test; Path=/",
            "; Domain=console.corp.test; Path=/; Secure",
            "; Path=/; Secure",
        ] {
            // Its own name; without a name, so that the value reads as one; with a space or a tab before it.
            for line in
                [format!("{name}={value}{rest}"), format!("={name}={value}{rest}"), format!(" {name}={value}{rest}")]
            {
                for from in [EVIL, ROGUE] {
                    house.chrome.open(&format!("{from}/")).await;
                    house.chrome.script(&format!("document.cookie = {}", json!(line))).await;
                }
                let encoded: String = line.bytes().map(|byte| format!("%{byte:02X}")).collect();
                house.chrome.open(&format!("{EVIL}/?set={encoded}")).await;
            }
        }
        house.is_still_ana(&format!("after it tossed {name}")).await;
    }
    house.keep("tossed").await;
    // Nor does it sign her out of the whole site: browsers would clear the cookies of the registrable domain.
    house.chrome.open(&format!("{EVIL}/?clear")).await;
    house.chrome.sees("evil").await;
    house.is_still_ana("after it had everything cleared").await;
}

async fn fixates_and_replays(house: &House) {
    // Eve begins at the good app, and stops with her code in hand.
    let eve = house.signed_in("eve@example.test").await;
    let begun = eve.get(&format!("{}/", plain(GOOD))).await;
    let console = plain(begun.header("location").unwrap_or_else(|| panic!("{begun:?}")));
    let sent = eve.get(&console).await;
    let code = sent.header("location").unwrap_or_else(|| panic!("{sent:?}")).to_owned();
    assert!(code.starts_with(GOOD) && code.contains("code="), "{code}");
    // Planted in Ana's browser, it makes her nobody else.
    house.chrome.open(&format!("{EVIL}/")).await;
    house.chrome.script(&format!("location.href = {}", json!(code))).await;
    until("it leads away", async || {
        let complete = house.chrome.script("return document.readyState").await == json!("complete");
        complete && !house.chrome.url().await.starts_with(EVIL)
    })
    .await;
    let text = house.chrome.text().await;
    assert!(!text.is_empty(), "a page is shown");
    assert!(!text.contains("eve@example.test"), "{text}");
    house.keep("planted-code").await;
    house.is_still_ana("after a code was planted").await;
    // It is Eve's, once.
    assert!(eve.open(&plain(&code)).await.text().contains("good, for eve@example.test"));
    let again = eve.open(&plain(&code)).await;
    assert_ne!(again.status, 200, "{again:?}");
    // Her console address with her binding gives Ana a code that no cookie of hers fits.
    house.chrome.open(&format!("https://{}", console.trim_start_matches("http://"))).await;
    assert!(!house.chrome.text().await.contains("eve@example.test"));
    house.is_still_ana("after a sign-in that began elsewhere").await;
}

async fn spends_a_link(house: &House, from: &str) {
    let link = house.link("cy@example.test", &["staff"]).await;
    house.chrome.open(&format!("{from}/")).await;
    let tries = format!(
        "const done = arguments[arguments.length - 1]; const i = new Image(); i.src = '{link}'; Promise.allSettled([fetch('{link}', {{ mode: 'no-cors', credentials: 'include' }}), fetch('{link}', {{ method: 'POST', mode: 'no-cors', credentials: 'include' }})]).then(() => done(''));"
    );
    house.chrome.script_async(&tries).await;
    house.chrome.script(&form(&link, "", "_top")).await;
    house.keep(&format!("spends-a-link-{}", name(from))).await;
    let spent = house.events("link.spend", "allowed").await;
    house.is_still_ana("after a link was posted").await;
    let cy = house.town.browser();
    assert_eq!(cy.post(&plain(&link), &[]).await.status, 303, "it was not spent");
    assert_eq!(house.events("link.spend", "allowed").await, spent + 1);
}

/// A worker would see the code that signs somebody in, and outlive its app: no origin of an app has one.
async fn works_on_as_a_service_worker(house: &House) {
    let chrome = &house.chrome;
    chrome.open(&format!("{EVIL}/deep/page")).await;
    for (script, scope) in [
        ("/worker.js", "https://console.corp.test/"),
        ("/worker.js", "https://good.apps.corp.test/"),
        ("https://console.corp.test/passkey.js", "/"),
        ("/worker.js", "/"),
        ("/worker.js", "/.bailiwick/"),
        ("/.bailiwick/../worker.js", "/"),
    ] {
        let register = format!(
            "const done = arguments[arguments.length - 1]; navigator.serviceWorker.register('{script}', {{ scope: '{scope}' }}).then(() => navigator.serviceWorker.ready).then(() => done('registered'), (error) => done(error.name));"
        );
        let said = chrome.script_async(&register).await;
        assert!(said == json!("SecurityError") || said == json!("TypeError"), "{script} for {scope}: {said}");
    }
    assert_eq!(chrome.script_async(WORKERS).await, json!(0));
    chrome.open(&format!("{EVIL}/")).await;
    assert!(!chrome.text().await.contains("served by the worker"));
    house.is_still_ana("without a service worker").await;
    let off = house.machine("POST", "/api/v1/apps/evil/revoke", br#"{"why":"hostile"}"#).await;
    assert_eq!(off.status, 200, "{off:?}");
    chrome.open(&format!("{EVIL}/")).await;
    chrome.sees("switched off").await;
    // Under another name it is another app: the old origin stays closed, and has nothing of the new one.
    house.deploy("evil-again", EVIL_CODE, &[]).await;
    chrome.open("https://evil-again.apps.corp.test/").await;
    chrome.sees("evil").await;
    assert_eq!(chrome.script_async(WORKERS).await, json!(0));
    chrome.open(&format!("{EVIL}/")).await;
    assert!(chrome.text().await.contains("switched off"));
    house.is_still_ana("after another name").await;
}
