//! What needs a fresh second factor goes over the way to the provider and on: a form with the words in it, an app's page
//! at its very path. For the person who sent it, in the browser that sent it, with a second factor, once.

use super::{Answer, Arc, Browser, Engine, Provider, Signed, Town, Value, json, signed_in, vouched::request};
use model::{Clock, ManualClock, SystemClock};
use std::time::Duration;
use testkit::{Form, Passkey};

const WORDS: &str = "I read every file & asked Olga";

/// A town by a clock that the test moves, where single sign-on says `mfa`.
struct Desk {
    town: Town,
    provider: Provider,
    clock: Arc<ManualClock>,
}

impl Desk {
    async fn open() -> Self {
        let (provider, clock) = (Provider::start().await, Arc::new(ManualClock::at(SystemClock.now())));
        let town = Town::with(Engine::Sqlite, &provider.config(""), Arc::clone(&clock) as _).await;
        Self { town, provider, clock }
    }

    /// What the provider says now of somebody.
    fn claims(&self, sub: &str, amr: &[&str]) -> Value {
        let now = self.clock.now().as_secs();
        let email = format!("{sub}@example.test");
        json!({ "sub": sub, "email": email, "amr": amr, "iat": now, "exp": now + 60, "auth_time": now })
    }

    /// A reviewer who came in by single sign-on ten minutes ago, and a request that waits for them.
    async fn reviewer(&self) -> (Browser, String) {
        let town = &self.town;
        let secret = json!({ "app": "poll-notify", "env": "prod", "owner": "people-ops", "purpose": "posts to Slack",
            "expires": &SystemClock.now().plus(Duration::from_secs(40 * 86_400)).to_string()[..10],
            "hosts": ["slack.com"], "value": "xoxb-0123456789" });
        let path = "/api/v1/secrets/people-ops/poll-notify-slack";
        let put = town.machine("PUT", path, secret.to_string().as_bytes()).await;
        assert_eq!(put.status, 200, "{put:?}");
        let (asker, _key) = town.person_with_passkey("olga@example.test", &["builders", "people-ops"]).await;
        let waits = request(town, &asker, "one").await;
        let rita = town.browser();
        signed_in(town, &self.provider, &rita, self.claims("rita", &["mfa"])).await;
        let body = json!({ "email": "rita@example.test", "join": ["reviewers"] });
        let joined = town.post("/api/v1/people/groups", body).await;
        assert_eq!(joined.status, 200, "{joined:?}");
        self.clock.advance(Duration::from_secs(601));
        (rita, waits)
    }

    /// Approves, and is held up: the page that asks for a second factor.
    async fn held_up(&self, rita: &Browser, waits: &str, more: &[(&str, &str)]) -> String {
        let url = format!("{}/requests/{waits}/approve", self.town.url());
        let fields = [&[("why", WORDS)][..], more].concat();
        let asked = rita.post(&url, &fields).await;
        assert_eq!(asked.status, 403, "{asked:?}");
        asked.text()
    }

    /// Off to the provider with the form of that page: where the browser is sent to.
    async fn off(&self, rita: &Browser, page: &str) -> String {
        let form = Form::to(page, "/sign-in/provider?");
        assert!(form.fields.contains(&("why".to_owned(), WORDS.to_owned())), "{form:?}");
        led_to(&self.submit(rita, &form).await)
    }

    async fn submit(&self, browser: &Browser, form: &Form) -> Answer {
        browser.submit(&format!("{}{}", self.town.url(), form.action), &form.fields).await
    }

    /// Back from the provider as this person: the path that they are sent on to.
    async fn back(&self, browser: &Browser, address: &str, claims: Value) -> String {
        assert!(address.contains("prompt=login") && address.contains("max_age=0"), "{address}");
        self.provider.says(claims, Signed::ByPublishedKey);
        let query = self.provider.approve(address);
        let sent = browser.get(&format!("{}/sign-in/provider/back?{query}", self.town.url())).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        sent.header("location").unwrap().to_owned()
    }

    async fn at(&self, browser: &Browser, path: &str) -> Answer {
        browser.get(&format!("{}{path}", self.town.url())).await
    }

    async fn approved(&self) -> usize {
        let approved = self.town.get("/api/v1/requests?state=approved").await.json();
        approved["requests"].as_array().unwrap_or_else(|| panic!("{approved}")).len()
    }
}

