//! A secret's value is put, used and echoed back, and looked for in every place where it must not be: answers, pages,
//! the record, the app's log, the server's own log at its loudest, every file and every table, and the memory of the
//! code that used it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::json;
use std::{path::Path, time::Duration};
use testkit::{Arrived, Browser, Canary, Engine, Memory, Process, Upstream, dump, manifest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Characters that each encoding writes otherwise.
const VALUE: &str = "xq7+Canary/4815162342=zebra~Fjord&09Kp%wV!never.seen";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Tries everything that code in the sandbox can reach, and shows, prints and throws what it finds.
const APP: &str = r#"
const ask = (env) => fetch("https://slack.com/echo", {
  method: "POST", headers: { authorization: `Bearer ${env.SLACK_TOKEN}` }, body: "hello",
});
function reach(root) {
  const seen = new Set(), found = [];
  const walk = (value, depth) => {
    if (value === null || depth > 6 || found.length > 20000) return;
    if (typeof value !== "object" && typeof value !== "function") { found.push(String(value)); return; }
    if (seen.has(value)) return;
    seen.add(value);
    found.push(Object.prototype.toString.call(value));
    for (const key of Reflect.ownKeys(value)) {
      found.push(String(key));
      try { walk(value[key], depth + 1); } catch (error) { found.push(String(error), String(error.stack)); }
    }
    walk(Reflect.getPrototypeOf(value), depth + 1);
  };
  walk(root, 0);
  return found.join("\n");
}
export default {
  async fetch(request, env, ctx) {
    const path = new URL(request.url).pathname;
    if (path === "/refused") {
      try { await fetch("https://slack.com/echo", { method: "POST", body: env.SLACK_TOKEN }); }
      catch (error) { return new Response(error.message + error.stack + reach(error)); }
    }
    const answer = await ask(env);
    const text = await answer.text();
    const seen = [text, JSON.stringify([...answer.headers]), JSON.stringify(env), reach(globalThis), reach(env), reach(ctx), reach(answer), reach(request)].join("\n");
    console.log(seen.slice(0, 4000)); console.error(text);
    if (path === "/throw") throw new Error(seen.slice(0, 4000));
    if (path === "/hold") {
      // Written nowhere else: it shows where this memory is.
      const marker = Uint8Array.from({ length: 64 }, (_, i) => (i * 37 + 11) & 255);
      const all = [seen, marker];
      return new Response(new ReadableStream({
        start(out) { out.enqueue(new TextEncoder().encode("HOLDING")); },
        async pull(out) { await new Promise((done) => setTimeout(done, 50000)); out.enqueue(all[1]); out.close(); },
      }));
    }
    return new Response(seen);
  },
};"#;

fn marker() -> Vec<u8> {
    (0..64u32).map(|i| u8::try_from((i * 37 + 11) & 255).unwrap()).collect()
}

fn echo(arrived: &Arrived) -> String {
    let sent = arrived.headers.iter().find(|(name, _)| name == "authorization").map_or("", |(_, value)| value);
    let value = sent.strip_prefix("Bearer ").unwrap_or_default();
    format!("{sent} {} {value}{value}", Canary::echo(value))
}

fn text() -> String {
    let more = r#"limits = { time = "60s", cpu = "5s" }
[secrets.SLACK_TOKEN]
id = "people-ops/slack-bot"
[connect.slack]
host = "slack.com"
methods = ["POST"]
paths = ["/echo"]
secret = "SLACK_TOKEN"
why = "Echoes what it was sent""#;
    manifest("canary", more)
}

struct Walk<'a> {
    town: &'a Process,
    canary: &'a Canary,
}

