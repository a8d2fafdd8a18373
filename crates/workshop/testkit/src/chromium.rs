//! The real browser of `chrome.rs`, as a photographer and an auditor of pages use it: screens, themes, traffic.
//!
//! It sees what a person sees: styles, focus, content security policy. It also tells every address that it asked for.

use crate::Chrome;
use serde_json::{Value, json};
use std::path::Path;

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

/// One browser with one window, and with what the developer tools tell; gone when dropped.
pub struct Chromium(Chrome);

impl Chromium {
    /// Starts a browser with an empty profile.
    pub async fn start() -> Self {
        let arguments = [
            "--hide-scrollbars",
            "--force-prefers-reduced-motion",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
        ];
        let wanted = json!({ "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" } });
        Self(Chrome::begin(&arguments.map(str::to_owned), wanted).await)
    }

    /// A passkey provider of this machine that says yes.
    pub async fn authenticator(&self) -> String {
        self.0.authenticator().await
    }

    /// That one is lost, with all its passkeys.
    pub async fn loses(&self, authenticator: &str) {
        self.0.ask("DELETE", &format!("/webauthn/authenticator/{authenticator}"), None).await;
    }

    async fn call(&self, path: &str, body: &Value) -> Value {
        self.0.ask("POST", &format!("/{path}"), Some(body.clone())).await
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
        self.0.asked("POST", "/execute/sync", Some(asked)).await.unwrap_or_default()
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

    async fn element(&self, selector: &str) -> String {
        let found = self.call("element", &json!({ "using": "css selector", "value": selector })).await;
        found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str).unwrap().to_owned()
    }

    /// Clicks what a selector finds.
    pub async fn click(&self, selector: &str) {
        let id = self.element(selector).await;
        self.call(&format!("element/{id}/click"), &json!({})).await;
    }

    /// Chooses a file or a folder in a field that takes one.
    pub async fn choose(&self, selector: &str, path: &Path) {
        let id = self.element(selector).await;
        self.call(&format!("element/{id}/value"), &json!({ "text": path })).await;
    }

    /// What is downloaded lies in this folder.
    pub async fn downloads(&self, folder: &Path) {
        let to = json!({ "behavior": "allow", "downloadPath": folder });
        self.devtools("Page.setDownloadBehavior", to).await;
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
