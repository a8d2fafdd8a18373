//! A server that works all day: deploys, requests, refusals, revokes and restarts leave no open file, no thread, no
//! memory and no file behind that the next hour would add to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::json;
use std::{fs, path::Path};
use testkit::{Browser, Engine, Process, manifest, rounds};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Rounds after which everything is warm that will ever be.
const WARM: u32 = 6;
/// Connections of the client that may be open at the moment of counting, and a thread of the pool.
const SLACK: usize = 12;
/// What an allocator may hold back.
const SLACK_BYTES: usize = 48 << 20;

const APP: &str = r#"export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname;
    if (path === "/throw") throw new Error("VERSION");
    if (path === "/loop") for (;;);
    if (path === "/refused") try { await fetch("https://elsewhere.example/"); } catch { return new Response("refused"); }
    await env.data.notes.insert({ text: "VERSION" });
    return Response.json({ count: await env.data.notes.count({}), filler: "x".repeat(100000) });
  },
};"#;

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    files: usize,
    threads: usize,
    resident_bytes: usize,
    /// In the data folder, the cache aside: a release leaves its compiled code there.
    on_disk: usize,
}

impl Held {
    fn of(town: &Process) -> Self {
        let process = format!("/proc/{}", town.id());
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
        Self {
            files: fs::read_dir(format!("{process}/fd")).unwrap().count(),
            threads: fs::read_dir(format!("{process}/task")).unwrap().count(),
            resident_bytes: kilobytes << 10,
            on_disk: count(&town.data()),
        }
    }

    fn stays_within(self, before: Self) {
        assert!(self.files <= before.files + SLACK, "open files: {before:?}, then {self:?}");
        assert!(self.threads <= before.threads + SLACK, "threads: {before:?}, then {self:?}");
        assert!(
            self.resident_bytes <= before.resident_bytes * 3 / 2 + SLACK_BYTES,
            "memory: {before:?}, then {self:?}"
        );
        assert!(self.on_disk <= before.on_disk + 2, "files on disk: {before:?}, then {self:?}");
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).fold(0, |sum, entry| {
        let kind = entry.file_type().unwrap();
        sum + if kind.is_dir() { count(&entry.path()) } else { usize::from(kind.is_file()) }
    })
}

async fn work(town: &Process, ana: &Browser, round: u32) {
    let more = "limits = { cpu = \"200ms\" }\n[data.notes]\nretain = \"30d\"\nfields.text = { class = \"internal\" }";
    let (text, code) = (manifest("soak", more), APP.replace("VERSION", &format!("round {round}")));
    let deployed = town.deploy(&[("bailiwick.toml", &text), ("app.js", &code)]).await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    let url = town.app("soak");
    for (path, status) in [("/", 200), ("/throw", 500), ("/loop", 503), ("/refused", 200), ("/", 200), ("/", 200)] {
        let answer = ana.open(&format!("{url}{path}")).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    assert_eq!(town.browser().get(&format!("{url}/")).await.status, 303);
    assert_eq!(town.get("/api/v1/apps/soak").await.status, 200);
    assert_eq!(town.get("/api/v1/events?limit=20").await.status, 200);
    if round.is_multiple_of(2) {
        assert_eq!(town.post("/api/v1/apps/soak/revoke", json!({ "why": "a pause" })).await.status, 200);
        assert_eq!(ana.get(&format!("{url}/")).await.status, 410);
        assert_eq!(town.post("/api/v1/apps/soak/restore", json!({ "why": "on again" })).await.status, 200);
    }
}

async fn soaks(engine: Engine) {
    let mut town = Process::start(BINARY, engine, "", "warn").await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    let (mut round, mut first) = (0, None);
    for life in 0..2 {
        for _ in 0..WARM {
            round += 1;
            work(&town, &ana, round).await;
        }
        let before = Held::of(&town);
        for _ in 0..rounds(4) {
            round += 1;
            work(&town, &ana, round).await;
        }
        Held::of(&town).stays_within(before);
        // The next life begins with what this one left, and needs no more.
        before.stays_within(*first.get_or_insert(before));
        if life == 0 {
            town.stop().await;
            town.again().await;
        }
    }
    let verdict = town.run(&["audit", "verify", "--json"]).await;
    assert!(verdict.status.success(), "{verdict:?}");
    town.stop().await;
    let errors = town.errors();
    assert!(!errors.contains("ERROR"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_on_sqlite_leaves_nothing_behind() {
    soaks(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_on_postgres_leaves_nothing_behind() {
    soaks(Engine::Postgres).await;
}