impl Walk<'_> {
    /// Calls as `machine`, and looks at what comes back.
    async fn machine(&self, method: &str, path: &str, body: &str) -> testkit::Answer {
        let answer = self.town.machine(method, path, body.as_bytes()).await;
        self.canary.is_not_in(&format!("the answer to {method} {path}"), format!("{answer:?}").as_bytes());
        answer
    }

    async fn page(&self, browser: &Browser, url: &str) -> testkit::Answer {
        let answer = browser.open(url).await;
        self.canary.is_not_in(url, format!("{answer:?}").as_bytes());
        answer
    }

    /// Puts the value, after several tries that are refused with it in hand.
    async fn put(&self) {
        let path = "/api/v1/secrets/people-ops/slack-bot";
        let put = |expires: &str, hosts: &[&str], attach: Option<&str>| {
            json!({ "app": "canary", "owner": "people-ops", "purpose": "echoes", "expires": expires, "hosts": hosts, "attach": attach, "value": VALUE }).to_string()
        };
        let expires = &text()[text().find("expires = \"").unwrap() + 11..][..10].to_owned();
        let wrong = [
            put("soon", &["slack.com"], None),
            put(expires, &["*"], None),
            put(expires, &["slack.com"], Some("cookie")),
            format!("{{\"value\": \"{VALUE}\""),
            format!("\"{VALUE}\""),
            put(expires, &["slack.com"], None).replace("\"owner\"", "\"ower\""),
        ];
        for body in wrong {
            let refused = self.machine("PUT", path, &body).await;
            assert!((400..500).contains(&refused.status), "{refused:?}");
        }
        let stranger = self
            .town
            .browser()
            .send("PUT", &format!("{}{path}", self.town.url()), &[], put(expires, &["slack.com"], None).as_bytes())
            .await;
        assert_eq!(stranger.status, 401);
        self.canary.is_not_in("the answer to a stranger", format!("{stranger:?}").as_bytes());
        let done = self.machine("PUT", path, &put(expires, &["slack.com"], None)).await;
        assert_eq!(done.status, 200, "{done:?}");
        assert_eq!(
            self.machine("POST", &format!("{path}/rotate"), &json!({ "value": VALUE, "env": "prod" }).to_string())
                .await
                .status,
            200
        );
    }

    /// Every address of the API that reads, and the console's pages.
    async fn everything(&self, operator: &Browser) {
        let events = self.machine("GET", "/api/v1/events?limit=500", "").await.json();
        let used = events["events"].as_array().unwrap().iter().find(|event| event["action"] == "secret.use");
        let used = used.expect("the use is on the record")["id"].as_str().unwrap().to_owned();
        let document = self.machine("GET", "/api/v1/openapi.json", "").await.json();
        let mut read = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            // What is followed has no end; its lines are those of `logs`.
            if methods.get("get").is_none() || path.contains("{path}") || path.ends_with("/follow") {
                continue;
            }
            let path = match path.contains("/secrets/") {
                true => path.replace("{team}", "people-ops").replace("{name}", "slack-bot"),
                false => path.replace("{name}", "canary").replace("{id}", &used).replace("{tenant}", "main"),
            };
            let answer = self.machine("GET", &path, "").await;
            assert!(answer.status < 500, "{path}: {answer:?}");
            read += usize::from(answer.status == 200);
        }
        assert!(read >= 15, "only {read} addresses answered");
        for page in ["/", "/apps/canary", "/nothing", "/api/v1/nothing"] {
            self.page(operator, &format!("{}{page}", self.town.url())).await;
        }
    }
}

/// The memory of an instance that has used the secret, read the echo, and is kept waiting.
async fn memory(town: &Process, canary: &Canary, ana: &Browser) {
    let mut stream = TcpStream::connect(("127.0.0.1", town.port)).await.unwrap();
    let head = format!(
        "GET /hold HTTP/1.1\r\nhost: canary.localhost:{}\r\ncookie: {}\r\n\r\n",
        town.port,
        ana.cookies("canary.localhost")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("HOLDING") {
        let mut piece = [0; 4096];
        let read =
            tokio::time::timeout(Duration::from_secs(120), stream.read(&mut piece)).await.expect("it answers").unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&piece[..read]);
    }
    let memory = Memory::of(town.id());
    let guests = memory.holding(&marker());
    assert!(!guests.is_empty(), "the app's memory is not found");
    for guest in &guests {
        assert!(
            guest.windows(6).any(|window| window == b"bw-ph-"),
            "the placeholder is there: this is the memory of the code"
        );
        canary.is_not_in("the app's memory", guest);
    }
    drop(stream);
}

