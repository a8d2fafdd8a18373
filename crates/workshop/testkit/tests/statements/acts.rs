//! The kinds of acts, and how one sees whether each took place.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::{Browser, Town, archive, manifest, until};

const NOTES: &str = r#"export default {
  async fetch(request, env) {
    if (request.method !== "POST") {
      const { items } = await env.data.notes.list({ limit: 500 });
      return Response.json(items.map((item) => item.text));
    }
    await env.data.notes.insert({ text: await request.text() });
    return new Response("kept");
  },
};"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    AddPerson,
    ChangeGroups,
    PutSecret,
    Deploy,
    Restore,
    /// An app writes a record.
    Note,
    /// Takes authority away: never refused.
    Revoke,
    Disable,
}

impl Act {
    pub(crate) const ALL: [Self; 8] = [
        Self::AddPerson,
        Self::ChangeGroups,
        Self::PutSecret,
        Self::Deploy,
        Self::Restore,
        Self::Note,
        Self::Revoke,
        Self::Disable,
    ];

    const fn is_cut(self) -> bool {
        matches!(self, Self::Revoke | Self::Disable)
    }
}

fn app(name: &str, more: &str, code: &str) -> bytes::Bytes {
    archive(&[("bailiwick.toml", &format!("{}{more}", manifest(name, ""))), ("app.js", code)])
}

/// Asks until it is done: a connection that the last fault cut may be met once more, and be the one that told of it.
pub(crate) async fn settled(mut ask: impl AsyncFnMut() -> testkit::Answer) {
    until("it is done", async || {
        let answer = ask().await;
        assert!(matches!(answer.status, 200 | 409 | 500..), "{answer:?}");
        matches!(answer.status, 200 | 409)
    })
    .await;
}

/// What was asked for: each name is used once.
pub(crate) struct Load {
    ana: Browser,
    n: u32,
}

impl Load {
    pub(crate) async fn begin(town: &Town) -> Self {
        let data = "[data.notes]\nretain = \"30d\"\nfields.text = { class = \"internal\" }\n";
        let deployed = town.machine("POST", "/api/v1/deploy?env=prod", &app("notes", data, NOTES)).await;
        assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
        let ana = town.person("ana@example.test", &["staff"]).await;
        assert_eq!(ana.open(&format!("{}/", town.app("notes"))).await.status, 200);
        Self { ana, n: 0 }
    }

    fn name(&self) -> String {
        format!("x{}", self.n)
    }

    fn email(&self) -> String {
        format!("p{}@example.test", self.n)
    }

    async fn deploy(&self, town: &Town) -> testkit::Answer {
        let code = "export default { fetch() { return new Response('ok'); } };";
        town.machine("POST", "/api/v1/deploy?env=prod", &app(&self.name(), "", code)).await
    }

    /// Whatever the next act needs, without a fault.
    pub(crate) async fn prepare(&mut self, town: &Town, act: Act) {
        self.n += 1;
        match act {
            Act::AddPerson | Act::PutSecret | Act::Deploy | Act::Note => {}
            Act::ChangeGroups | Act::Disable => {
                settled(async || {
                    town.post("/api/v1/people", json!({ "email": self.email(), "groups": ["staff"] })).await
                })
                .await;
            }
            Act::Revoke | Act::Restore => {
                settled(async || self.deploy(town).await).await;
                if act == Act::Restore {
                    let path = format!("/api/v1/apps/{}/revoke", self.name());
                    let receipt = town.post(&path, json!({ "why": "to be restored" })).await;
                    assert_eq!(receipt.status, 200, "{receipt:?}");
                    // Where that connection was met, the record has it a moment later.
                    let done = format!("/api/v1/events/{}", receipt.json()["done_event"].as_str().unwrap());
                    until("it is in the record", async || town.get(&done).await.status == 200).await;
                }
            }
        }
    }

