//! The caller `machine`: a running Bailiwick's API, called with the local credential of its data folder.

use crate::{Answer, Browser, browser::encoded, bundle};
use identity::{MachineKey, Signing};
use model::{Clock, SystemClock};
use std::path::Path;

/// An app that keeps each text it is sent, and lists the ids of all; its jobs do nothing.
pub const NOTES: &str = r#"export default {
  async fetch(request, env) {
    if (request.method !== "POST") {
      const after = new URL(request.url).searchParams.get("after");
      const { items, next } = await env.data.notes.list({ limit: 200, after });
      return Response.json({ ids: items.map(({ id }) => id), next });
    }
    const kept = await env.data.notes.insert({ text: await request.text() });
    return Response.json({ id: kept.id });
  },
  async scheduled() {},
};"#;

/// Where a Bailiwick serves on loopback, and the key to call it with.
pub struct Machine {
    pub port: u16,
    audience: String,
    key: MachineKey,
}

impl Machine {
    pub(crate) fn of(data: &Path, port: u16, audience: String) -> Self {
        Self { port, audience, key: MachineKey::load(data).unwrap() }
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    #[must_use]
    pub fn app(&self, name: &str) -> String {
        format!("http://{name}.localhost:{}", self.port)
    }

    /// A browser that nobody has used.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.port)
    }

    /// The proof that `machine` sends, for tests that bend it.
    #[must_use]
    pub fn proof(&self, method: &str, path: &str, body: &[u8]) -> String {
        let signing = Signing { system_user: "tester", audience: &self.audience, method, path, body };
        self.key.sign(&signing).unwrap()
    }

    /// Calls the API with the local credential.
    pub async fn machine(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.proof(method, path, body));
        self.browser().send(method, &format!("{}{path}", self.url()), &[("authorization", &bearer)], body).await
    }

    /// The same, where the server may be gone: `None` unless the whole answer arrived.
    pub async fn attempt(&self, browser: &Browser, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let bearer = format!("Bearer {}", self.proof(method, path, body));
        browser.attempt(method, &format!("{}{path}", self.url()), &[("authorization", &bearer)], body).await
    }

    pub async fn post(&self, path: &str, body: serde_json::Value) -> Answer {
        self.machine("POST", path, body.to_string().as_bytes()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.machine("GET", path, b"").await
    }

    /// Deploys the files as `machine`.
    pub async fn deploy(&self, files: &[(&str, &str)]) -> Answer {
        self.machine("POST", "/api/v1/deploy?env=prod", &archive(files)).await
    }

    /// Deploys a template as `machine`.
    pub async fn deploy_template(&self, name: &str, from: &str) -> Answer {
        let archive = bundle(name, from);
        self.machine("POST", "/api/v1/deploy?env=prod", &archive).await
    }

    /// Adds a person, and signs a browser in as them.
    pub async fn person(&self, email: &str, groups: &[&str]) -> Browser {
        let added = self.post("/api/v1/people", serde_json::json!({ "email": email, "groups": groups })).await;
        let link = added.json()["link"].as_str().unwrap_or_else(|| panic!("{added:?}")).to_owned();
        let browser = self.browser();
        let page = browser.get(&link).await;
        assert_eq!(page.status, 200, "{page:?}");
        let signed = browser.post(&link, &[]).await;
        assert_eq!(signed.status, 303, "{signed:?}");
        browser
    }

    /// A list of the API to its end.
    pub async fn whole(&self, list: &str) -> Vec<serde_json::Value> {
        whole(list, async |after: &str| self.get(&format!("/api/v1/{list}?limit=200{after}")).await.json()).await
    }

    /// The whole record as an export.
    pub async fn export(&self) -> Vec<u8> {
        self.get("/api/v1/export").await.body
    }

    /// Every act that took place, by a record that proves itself.
    pub async fn recorded(&self) -> Vec<serde_json::Value> {
        let export = self.export().await;
        let verdict = ledger::verify_export(std::io::Cursor::new(&export), &ledger::Options::default()).unwrap();
        assert!(verdict.ok, "{verdict:?}");
        let lines = export.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{"));
        let events = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
        events.filter(|event| event["outcome"] == "allowed").collect()
    }
}

/// A list to its end, part by part; `ask` adds the words to its address that say after what.
pub async fn whole(list: &str, ask: impl AsyncFn(&str) -> serde_json::Value) -> Vec<serde_json::Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let part = ask(&after).await;
        all.extend(part[list].as_array().unwrap_or_else(|| panic!("{part}")).clone());
        match part["next"].as_str() {
            Some(next) => after = format!("&after={}", encoded(next)),
            None => return all,
        }
    }
}

/// The archive of these files.
#[must_use]
pub fn archive(files: &[(&str, &str)]) -> bytes::Bytes {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), bytes::Bytes::copy_from_slice(text.as_bytes())));
    catalog::Unpacked::of(files).unwrap().pack().unwrap()
}

/// A day so many days ahead, as manifests and secrets say it.
#[must_use]
pub fn ahead(days: u64) -> String {
    let at = SystemClock.now().plus(std::time::Duration::from_secs(days * 86_400)).to_string();
    at[..10].to_owned()
}

/// A manifest of the lowest tier for an app of one file, with more lines after the required ones.
#[must_use]
pub fn manifest(name: &str, more: &str) -> String {
    let expires = SystemClock.now().plus(std::time::Duration::from_secs(80 * 86_400)).to_string();
    format!(
        r#"[app]
name = "{name}"
team = "people-ops"
purpose = "Stands in for an app in tests"
expires = "{}"
class = "internal"
[runtime]
profile = "wasm"
main = "app.js"
{more}
[access]
use = ["everyone"]
"#,
        &expires[..10]
    )
}