fn files(folder: &Path, canary: &Canary, read: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), canary, read);
        } else if kind.is_file() {
            canary.is_not_in(&entry.path().display().to_string(), &std::fs::read(entry.path()).unwrap());
            *read += 1;
        }
    }
}

async fn is_nowhere(engine: Engine) {
    let (folder, canary) = (tempfile::tempdir().unwrap(), Canary::new(VALUE));
    let upstream = Upstream::start("slack.com", echo).await;
    let mut town = Process::start(BINARY, engine, &upstream.config(folder.path()), "trace").await;
    let walk = Walk { town: &town, canary: &canary };
    walk.put().await;
    let waiting = town.deploy(&[("bailiwick.toml", &text()), ("app.js", APP)]).await;
    assert_eq!(waiting.status, 202, "{waiting:?}");
    let approve = format!("/api/v1/requests/{}/approve", waiting.json()["request"].as_str().unwrap());
    assert_eq!(walk.machine("POST", &approve, r#"{"why":"looked at it","break_glass":true}"#).await.status, 200);
    let operator = town.person("op@example.test", &["operators", "builders", "people-ops"]).await;
    let url = town.app("canary");
    let used = walk.page(&operator, &format!("{url}/")).await;
    assert!(used.status == 200 && used.text().contains("bw-ph-"), "{used:?}");
    for (path, status) in [("/refused", 200), ("/throw", 500)] {
        let answer = operator
            .send("GET", &format!("{url}{path}"), &[("accept", "text/html"), ("traceparent", PARENT)], b"")
            .await;
        assert_eq!(answer.status, status, "{answer:?}");
        canary.is_not_in(path, format!("{answer:?}").as_bytes());
    }
    let sent = upstream.arrived();
    assert!(
        sent.len() >= 2
            && sent.iter().all(|one| one.headers.contains(&("authorization".to_owned(), format!("Bearer {VALUE}")))),
        "the value goes out: {sent:?}"
    );
    memory(&town, &canary, &operator).await;
    walk.everything(&operator).await;
    canary.is_not_in("the export", &town.export().await);
    let logs = walk.machine("GET", "/api/v1/apps/canary/logs?limit=1000", "").await;
    assert!(logs.text().contains("bw-ph-") || logs.text().contains("redacted"), "{logs:?}");
    walk.machine("POST", "/api/v1/apps/canary/revoke", r#"{"why":"enough"}"#).await;
    walk.page(&operator, &format!("{}/apps/canary", town.url())).await;
    for arguments in [
        &["secret", "show", "people-ops/slack-bot"][..],
        &["app", "canary"],
        &["logs", "canary"],
        &["audit", "list"],
        &["requests"],
    ] {
        let output = town.run(arguments).await;
        canary.is_not_in(&format!("{arguments:?}"), &[output.stdout, output.stderr].concat());
    }
    // While it runs: what is not yet in the database stands in the journal beside it.
    files(town.folder.path(), &canary, &mut 0);
    town.stop().await;
    let errors = town.errors();
    assert!(errors.lines().count() > 100, "the log is at its loudest");
    assert!(!errors.contains("with parameters"), "what is bound to a statement is in the log");
    canary.is_not_in("standard error", errors.as_bytes());
    canary.is_not_in("standard output", town.said().as_bytes());
    let mut read = 0;
    files(town.folder.path(), &canary, &mut read);
    assert!(read >= 3, "only {read} files");
    if let Some(database) = &town.database {
        let tables = dump(&database.url).await;
        assert!(tables.len() > 20 && tables.iter().any(|(name, rows)| name == "vault_secrets" && !rows.is_empty()));
        for (table, rows) in tables {
            canary.is_not_in(&format!("the table {table}"), &rows);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_is_nowhere_on_sqlite() {
    is_nowhere(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_is_nowhere_on_postgres() {
    is_nowhere(Engine::Postgres).await;
}