    /// Whether it was acknowledged. A refusal is in plain words; a cut is none.
    pub(crate) async fn perform(&self, town: &Town, act: Act) -> bool {
        let name = self.name();
        let answer = match act {
            Act::AddPerson => town.post("/api/v1/people", json!({ "email": self.email(), "groups": ["staff"] })).await,
            Act::ChangeGroups => {
                let body = json!({ "email": self.email(), "join": ["choir"], "leave": [] });
                town.post("/api/v1/people/groups", body).await
            }
            Act::PutSecret => {
                let body = json!({ "app": name, "owner": "people-ops", "purpose": "kept", "expires": testkit::ahead(60),
                    "hosts": ["a.example"], "value": "0123456789abcdef" });
                let path = format!("/api/v1/secrets/people-ops/{name}");
                town.machine("PUT", &path, body.to_string().as_bytes()).await
            }
            Act::Deploy => self.deploy(town).await,
            Act::Restore => town.post(&format!("/api/v1/apps/{name}/restore"), json!({ "why": "mended" })).await,
            Act::Note => {
                let headers = [("sec-fetch-site", "same-origin")];
                self.ana.send("POST", &format!("{}/", town.app("notes")), &headers, name.as_bytes()).await
            }
            Act::Revoke => town.post(&format!("/api/v1/apps/{name}/revoke"), json!({ "why": "enough" })).await,
            Act::Disable => town.post("/api/v1/people/disable", json!({ "email": self.email() })).await,
        };
        let done = answer.status == 200;
        assert!(done || !act.is_cut(), "a cut was refused: {answer:?}");
        assert!(done || answer.status >= 500, "{act:?}: {answer:?}");
        assert!(!answer.text().contains("refused by the test"), "{act:?}: {answer:?}");
        done
    }

    pub(crate) async fn is_there(&self, town: &Town, act: Act) -> bool {
        let (name, email) = (self.name(), self.email());
        match act {
            Act::AddPerson => people(town).await.contains_key(&email),
            Act::ChangeGroups => people(town).await[&email]["groups"].to_string().contains("choir"),
            Act::Disable => people(town).await[&email]["enabled"] == false,
            Act::PutSecret => {
                let id = format!("people-ops/{name}");
                listed(town, "secrets").await.iter().any(|secret| secret["id"] == id.as_str())
            }
            Act::Deploy => apps(town).await.contains_key(&name),
            Act::Restore => apps(town).await[&name] == "live",
            Act::Revoke => apps(town).await[&name] == "revoked",
            Act::Note => self.notes(town).await.contains(&name),
        }
    }

    async fn notes(&self, town: &Town) -> BTreeSet<String> {
        let mut found = Value::Null;
        until("the app answers", async || {
            let answer = self.ana.open(&format!("{}/", town.app("notes"))).await;
            found = if answer.status == 200 { answer.json() } else { Value::Null };
            answer.status == 200
        })
        .await;
        found.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// State and record say the same, and the record proves itself.
    pub(crate) async fn holds(&self, town: &Town) {
        // A receipt that met a fault is due for a while, where other nodes may be.
        until("each receipt is written", async || {
            let so_far = happened(town).await;
            so_far.get("app.revoke") == so_far.get("app.revoke.done")
        })
        .await;
        let happened = happened(town).await;
        let (people, apps, notes) = (people(town).await, apps(town).await, self.notes(town).await);
        let secrets = listed(town, "secrets").await.len();
        let joined = people.values().filter(|person| person["groups"].to_string().contains("choir")).count();
        let off = people.values().filter(|person| person["enabled"] == false).count();
        let restored = happened.get("app.restore").copied().unwrap_or(0);
        let revoked = apps.values().filter(|state| *state == "revoked").count() + restored;
        for (action, there) in [
            ("person.add", people.len()),
            ("person.groups", joined),
            ("person.disable", off),
            ("secret.put", secrets),
            ("app.deploy", apps.len()),
            ("app.revoke", revoked),
            ("app.revoke.done", revoked),
            ("data.write", notes.len()),
        ] {
            assert_eq!(happened.get(action).copied().unwrap_or(0), there, "`{action}`: events and state differ");
        }
    }
}

/// How often each act took place, by a record that proves itself.
pub(crate) async fn happened(town: &Town) -> BTreeMap<String, usize> {
    let mut happened: BTreeMap<String, usize> = BTreeMap::new();
    for event in town.recorded().await {
        *happened.entry(event["action"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    happened
}

/// A list of the API. Right after a fault, another connection that it cut may be met: asked for until it is answered.
async fn listed(town: &Town, list: &str) -> Vec<Value> {
    let mut found = None;
    until(list, async || {
        let answer = town.get(&format!("/api/v1/{list}?limit=1000")).await;
        assert!(matches!(answer.status, 200 | 500..), "{answer:?}");
        found = answer.json()[list].as_array().cloned();
        found.is_some()
    })
    .await;
    found.unwrap()
}

pub(crate) async fn people(town: &Town) -> BTreeMap<String, Value> {
    let people = listed(town, "people").await;
    people.into_iter().map(|person| (person["email"].as_str().unwrap().to_owned(), person)).collect()
}

/// Name and state of each.
async fn apps(town: &Town) -> BTreeMap<String, String> {
    let apps = listed(town, "apps").await;
    let state = |app: &Value| app["environments"][0]["state"].as_str().unwrap_or_default().to_owned();
    apps.iter().map(|app| (app["app"].as_str().unwrap().to_owned(), state(app))).collect()
}
