//! A real browser: Debian's chromium without a window, driven over `WebDriver` (W3C), with a virtual authenticator.
//!
//! Waits for elements as the protocol does (an implicit wait), never by the clock.

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

/// How long an element may take to appear.
const APPEARS_WITHIN_MS: u64 = 15_000;
/// The key by which `WebDriver` names elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// On every machine that tests run on: no window, no sandbox of its own within ours.
const ALWAYS: [&str; 4] = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];

/// A browser with one window; it and its driver end when this is dropped.
pub struct Chrome {
    driver: Child,
    http: reqwest::Client,
    session: String,
}

impl Chrome {
    /// Starts it, with a fresh profile, in a window of this size.
    pub async fn start(width: u32, height: u32) -> Self {
        Self::start_with(width, height, &[]).await
    }

    /// The same, with more words of its command line.
    pub async fn start_with(width: u32, height: u32, more: &[String]) -> Self {
        let mut arguments = vec!["--no-proxy-server".to_owned(), format!("--window-size={width},{height}")];
        arguments.extend_from_slice(more);
        let timeouts = json!({ "implicit": APPEARS_WITHIN_MS, "pageLoad": 30_000, "script": 30_000 });
        Self::begin(&arguments, json!({ "browserName": "chrome", "timeouts": timeouts })).await
    }

    /// Starts driver and browser with an empty profile; `wanted` are capabilities of the session.
    ///
    /// # Panics
    /// When `chromedriver` or `chromium` is not installed: `cargo xtask setup` does that.
    pub(crate) async fn begin(more: &[String], mut wanted: Value) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("`chromedriver` is not here: run `cargo xtask setup`");
        let said = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = said
            .filter_map(|line| line.split("successfully on port ").nth(1).map(str::to_owned))
            .next()
            .expect("chromedriver says its port");
        let base = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let arguments: Vec<&str> = ALWAYS.into_iter().chain(more.iter().map(String::as_str)).collect();
        wanted["goog:chromeOptions"] = json!({ "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
        let made: Value =
            http.post(format!("{base}/session")).json(&wanted).send().await.unwrap().json().await.unwrap();
        let id = made["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {made}"));
        Self { driver, http, session: format!("{base}/session/{id}") }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.asked(method, path, body).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub(crate) async fn asked(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }

    /// A passkey provider of this machine that says yes: CTAP 2, resident keys, the user verified.
    /// What it is called is for whoever takes it away again.
    pub async fn authenticator(&self) -> String {
        let about = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        let made = self.ask("POST", "/webauthn/authenticator", Some(about)).await;
        made.as_str().unwrap_or_default().to_owned()
    }

    pub async fn open(&self, url: &str) {
        self.ask("POST", "/url", Some(json!({ "url": url }))).await;
    }

    pub async fn url(&self) -> String {
        self.ask("GET", "/url", None).await.as_str().unwrap_or_default().to_owned()
    }

    /// The text of the page once an element of it holds these words.
    pub async fn sees(&self, words: &str) -> String {
        let path = format!("//body//*[contains(normalize-space(.), {words:?})]");
        self.find("xpath", &path).await;
        self.text().await
    }

    /// What the page says now.
    pub async fn text(&self) -> String {
        let body = self.find("css selector", "body").await;
        self.ask("GET", &format!("/element/{body}/text"), None).await.as_str().unwrap_or_default().to_owned()
    }

    async fn find(&self, how: &str, what: &str) -> String {
        match self.asked("POST", "/element", Some(json!({ "using": how, "value": what }))).await {
            Ok(found) => found[ELEMENT].as_str().unwrap_or_default().to_owned(),
            Err(error) => {
                let page = self.ask("GET", "/source", None).await;
                panic!("{error}\n{} shows\n{}", self.url().await, page.as_str().unwrap_or_default())
            }
        }
    }

    /// Presses a button by keyboard alone: it takes the focus, then Enter.
    pub async fn press(&self, label: &str) {
        let path = format!("//button[contains(normalize-space(.), {label:?})]");
        let button = self.find("xpath", &path).await;
        self.ask("POST", &format!("/element/{button}/value"), Some(json!({ "text": "\u{e007}" }))).await;
    }

    /// Types into the field of this name.
    pub async fn types(&self, name: &str, text: &str) {
        let field = self.find("css selector", &format!("[name=\"{name}\"]")).await;
        self.ask("POST", &format!("/element/{field}/value"), Some(json!({ "text": text }))).await;
    }

    /// What the page's own console said; a policy that was broken stands there.
    pub async fn script(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", Some(json!({ "script": script, "args": [] }))).await
    }

    /// The same, when its last argument, a function, is called.
    pub async fn script_async(&self, script: &str) -> Value {
        self.ask("POST", "/execute/async", Some(json!({ "script": script, "args": [] }))).await
    }

    /// What the first frame of the page shows; the page again afterwards.
    pub async fn frame_text(&self) -> String {
        self.ask("POST", "/frame", Some(json!({ "id": 0 }))).await;
        let text = self.script("return document.body ? document.body.innerText : \"\"").await;
        self.ask("POST", "/frame/parent", Some(json!({}))).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// A picture of the page, as PNG.
    pub async fn picture(&self) -> Vec<u8> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let text = self.ask("GET", "/screenshot", None).await;
        BASE64_STANDARD.decode(text.as_str().unwrap_or_default()).unwrap()
    }

    /// Ends the browser.
    pub async fn stop(self) {
        self.ask("DELETE", "", None).await;
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        // The browser with its driver: by itself it would stay.
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        drop(self.driver.wait());
    }
}
