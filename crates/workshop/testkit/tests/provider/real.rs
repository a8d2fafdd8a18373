//! The real `oidc-provider` of npm, installed by its lock file.

use super::{Arc, Browser, Clock, Engine, SystemClock, Town, me, node::start};
use std::collections::BTreeMap;

/// Walks the provider's own pages with its own cookies, until it leads elsewhere.
struct Walker {
    http: reqwest::Client,
    /// By path and name: the provider gives each interaction its own.
    cookies: BTreeMap<(String, String), String>,
    port: u16,
}

impl Walker {
    fn new(port: u16) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Self { http: http.build().unwrap(), cookies: BTreeMap::new(), port }
    }

    async fn step(&mut self, url: &str, form: Option<String>) -> (Option<String>, String) {
        let own = url.split_once("//").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).unwrap_or("/");
        let sent = self.cookies.iter().filter(|((path, _), _)| own.starts_with(path.as_str()));
        let line: Vec<String> = sent.map(|((_, name), value)| format!("{name}={value}")).collect();
        let path = url.replace("http://localhost:", "http://127.0.0.1:");
        let request = match form {
            Some(form) => self.http.post(path).header("content-type", "application/x-www-form-urlencoded").body(form),
            None => self.http.get(path),
        };
        let host = format!("localhost:{}", self.port);
        let answer = request.header("host", host).header("cookie", line.join("; ")).send().await.unwrap();
        for value in answer.headers().get_all("set-cookie") {
            let mut parts = value.to_str().unwrap().split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).unwrap();
            let path = parts.find_map(|part| part.strip_prefix("path=")).unwrap_or("/");
            let key = (path.to_owned(), name.to_owned());
            if value.is_empty() {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (to, answer.text().await.unwrap())
    }

    async fn leads_to(&mut self, url: &str, elsewhere: &str) -> String {
        let mut url = url.to_owned();
        for _ in 0..12 {
            let (to, text) = self.step(&url, None).await;
            let to = to.unwrap_or_else(|| panic!("{url} leads nowhere: {text}"));
            url = if to.starts_with('/') { format!("http://localhost:{}{to}", self.port) } else { to };
            if url.starts_with(elsewhere) {
                return url;
            }
        }
        panic!("it goes round in circles, last to {url}");
    }
}

async fn sign_in(town: &Town, walker: &mut Walker, browser: &Browser) -> super::Answer {
    let address = super::off(town, browser).await;
    let back = walker.leads_to(&address, &format!("{}/sign-in/provider/back", town.url())).await;
    browser.open(&back).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_provider_signs_in_and_out() {
    let port = testkit::free_port();
    let oidc = format!(
        "[sign_in]\noidc = {{ issuer = \"http://localhost:{port}\", client_id = \"bailiwick\", client_secret = \"a secret of the test alone\", groups = {{ ops = \"people-ops\" }} }}\n"
    );
    let town = Town::with(Engine::Sqlite, &oidc, Arc::new(SystemClock)).await;
    assert!(SystemClock.now().as_secs() > 0);
    let _provider = start(port, &town.url());
    let (mut walker, zoe) = (Walker::new(port), town.browser());
    let home = sign_in(&town, &mut walker, &zoe).await;
    assert!(home.status == 200 && home.text().contains("zoe@example.test"), "{home:?}");
    assert!(home.text().contains("confirmed with a second factor"), "{home:?}");
    // It tells groups only to a client that asks for the scope, which it lists.
    let people = town.get("/api/v1/people").await.json();
    assert_eq!(people["people"][0]["groups"], serde_json::json!(["people-ops"]), "{people}");

    // Logged out there, by its own page: over here.
    let (_, form) = walker.step(&format!("http://localhost:{port}/session/end"), None).await;
    let xsrf = form.split("name=\"xsrf\" value=\"").nth(1).unwrap_or_else(|| panic!("{form}"));
    let xsrf = xsrf.split('"').next().unwrap();
    let confirm = format!("http://localhost:{port}/session/end/confirm");
    walker.step(&confirm, Some(format!("xsrf={xsrf}&logout=yes"))).await;
    assert_eq!(me(&town, &zoe).await.status, 401, "the provider told us before it answered");
    town.stop().await;
}