/// Where a page leads by itself.
fn led_to(page: &Answer) -> String {
    let text = page.text();
    let address = text.split("url=").nth(1).unwrap_or_else(|| panic!("{page:?}")).split('"').next().unwrap();
    address.replace("&amp;", "&").replace("&#38;", "&")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_goes_over_the_way_to_the_provider_with_its_words() {
    let desk = Desk::open().await;
    let (rita, waits) = desk.reviewer().await;
    let page = desk.held_up(&rita, &waits, &[("value", "hunter2")]).await;
    assert!(page.contains("what you sent waits here for ten minutes"), "{page}");
    let address = desk.off(&rita, &page).await;
    let to = desk.back(&rita, &address, desk.claims("rita", &["mfa"])).await;

    // Coming back does nothing: what waits is shown, without what is secret.
    let shown = desk.at(&rita, &to).await;
    let text = shown.text();
    assert!(shown.status == 200 && text.contains("You wanted to approve a request."), "{shown:?}");
    assert!(!text.contains("hunter2") && text.contains("value, once more"), "{text}");
    assert_eq!(desk.approved().await, 0);
    let form = Form::to(&text, "/sign-in/waiting/");
    assert!(form.fields.contains(&("why".to_owned(), WORDS.to_owned())), "{form:?}");
    let done = desk.submit(&rita, &form).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(desk.approved().await, 1);
    let request = desk.at(&rita, &format!("/requests/{waits}")).await.text();
    assert!(request.contains("asked Olga"), "{request}");

    // It went on once.
    for again in [desk.submit(&rita, &form).await, desk.at(&rita, &to).await] {
        assert!(again.status == 410 && again.text().contains("form.over"), "{again:?}");
    }
    desk.town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_on_for_nobody_else_and_without_a_second_factor_for_nobody() {
    let desk = Desk::open().await;
    let (rita, waits) = desk.reviewer().await;
    let page = desk.held_up(&rita, &waits, &[]).await;
    let address = desk.off(&rita, &page).await;

    // Somebody else comes back, a reviewer as well.
    let to = desk.back(&rita, &address, desk.claims("eve", &["mfa"])).await;
    let body = json!({ "email": "eve@example.test", "join": ["reviewers"] });
    desk.town.post("/api/v1/people/groups", body).await;
    let url = format!("{}{to}", desk.town.url());
    for refused in [desk.at(&rita, &to).await, rita.post(&url, &[("why", WORDS)]).await] {
        let text = refused.text();
        assert!(refused.status == 403 && text.contains("form.other_person"), "{refused:?}");
        assert!(!text.contains("asked Olga"), "{text}");
    }

    // The same person, in a browser that it was not sent from.
    let other = desk.town.browser();
    signed_in(&desk.town, &desk.provider, &other, desk.claims("rita", &["mfa"])).await;
    for gone in [desk.at(&other, &to).await, other.post(&url, &[("why", WORDS)]).await] {
        assert!(gone.status == 410 && gone.text().contains("form.over"), "{gone:?}");
    }

    // The same person without a second factor: the page says so, and what waits goes on waiting.
    signed_in(&desk.town, &desk.provider, &rita, desk.claims("rita", &["pwd"])).await;
    let asked = desk.at(&rita, &to).await;
    let text = asked.text();
    assert!(asked.status == 403 && text.contains("What you sent waits for a second factor"), "{asked:?}");
    assert!(text.contains("said nothing of a second factor") && !text.contains("asked Olga"), "{text}");
    assert_eq!(desk.approved().await, 0, "nothing was done");

    // Asked for there, it is shown; ten minutes after it was sent it is gone.
    signed_in(&desk.town, &desk.provider, &rita, desk.claims("rita", &["mfa"])).await;
    assert_eq!(desk.at(&rita, &to).await.status, 200);
    desk.clock.advance(Duration::from_secs(601));
    let late = desk.at(&rita, &to).await;
    assert!(late.status == 410 && late.text().contains("form.over"), "{late:?}");
    desk.town.stop().await;
}

/// A cookie that somebody took over makes no passkey: it takes a sign-in of just now, and then what was sent goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_passkey_is_made_by_whoever_signed_in_just_now() {
    let desk = Desk::open().await;
    let (rita, waits) = desk.reviewer().await;
    let page = desk.held_up(&rita, &waits, &[]).await;
    assert!(page.contains("within ten minutes of signing in") && !page.contains("data-passkey"), "{page}");
    let offer = desk.at(&rita, "/me/passkeys/new").await;
    assert!(offer.status == 403 && !offer.text().contains("data-passkey"), "{offer:?}");

    // She signs in anew, without a second factor there: what waits goes on with the passkey that she makes now.
    let address = desk.off(&rita, &page).await;
    let to = desk.back(&rita, &address, desk.claims("rita", &["pwd"])).await;
    let asked = desk.at(&rita, &to).await;
    let form = Form::of(&asked.text());
    let (_passkey, answer) = Passkey::make(&form.options, &desk.town.url());
    let shown = rita.submit(&format!("{}{}", desk.town.url(), form.action), &form.filled(&answer)).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let form = Form::to(&shown.text(), "/sign-in/waiting/");
    assert_eq!(desk.submit(&rita, &form).await.status, 200);
    assert_eq!(desk.approved().await, 1);
    desk.town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_passkey_that_was_begun_in_time_is_not_made_later() {
    let desk = Desk::open().await;
    let ana = desk.town.browser();
    signed_in(&desk.town, &desk.provider, &ana, desk.claims("ana", &["pwd"])).await;
    desk.clock.advance(Duration::from_secs(540));
    let form = Form::of(&desk.at(&ana, "/me/passkeys/new").await.text());
    let (_passkey, answer) = Passkey::make(&form.options, &desk.town.url());
    desk.clock.advance(Duration::from_secs(61));
    let late = ana.submit(&format!("{}{}", desk.town.url(), form.action), &form.filled(&answer)).await;
    assert!(late.status == 403 && late.text().contains("Confirm that it is you"), "{late:?}");
    assert!(desk.at(&ana, "/me").await.text().contains("You have none"));
    desk.town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_page_that_asks_for_a_second_factor_is_come_back_to() {
    let desk = Desk::open().await;
    let town = &desk.town;
    let text =
        testkit::manifest("papers", "").replace("use = [\"everyone\"]", "use = [\"everyone\"]\nmfa = [\"/export/**\"]");
    let app = "export default { fetch() { return new Response('Every paper'); } };";
    let deployed = town.deploy(&[("bailiwick.toml", &text), ("app.js", app)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = town.browser();
    signed_in(town, &desk.provider, &ana, desk.claims("ana", &["mfa"])).await;
    let page = format!("{}/export/all?year=2026", town.app("papers"));
    assert_eq!(ana.open(&page).await.text(), "Every paper");
    desk.clock.advance(Duration::from_secs(601));

    let asked = ana.open(&page).await;
    let text = asked.text();
    assert!(asked.status == 403 && text.contains("and come back to this page"), "{asked:?}");
    // Who leaves it is at the app again.
    assert!(text.contains(&format!("<a href=\"{}/\">Leave it</a>", town.app("papers"))), "{text}");
    let way = text.split("<a href=\"/sign-in/provider?").nth(1).unwrap().split('"').next().unwrap();
    let way = way.replace("&amp;", "&").replace("&#38;", "&");
    let sent = desk.at(&ana, &format!("/sign-in/provider?{way}")).await;
    let address = sent.header("location").unwrap_or_else(|| panic!("{sent:?}"));
    desk.provider.says(desk.claims("ana", &["mfa"]), Signed::ByPublishedKey);
    let back = format!("{}/sign-in/provider/back?{}", town.url(), desk.provider.approve(address));
    // To an app the browser goes on by itself, and there to the very path.
    let going = led_to(&ana.get(&back).await);
    let there = ana.get(&format!("{}{going}", town.url())).await;
    let signed = ana.get(there.header("location").unwrap_or_else(|| panic!("{there:?}"))).await;
    assert_eq!(signed.header("location"), Some("/export/all?year=2026"), "{signed:?}");
    assert_eq!(ana.open(&page).await.text(), "Every paper");
    desk.town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_it_is_where_they_were() {
    let desk = Desk::open().await;
    let (rita, waits) = desk.reviewer().await;
    let (own, url) = (desk.town.url(), format!("{}/requests/{waits}/approve", desk.town.url()));
    let from = |referer: String| {
        let (rita, url) = (&rita, url.as_str());
        async move {
            let form = ("content-type", "application/x-www-form-urlencoded");
            let headers =
                [form, ("sec-fetch-site", "same-origin"), ("accept", "text/html"), ("referer", referer.as_str())];
            rita.send("POST", url, &headers, b"why=read").await
        }
    };
    for (before, back) in [
        (format!("{own}/requests/{waits}"), format!("/requests/{waits}")),
        (format!("{own}/sign-in/provider/back?code=x"), "/".to_owned()),
        (format!("{own}.evil.example/requests"), "/".to_owned()),
        ("https://evil.example/requests".to_owned(), "/".to_owned()),
    ] {
        let asked = from(before).await;
        assert_eq!(asked.header("referrer-policy"), Some("same-origin"), "{asked:?}");
        assert!(asked.text().contains(&format!("<a href=\"{back}\">Leave it</a>")), "{back}: {asked:?}");
    }
    desk.town.stop().await;
}
