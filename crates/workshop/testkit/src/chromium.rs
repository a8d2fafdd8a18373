//! A real browser: Debian's Chromium, without a window, driven over WebDriver (W3C) by plain HTTP.
//!
//! It sees what a person sees: styles, focus, content security policy. It also tells every address that it asked for.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

const DRIVER: &str = "chromedriver";

/// How wide and how bright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Phone,
    Desk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Light {
    Day,
    Night,
}

impl Screen {
    pub const ALL: [Self; 2] = [Self::Phone, Self::Desk];

    const fn size(self) -> (u32, u32) {
        match self {
            Self::Phone => (390, 844),
            Self::Desk => (1280, 900),
        }
    }
}

impl Light {
    pub const ALL: [Self; 2] = [Self::Day, Self::Night];
}

/// One browser with one window; gone when dropped.
pub struct Chromium {
    driver: Child,
    client: reqwest::Client,
    session: String,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The browser is the driver's child, and goes with it.
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

impl Chromium {
    /// Starts a driver and a browser with an empty profile.
    ///
    /// # Panics
    /// When `chromedriver` or `chromium` is not installed: `cargo xtask setup` does that.
    pub async fn start() -> Self {
        let mut driver = Command::new(DRIVER)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`chromedriver` is there: run `cargo xtask setup`");
        let said = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut port = said.filter_map(|line| line.split("successfully on port ").nth(1).map(str::to_owned));
        let port = port.next().expect("chromedriver says its port");
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let at = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-prefers-reduced-motion",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" },
        } } });
        let made: Value =
            client.post(format!("{at}/session")).json(&wanted).send().await.unwrap().json().await.unwrap();
        let id = made["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {made}"));
        let session = format!("{at}/session/{id}");
        Self { driver, client, session }
    }

    async fn call(&self, path: &str, body: &Value) -> Value {
        let response = self.client.post(format!("{}/{path}", self.session)).json(body).send().await.unwrap();
        let value: Value = response.json().await.unwrap();
        assert!(value["value"]["error"].is_null(), "{path}: {value}");
        value["value"].clone()
    }

    /// Opens an address, and waits until it is loaded.
    pub async fn go(&self, url: &str) {
        self.call("url", &json!({ "url": url })).await;
    }

    /// The value of a script, run in the page as the developer tools do: the page's own policy does not hold for it.
    pub async fn run(&self, script: &str) -> Value {
        self.call("execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// The same, or nothing while the page gives way to another.
    pub async fn ask(&self, script: &str) -> Value {
        let asked = json!({ "script": script, "args": [] });
        let response = self.client.post(format!("{}/execute/sync", self.session)).json(&asked).send().await.unwrap();
        let value: Value = response.json().await.unwrap();
        if value["value"]["error"].is_null() { value["value"].clone() } else { Value::Null }
    }

    /// The same, when its last argument, a function, is called.
    pub async fn run_async(&self, script: &str) -> Value {
        self.call("execute/async", &json!({ "script": script, "args": [] })).await
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.call("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }

    /// Which screen, and what the person set their machine to.
    pub async fn look(&self, screen: Screen, light: Light) {
        let (width, height) = screen.size();
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == Screen::Phone });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if light == Light::Night { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// The whole page as a picture, into a file.
    pub async fn photograph(&self, file: &Path) {
        let taken =
            self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "format": "png" })).await;
        let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, taken["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// Presses keys, one after another; `\u{e004}` is Tab, `\u{e007}` Enter.
    pub async fn keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        self.call("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] })).await;
    }

    /// Clicks what a selector finds.
    pub async fn click(&self, selector: &str) {
        let found = self.call("element", &json!({ "using": "css selector", "value": selector })).await;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str).unwrap().to_owned();
        self.call(&format!("element/{id}/click"), &json!({})).await;
    }

    /// Every address that was asked for since the last time, and what the console complained about.
    pub async fn traffic(&self) -> (Vec<String>, Vec<String>) {
        let log = self.call("se/log", &json!({ "type": "performance" })).await;
        let events = log.as_array().into_iter().flatten();
        let messages = events.filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let sent = messages.filter(|message| message["message"]["method"] == "Network.requestWillBeSent");
        let addresses =
            sent.filter_map(|message| Some(message["message"]["params"]["request"]["url"].as_str()?.to_owned()));
        let addresses = addresses.collect();
        let log = self.call("se/log", &json!({ "type": "browser" })).await;
        let said = log.as_array().into_iter().flatten().filter_map(|entry| Some(entry["message"].as_str()?.to_owned()));
        (addresses, said.collect())
    }
}
