//! Another tenant's rows in the same database: a copy of every row of every table, under the same ids. Whatever is done
//! here, nothing of them is read, changed or deleted; the tables are asked of the database, so that a new one is in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::{Engine, Neighbours, Process, manifest};

/// Tables of which a node forgets old rows, whosesoever: the neighbours' rows are made up, and as old as time.
const BY_AGE: [&str; 1] = ["rate_draws"];
const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");

const APP: &str = r#"export default {
  async fetch(request, env) {
    console.log("a line");
    if (request.method === "POST") await env.data.notes.insert({ text: "one", who: env.user.email });
    const { items } = await env.data.notes.list({ where: { who: env.user.email } });
    return Response.json({ count: await env.data.notes.count({}), items: items.length });
  },
};"#;

fn app(name: &str) -> [(&'static str, String); 2] {
    let more =
        "[data.notes]\nretain = \"30d\"\nfields.text = { class = \"internal\" }\nfields.who = { class = \"personal\" }";
    [
        ("bailiwick.toml", manifest(name, more).replace("\"internal\"\n[runtime]", "\"personal\"\n[runtime]")),
        ("app.js", APP.to_owned()),
    ]
}

async fn deploys(town: &Process, name: &str) {
    let files = app(name);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let deployed = town.deploy(&files).await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
}

/// What the API shows of this tenant, without what each look adds to it.
async fn seen(town: &Process) -> BTreeMap<String, Value> {
    let mut seen = BTreeMap::new();
    for (path, field) in [
        ("/api/v1/apps", "apps"),
        ("/api/v1/people", "people"),
        ("/api/v1/secrets", "secrets"),
        ("/api/v1/requests", "requests"),
        ("/api/v1/waivers", "waivers"),
        ("/api/v1/events?action=app.deploy", "events"),
        ("/api/v1/events?action=person.add", "events"),
        ("/api/v1/apps/notes", "held"),
        ("/api/v1/apps/calls", "held"),
        ("/api/v1/apps/calls", "used"),
        ("/api/v1/apps/notes/logs", "lines"),
    ] {
        let answer = town.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let mut found = answer.json()[field].clone();
        // From when on a node counts is its start.
        for line in found.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            line.remove("since");
        }
        seen.insert(format!("{path} {field}"), found);
    }
    seen
}

async fn keeps_to_its_own(engine: Engine) {
    let mut town = Process::start(BINARY, engine, "", "warn").await;
    deploys(&town, "notes").await;
    deploys(&town, "other").await;
    let put = json!({ "app": "notes", "owner": "people-ops", "purpose": "kept", "expires": testkit::ahead(60), "hosts": ["a.example"], "value": "0123456789abcdef" });
    assert_eq!(town.machine("PUT", "/api/v1/secrets/people-ops/kept", put.to_string().as_bytes()).await.status, 200);
    let waived = json!({ "app": "notes", "code": "policy.retention", "until": testkit::ahead(30), "why": "looked", "break_glass": true });
    assert_eq!(town.post("/api/v1/waivers", waived).await.status, 200);
    let waiting = town.deploy_template("waits", "poll-notify").await;
    assert_eq!(waiting.status, 202, "{waiting:?}");
    let calls = town.deploy_template("calls", "poll-notify").await.json();
    let approve = format!("/api/v1/requests/{}/approve", calls["request"].as_str().unwrap());
    assert_eq!(town.post(&approve, json!({ "why": "looked", "break_glass": true })).await.status, 200);
    let ana = town.person("ana@example.test", &["staff", "operators"]).await;
    let url = format!("{}/", town.app("notes"));
    let same = [("sec-fetch-site", "same-origin")];
    assert_eq!(ana.open(&url).await.status, 200);
    assert_eq!(ana.send("POST", &url, &same, b"").await.json()["count"], 1);
    assert_eq!(town.post("/api/v1/apps/other/retire", json!({})).await.status, 200);
    let before = seen(&town).await;
    town.stop().await;

    let neighbours = Neighbours::move_in(&town).await;
    let theirs = neighbours.rows().await;
    assert!(theirs.len() >= 25 && theirs.values().all(|rows| !rows.is_empty()), "{theirs:?}");
    town.again().await;
    assert_eq!(seen(&town).await, before, "what the neighbours have is seen");
    assert_eq!(ana.open(&url).await.json(), json!({ "count": 1, "items": 1 }));

    // Everything that changes rows.
    assert_eq!(ana.send("POST", &url, &same, b"").await.json()["count"], 2);
    deploys(&town, "notes").await;
    deploys(&town, "third").await;
    town.person("ben@example.test", &["staff"]).await;
    let done = [
        ("/api/v1/people/groups", json!({ "email": "ana@example.test", "join": ["auditors"], "leave": ["operators"] })),
        ("/api/v1/people/disable", json!({ "email": "ben@example.test" })),
        ("/api/v1/secrets/people-ops/kept/rotate", json!({ "value": "fedcba9876543210" })),
        ("/api/v1/secrets/people-ops/kept/revoke", json!({ "why": "enough" })),
        ("/api/v1/apps/notes/rollback", json!({ "to": 1 })),
        ("/api/v1/apps/notes/revoke", json!({ "why": "enough" })),
        ("/api/v1/apps/notes/restore", json!({ "why": "on again" })),
    ];
    for (path, body) in done {
        let answer = town.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    let reject = format!("/api/v1/requests/{}/reject", waiting.json()["request"].as_str().unwrap());
    assert_eq!(town.post(&reject, json!({ "why": "not now" })).await.status, 200);
    assert_eq!(ana.send("POST", &format!("{}/sign-out", town.url()), &same, b"").await.status, 303);
    assert_eq!(town.post("/api/v1/apps/notes/retire", json!({})).await.status, 200);
    let verdict = town.run(&["audit", "verify", "--json"]).await;
    assert!(verdict.status.success(), "{verdict:?}");
    town.stop().await;
    let after = neighbours.rows().await;
    for (table, rows) in theirs.iter().filter(|(table, _)| !BY_AGE.contains(&table.as_str())) {
        assert_eq!(Some(rows), after.get(table), "rows of `{table}` that belong to another tenant changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_table_is_shared_on_sqlite() {
    keeps_to_its_own(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_table_is_shared_on_postgres() {
    keeps_to_its_own(Engine::Postgres).await;
}
