//! What people do most on the console's pages, by keyboard: on a phone and a desk, by day and by night; where each leads is
//! photographed and judged like any page.

use super::{Chromium, Engine, Light, Screen, Town, axe, judged, screens, sign_in, sign_in::reads};
use model::{Clock, SystemClock, Timestamp};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use testkit::{Browser, archive, manifest, until};

const OLA: &str = "ola@example.test";
const OLAS: [&str; 6] = ["operators", "reviewers", "auditors", "builders", "people-ops", "staff"];

/// Where a release went live.
const LIVE: &str = "from this moment on";

/// One act: on which page (none: on the one that the last led to), what is typed where, what is pressed, and what then
/// stands there.
struct Step<'a> {
    name: &'a str,
    on: Option<String>,
    types: &'a [(&'a str, &'a str)],
    presses: &'a str,
    reads: &'a str,
}

impl Step<'_> {
    async fn take(&self, browser: &Chromium, town: &Town) {
        if let Some(path) = &self.on {
            browser.go(&format!("{}{path}", town.url())).await;
        }
        browser.run("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })").await;
        for (field, text) in self.types {
            // Where a textarea begins; in place of what another field holds.
            focus(browser, field, "if (e.select && e.tagName === 'INPUT' && e.type !== 'checkbox') e.select(); else if (e.setSelectionRange && e.tagName === 'TEXTAREA') e.setSelectionRange(0, 0);").await;
            browser.keys(text).await;
        }
        focus(browser, self.presses, "").await;
        browser.keys("\u{e007}").await;
        reads(browser, self.reads).await;
    }
}

async fn focus(browser: &Chromium, selector: &str, then: &str) {
    let script = format!(
        "const e = document.querySelector({selector:?}); if (!e) return document.body.innerText; e.focus(); {then} return document.activeElement === e || document.body.innerText;"
    );
    let focused = browser.run(&script).await;
    assert_eq!(focused, json!(true), "{selector} takes the focus");
}

/// An app that needs a yes, as a builder sends it.
async fn asks(ana: &Browser, town: &Town, name: &str) -> String {
    let connect =
        "[connect.slack]\nhost = \"slack.com\"\nmethods = [\"GET\"]\npaths = [\"/api/hello\"]\nwhy = \"says hello\"";
    let (manifest, code) = (manifest(name, connect), "export default { fetch: () => new Response('hello') };");
    let url = format!("{}/api/v1/deploy?env=prod", town.url());
    let files = archive(&[("bailiwick.toml", &manifest), ("app.js", code)]);
    let waiting = ana.send("POST", &url, &[("sec-fetch-site", "same-origin")], &files).await.json();
    waiting["request"].as_str().unwrap_or_else(|| panic!("{waiting}")).to_owned()
}

async fn id_of(town: &Town, email: &str) -> String {
    let people = town.get("/api/v1/people").await.json();
    let found = people["people"].as_array().unwrap().iter().find(|person| person["email"] == email).cloned();
    found.unwrap_or_else(|| panic!("{people}"))["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_acts_of_the_pages() {
    let clock = Arc::new(Long(AtomicBool::new(true)));
    let (town, axe) = (Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await, axe());
    warned(&town, &clock).await;
    town.deploy_template("tea", "tinypoll").await;
    let ana = town.person("ana@example.test", &["builders", "people-ops", "staff"]).await;
    let browser = Chromium::start().await;
    browser.authenticator().await;
    sign_in(&browser, &town, OLA, &OLAS).await;
    reads(&browser, "Sign in by a touch from now on?").await;
    browser.click("form[data-passkey] button").await;
    reads(&browser, "My apps").await;
    let mut wrong = Vec::new();
    for (n, (screen, light)) in [
        (Screen::Phone, Light::Night),
        (Screen::Desk, Light::Day),
        (Screen::Phone, Light::Day),
        (Screen::Desk, Light::Night),
    ]
    .into_iter()
    .enumerate()
    {
        browser.look(screen, light).await;
        let mut took = Walk { browser: &browser, town: &town, axe: &axe, at: (screen, light), wrong: &mut wrong };
        took.apps(&format!("lunch{n}")).await;
        took.requests(&ana, &format!("poll{n}")).await;
        took.people(&format!("p{n}@example.test")).await;
        took.secrets(&format!("people-ops/bot{n}")).await;
        took.roles(&ana).await;
        took.record(n).await;
        took.notices(n).await;
        took.asks_for_a_role().await;
        took.sessions().await;
    }
    let said = browser.traffic().await.1;
    wrong.extend(said.into_iter().filter(|line| line.contains("Content Security Policy")));
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    drop(town.stop().await);
}

/// What ends is warned of when time has passed: for as long as this says so, it is five weeks ago.
#[derive(Debug)]
struct Long(AtomicBool);

impl Clock for Long {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        if self.0.load(Ordering::Relaxed) { now.minus(Duration::from_secs(35 * 86_400)) } else { now }
    }
}

