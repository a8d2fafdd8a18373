//! What `/metrics` says is what the record holds: each act, app, outcome and surface, to the last one, on both databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::{Browser, Engine, Process, Upstream, manifest};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");

const APP: &str = r#"export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname;
    if (path === "/throw") throw new Error("on purpose");
    if (path === "/elsewhere") try { await fetch("https://elsewhere.example/"); } catch { return new Response("refused"); }
    if (path === "/misplaced") try {
      await fetch("https://slack.com/echo", { method: "POST", body: env.SLACK_TOKEN });
    } catch { return new Response("refused"); }
    if (path === "/call") return fetch("https://slack.com/echo", {
      method: "POST", headers: { authorization: `Bearer ${env.SLACK_TOKEN}` }, body: "hello",
    });
    const note = await env.data.notes.insert({ text: "a note" });
    await env.data.notes.get(note.id);
    if (path === "/gone") await env.data.notes.delete(note.id);
    return Response.json(await env.data.notes.list({}));
  },
};"#;

const MORE: &str = r#"
[secrets.SLACK_TOKEN]
id = "people-ops/slack-bot"
[connect.slack]
host = "slack.com"
methods = ["POST"]
paths = ["/echo"]
secret = "SLACK_TOKEN"
why = "Echoes what it was sent"
[data.notes]
retain = "30d"
fields.text = { class = "internal" }
"#;

/// Counts by the labels of a line: `surface`, `action`, `app`, `outcome`.
type Counts = BTreeMap<String, u64>;

fn add(counts: &mut Counts, key: String, more: u64) {
    *counts.entry(key).or_default() += more;
}

/// The samples of one metric, those of zero aside.
fn samples(text: &str, metric: &str) -> Counts {
    let lines = text.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{')?.split_once("} "));
    let all = lines.map(|(labels, value)| (labels.to_owned(), value.parse::<u64>().unwrap()));
    all.filter(|(_, value)| *value > 0).collect()
}

/// Whose an act is, as the documentation for operators says.
fn surface(action: &str) -> &'static str {
    match action.split('.').next().unwrap() {
        "app" if action.starts_with("app.use") => "gateway",
        "app" if action == "app.sign_in" => "identity",
        "person" | "link" | "links" | "session" | "passkey" | "login" | "role" | "provider" | "sign_in" | "oidc"
        | "credential" | "token" | "app_token" => "identity",
        "secret" => "vault",
        "data" => "data",
        "egress" => "broker",
        "app" | "release" | "request" | "waiver" | "receipt" | "job" => "catalog",
        _ => "platform",
    }
}

/// What the metrics must be, from an export that verifies: by the name of each metric.
fn recorded(export: &[u8], until: Timestamp) -> BTreeMap<&'static str, Counts> {
    let verdict = ledger::verify_export(std::io::Cursor::new(export), &ledger::Options::default()).unwrap();
    assert!(verdict.ok, "{verdict:?}");
    let mut all: BTreeMap<&'static str, Counts> = BTreeMap::new();
    for line in export.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let event: Value = serde_json::from_slice(line).unwrap();
        let counted = event["durability"] == "counted";
        // What strangers did is written when its minute is over.
        if !counted && event["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap() > until {
            continue;
        }
        let times = if counted { event["detail"]["count"].as_u64().unwrap() } else { 1 };
        let bytes = event["detail"]["bytes"].as_u64().unwrap_or(0);
        let (action, outcome) = (event["action"].as_str().unwrap(), event["outcome"].as_str().unwrap());
        let app = event["app_id"].as_str().unwrap_or_default();
        let of_app = format!("app=\"{app}\",outcome=\"{outcome}\"");
        let labels = format!("surface=\"{}\",action=\"{action}\",{of_app}", surface(action));
        add(all.entry("bailiwick_events_total").or_default(), labels, times);
        let (events, in_bytes) = match action {
            "app.use" | "app.use_public" => ("bailiwick_requests_total", Some("bailiwick_response_bytes_total")),
            "egress.call" => ("bailiwick_calls_total", Some("bailiwick_call_bytes_total")),
            "secret.use" => ("bailiwick_secret_uses_total", None),
            _ => continue,
        };
        add(all.entry(events).or_default(), of_app.clone(), times);
        if let Some(metric) = in_bytes.filter(|_| bytes > 0) {
            add(all.entry(metric).or_default(), of_app, bytes);
        }
    }
    all
}

async fn refused(town: &Process, browser: &Browser, path: &str, body: &Value) {
    let (url, body) = (format!("{}{path}", town.url()), body.to_string());
    let answer = browser.send("POST", &url, &[("sec-fetch-site", "same-origin")], body.as_bytes()).await;
    assert_eq!(answer.status, 403, "{path}: {answer:?}");
}