/// Secrets that end in 25 days, put five weeks ago: one to be taken on by each round.
async fn warned(town: &Town, clock: &Long) {
    for n in 0..4 {
        let put = json!({ "app": "later", "owner": "people-ops", "purpose": "posts", "expires": super::day(25),
            "hosts": ["a.example"], "value": "0123456789abcdef" });
        let path = format!("/api/v1/secrets/people-ops/kept{n}");
        assert_eq!(town.machine("PUT", &path, put.to_string().as_bytes()).await.status, 200);
    }
    clock.0.store(false, Ordering::Relaxed);
    let warnings = async || town.get("/api/v1/notices").await.json()["warnings"].as_array().map(Vec::len);
    until("each is warned of", async || warnings().await == Some(4)).await;
}

struct Walk<'a> {
    browser: &'a Chromium,
    town: &'a Town,
    axe: &'a str,
    at: (Screen, Light),
    wrong: &'a mut Vec<String>,
}

impl Walk<'_> {
    async fn take(&mut self, step: Step<'_>) {
        let (name, (screen, light)) = (step.name, self.at);
        step.take(self.browser, self.town).await;
        self.look(name, screen, light).await;
    }

    async fn look(&mut self, name: &str, screen: Screen, light: Light) {
        let file = format!("act-{name}-{screen:?}-{light:?}.png").to_lowercase();
        self.browser.photograph(&screens().join(file)).await;
        let found = judged(self.browser, self.axe).await;
        self.wrong.extend(found.into_iter().map(|line| format!("after {name} {screen:?} {light:?}: {line}")));
    }

    async fn all(&mut self, steps: impl IntoIterator<Item = Step<'_>>) {
        for step in steps {
            self.take(step).await;
        }
    }

    async fn apps(&mut self, name: &str) {
        let app = format!("/apps/{name}");
        let step = |name, on: Option<&str>, types, presses, reads| Step {
            name,
            on: on.map(|on| on.replace("{}", &app)),
            types,
            presses,
            reads,
        };
        let (named, why) = ([("#t-name", name)], [("[name=why]", "the walk goes on")]);
        let change = [("#f-text", "// changed\u{e007}")];
        let ends = [("form[action$=retire] [name=name]", name)];
        self.all([
            step("new", Some("/new"), &named, "form:has(#t-name) button", "is ready"),
            step("new-live", None, &[], "[form=draft][value=deploy]", LIVE),
            step("edit", Some("{}/edit"), &change, "form#draft button[value=check]", "which serves now"),
            step("edit-live", None, &[], "[form=draft][value=deploy]", LIVE),
            step("rollback", Some("{}/releases"), &[], "form[action$=rollback] button", LIVE),
            step(
                "switch",
                Some(&format!("/switch?app={name}")),
                &why,
                "form[action='/switch'] button",
                "is switched off",
            ),
            step(
                "restore",
                Some("{}"),
                &[("form[action$=restore] [name=why]", "mended")],
                "form[action$=restore] button",
                "It has new credentials",
            ),
            step("retire", Some("{}"), &ends, "form[action$=retire] button", "is ended for good"),
        ])
        .await;
    }

    async fn requests(&mut self, ana: &Browser, name: &str) {
        for (act, presses, then) in [
            ("send-back", "[formaction$=reject]", "It is sent back"),
            ("approve", "form[action$=approve] button:not([formaction])", LIVE),
        ] {
            let request = asks(ana, self.town, name).await;
            self.take(Step {
                name: act,
                on: Some(format!("/requests/{request}")),
                types: &[("#f-why", "as it should be")],
                presses,
                reads: then,
            })
            .await;
        }
    }

    async fn people(&mut self, email: &str) {
        let step =
            |name, on: &str, types, presses, reads| Step { name, on: Some(on.to_owned()), types, presses, reads };
        let add = [("#f-email", email)];
        let presses = "form[action='/people'][method=post] button";
        self.take(step("person-add", "/people", &add, presses, "A link to sign in with")).await;
        let person = format!("/people/{}", id_of(self.town, email).await);
        self.all([
            step("person-groups", &person, &[("[value=staff]", " ")], "form[action$=groups] button", "Groups changed"),
            step("person-link", &person, &[], presses, "A link to sign in with"),
            step(
                "person-disable",
                &person,
                &[("#f-sure", email)],
                "form[action$=disable] button",
                "The account is off",
            ),
        ])
        .await;
    }

    async fn secrets(&mut self, id: &str) {
        let one = format!("/secrets/{id}");
        let store = [
            ("#f-id", id),
            ("#f-app", "later"),
            ("#f-purpose", "Posts to the channel"),
            ("#f-owner", "people-ops"),
            ("#f-hosts", "slack.com"),
            ("#f-value", "xoxb-0123456789abcdef"),
        ];
        let step =
            |name, on: &str, types, presses, reads| Step { name, on: Some(on.to_owned()), types, presses, reads };
        let (anew, why) = (
            [("form[action$=rotate] [name=value]", "xoxb-fedcba9876543210")],
            [("form[action$=revoke] [name=why]", "it leaked")],
        );
        self.all([
            step(
                "secret-store",
                "/secrets",
                &store,
                "form[action='/secrets'][method=post] button",
                "The secret is stored",
            ),
            step("secret-rotate", &one, &anew, "form[action$=rotate] button", "The value is replaced"),
            step("secret-revoke", &one, &why, "form[action$=revoke] button", "The secret is dead"),
        ])
        .await;
    }

    /// What somebody else asks for.
    async fn roles(&mut self, ana: &Browser) {
        let url = format!("{}/roles", self.town.url());
        let until = super::day(7);
        for (act, then) in [("refuse", "Refused."), ("grant", "Given,")] {
            let asked = ana.post(&url, &[("role", "auditors"), ("until", &until), ("why", "the audit is due")]).await;
            assert_eq!(asked.header("location"), Some("/roles?did=ask"), "{asked:?}");
            let presses = format!("form[action$={act}] button");
            self.take(Step { name: act, on: Some("/roles".to_owned()), types: &[], presses: &presses, reads: then })
                .await;
        }
        let left = json!({ "email": "ana@example.test", "leave": ["auditors"] });
        assert_eq!(self.town.post("/api/v1/people/groups", left).await.status, 200);
    }

    async fn notices(&mut self, n: usize) {
        let open = self.town.get("/api/v1/notices").await.json()["warnings"].clone();
        let named = format!("kept{n}`");
        let of = |warning: &&serde_json::Value| warning["what"].as_str().is_some_and(|what| what.contains(&named));
        let warning = open.as_array().unwrap().iter().find(of).unwrap_or_else(|| panic!("{open}")).clone();
        let page = format!("/notices/{}", warning["event"].as_str().unwrap());
        self.browser.go(&format!("{}{page}", self.town.url())).await;
        let (screen, light) = self.at;
        self.look("notice", screen, light).await;
        self.take(Step {
            name: "take-on",
            on: Some(page),
            types: &[],
            presses: "form[action^='/notices/'] button",
            reads: "You have taken it on",
        })
        .await;
    }

    async fn asks_for_a_role(&mut self) {
        self.browser.go(&format!("{}/roles", self.town.url())).await;
        // How a day is typed is the browser's own affair.
        let day = json!(super::day(7));
        self.browser.run(&format!("document.getElementById('until').value = {day}")).await;
        let (types, presses) = ([("#why", "the audit is due")], "form[action='/roles'] button");
        self.take(Step { name: "role-ask", on: None, types: &types, presses, reads: "Asked." }).await;
    }

    /// One's own: what an app was opened with ends by a press.
    async fn sessions(&mut self) {
        const END: &str = "form[action^='/me/sessions/']:not([action='/me/sessions/end']) button";
        self.browser.go(&format!("{}/", self.town.app("tea"))).await;
        self.browser.go(&format!("{}/me", self.town.url())).await;
        focus(self.browser, END, "").await;
        self.browser.keys("\u{e007}").await;
        let gone = format!(
            "return document.readyState === 'complete' && location.pathname === '/me' && !document.querySelector({END:?})"
        );
        until("the session is gone", async || self.browser.ask(&gone).await == json!(true)).await;
        let (screen, light) = self.at;
        self.look("session-end", screen, light).await;
        let ended = self.town.events("session.end").await;
        assert!(ended.iter().any(|event| event["user"] == OLA && event["outcome"] == "allowed"), "{ended:?}");
    }

    async fn record(&mut self, n: usize) {
        let named = format!("mine {n}");
        let (person, keep) = ([("#f-person", OLA)], [("form[action$=queries] [name=name]", named.as_str())]);
        let step =
            |name, on: &str, types, presses, reads| Step { name, on: Some(on.to_owned()), types, presses, reads };
        let search = "form[role=search] button[type=submit]";
        self.all([
            step("search", "/record", &person, search, "Keep this search"),
            step("keep", &format!("/record?person={OLA}"), &keep, "form[action$=queries] button", &named),
            step("export", "/record", &[], "form[action$=export] button", "Export of the record"),
        ])
        .await;
    }
}