/// Something of everything that is counted.
async fn live(town: &Process) {
    let expires = SystemClock.now().plus(std::time::Duration::from_secs(60 * 86_400)).to_string();
    let secret = json!({ "app": "busy", "owner": "people-ops", "purpose": "kept", "expires": &expires[..10],
        "hosts": ["slack.com"], "value": "0123456789abcdef" });
    let path = "/api/v1/secrets/people-ops/slack-bot";
    let put = town.machine("PUT", path, secret.to_string().as_bytes()).await;
    assert_eq!(put.status, 200, "{put:?}");
    let waiting = town.deploy(&[("bailiwick.toml", &manifest("busy", MORE)), ("app.js", APP)]).await;
    let approve = format!("/api/v1/requests/{}/approve", waiting.json()["request"].as_str().unwrap());
    let approved = town.post(&approve, json!({ "why": "looked at it", "break_glass": true })).await;
    assert_eq!(approved.status, 200, "{approved:?}");
    let plain = "export default { fetch() { return new Response('ok'); } };";
    for name in ["calm", "gone"] {
        let deployed = town.deploy(&[("bailiwick.toml", &manifest(name, "")), ("app.js", plain)]).await;
        assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    }
    let ana = town.person("ana@example.test", &["staff"]).await;
    let bo = town.person("bo@example.test", &["staff", "builders"]).await;
    let (busy, calm) = (town.app("busy"), town.app("calm"));
    for path in ["/", "/", "/gone", "/call", "/call", "/elsewhere", "/misplaced"] {
        assert_eq!(ana.open(&format!("{busy}{path}")).await.status, 200, "{path}");
    }
    assert_eq!(ana.open(&format!("{busy}/throw")).await.status, 500);
    assert_eq!(bo.open(&format!("{calm}/")).await.status, 200);
    // Strangers, with and without an app that is there.
    for (url, headers) in [(format!("{busy}/"), &[][..]), (format!("{calm}/"), &[("accept", "application/json")])] {
        for _ in 0..3 {
            assert!(matches!(town.browser().send("GET", &url, headers, b"").await.status, 303 | 401));
        }
    }
    assert_eq!(town.browser().send("GET", &format!("{}/api/v1/apps", town.url()), &[], b"").await.status, 401);
    // Refusals of people who are known.
    for (path, body) in [
        ("/api/v1/apps/busy/revoke", json!({ "why": "not mine" })),
        ("/api/v1/people/disable", json!({ "email": "bo@example.test" })),
        ("/api/v1/apps/busy/restore", json!({ "why": "not mine" })),
    ] {
        refused(town, &ana, path, &body).await;
    }
    for (path, body) in [
        ("/api/v1/apps/calm/revoke", json!({ "why": "a pause" })),
        ("/api/v1/apps/calm/restore", json!({ "why": "on again" })),
        ("/api/v1/apps/gone/retire", json!({})),
        ("/api/v1/people/disable", json!({ "email": "bo@example.test" })),
        ("/api/v1/secrets/people-ops/slack-bot/rotate", json!({ "value": "fedcba9876543210", "env": "prod" })),
        ("/api/v1/apps/busy/revoke", json!({ "why": "enough" })),
    ] {
        let done = town.post(path, body).await;
        assert_eq!(done.status, 200, "{path}: {done:?}");
    }
    for (browser, url) in [(&ana, &busy), (&bo, &calm)] {
        let off = browser.get(&format!("{url}/")).await;
        assert!(off.status >= 300, "{off:?}");
    }
    town.export().await;
}

async fn equal(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start("slack.com", |_| "{\"ok\":true}".to_owned()).await;
    let mut town = Process::start(BINARY, engine, &upstream.config(folder.path()), "warn").await;
    live(&town).await;
    let answer = town.browser().send("GET", &format!("{}/metrics", town.url()), &[], b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (text, until) = (answer.text(), SystemClock.now());
    // What was buffered, and what waits for its minute, is written now.
    town.stop().await;
    town.again().await;
    let recorded = recorded(&town.export().await, until);
    for metric in [
        "bailiwick_events_total",
        "bailiwick_requests_total",
        "bailiwick_response_bytes_total",
        "bailiwick_calls_total",
        "bailiwick_call_bytes_total",
        "bailiwick_secret_uses_total",
    ] {
        assert_eq!(samples(&text, metric), recorded[metric], "{metric}: metrics, and the record");
    }
    let events = &recorded["bailiwick_events_total"];
    for surface in ["gateway", "identity", "vault", "data", "broker", "catalog", "platform"] {
        let labels = format!("surface=\"{surface}\",");
        assert!(events.keys().any(|key| key.starts_with(&labels)), "nothing of `{surface}`: {events:#?}");
    }
    for outcome in ["allowed", "denied", "failed"] {
        assert!(events.keys().any(|key| key.ends_with(&format!("outcome=\"{outcome}\""))), "{outcome}: {events:#?}");
    }
    // A crash leaves a gap on the record, which is counted as well.
    town.kill().await;
    town.again().await;
    let text = town.browser().send("GET", &format!("{}/metrics", town.url()), &[], b"").await.text();
    let gaps = "surface=\"platform\",action=\"record.gap\",app=\"\",outcome=\"failed\"";
    assert_eq!(samples(&text, "bailiwick_events_total").get(gaps), Some(&1), "{text}");
    assert_eq!(town.events("record.gap").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_equal_the_record_on_sqlite() {
    equal(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_equal_the_record_on_postgres() {
    equal(Engine::Postgres).await;
}
