//! A server that works all day: deploys, requests, refusals, revokes and restarts leave no open file, no thread, no
//! memory and no file behind that the next hour would add to, and an event costs the database as much at the end as at
//! the beginning. `cargo xtask long` says how many minutes a day has; without it, a day is a few rounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; what was skipped or measured is said"
)]

use serde_json::json;
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use testkit::{Answer, Browser, Engine, Process, database_bytes, manifest, rounds, soak_for};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Rounds after which everything is warm that will ever be.
const WARM: u32 = 6;
/// Of the app, which come again and again: the code of a few hundred stays open, until others are used later.
const VERSIONS: u32 = 4;
/// How often a request comes again, on a machine that has too much to do at the moment.
const BUSY: u32 = 120;
/// Connections of the client that may be open at the moment of counting, and a thread of the pool.
const SLACK: usize = 12;
/// Restarts cut a long day into so many lives of the same length.
const LIVES: u32 = 4;
/// The second half of a life, and of the day, may hold a tenth more memory than the first, and what an allocator moves.
const MORE_MEMORY: (usize, usize, usize) = (11, 10, 8 << 20);
/// An event may cost a fifth more or less in the second half: tables grow by pages and extents.
const MORE_BYTES: (u64, u64) = (6, 5);

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

/// A busy machine says so, and so does a limit on strangers; whoever asks comes again.
async fn answered<F: Future<Output = Answer>>(ask: impl Fn() -> F, status: u16) {
    let mut answer = ask().await;
    for _ in 0..BUSY {
        if answer.status == status || !matches!(answer.status, 429 | 503 | 504) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        answer = ask().await;
    }
    assert_eq!(answer.status, status, "{answer:?}");
}

async fn work(town: &Process, ana: &Browser, round: u32) {
    let more = "limits = { cpu = \"200ms\" }\n[data.notes]\nretain = \"30d\"\nfields.text = { class = \"internal\" }";
    let (text, code) = (manifest("soak", more), APP.replace("VERSION", &format!("version {}", round % VERSIONS)));
    let deployed = town.deploy(&[("bailiwick.toml", &text), ("app.js", &code)]).await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    let url = town.app("soak");
    for (path, status) in [("/", 200), ("/throw", 500), ("/loop", 503), ("/refused", 200), ("/", 200), ("/", 200)] {
        let url = format!("{url}{path}");
        answered(|| ana.open(&url), status).await;
    }
    let (stranger, page) = (town.browser(), format!("{url}/"));
    answered(|| stranger.get(&page), 303).await;
    assert_eq!(town.get("/api/v1/apps/soak").await.status, 200);
    assert_eq!(town.get("/api/v1/events?limit=20").await.status, 200);
    if round.is_multiple_of(2) {
        assert_eq!(town.post("/api/v1/apps/soak/revoke", json!({ "why": "a pause" })).await.status, 200);
        assert_eq!(ana.get(&format!("{url}/")).await.status, 410);
        assert_eq!(town.post("/api/v1/apps/soak/restore", json!({ "why": "on again" })).await.status, 200);
    }
}

/// How far the record is, and how large the database.
#[derive(Debug, Clone, Copy)]
struct Grown {
    events: u64,
    bytes: u64,
}

impl Grown {
    async fn of(town: &Process) -> Self {
        Self { events: verified(town).await, bytes: database_bytes(&town.data(), town.database.as_ref()).await }
    }

    fn bytes_an_event(self, since: Self) -> u64 {
        (self.bytes - since.bytes) / (self.events - since.events).max(1)
    }
}

/// How many entries the log has; it verifies.
async fn verified(town: &Process) -> u64 {
    let output = town.run(&["audit", "verify", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["size"].as_u64().unwrap()
}

fn median(all: &[Held], of: impl Fn(&Held) -> usize) -> usize {
    let mut all: Vec<usize> = all.iter().map(of).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// The second half holds what the first held.
fn is_flat(what: &str, first: &[Held], second: &[Held]) {
    for (name, of) in [("files", (|held| held.files) as fn(&Held) -> usize), ("threads", |held| held.threads)] {
        let (before, after) = (median(first, of), median(second, of));
        assert!(after <= before + SLACK, "{what}: open {name}: {before}, then {after}");
    }
    let (before, after) = (median(first, |held| held.resident_bytes), median(second, |held| held.resident_bytes));
    let (times, of, more) = MORE_MEMORY;
    println!("{what}: {} MiB in the first half, {} in the second", before >> 20, after >> 20);
    assert!(after <= before * times / of + more, "{what}: memory: {before}, then {after}");
}

async fn a_long_day(engine: Engine, lasts: Duration) {
    let mut town = Process::start(BINARY, engine, "", "warn").await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    let (mut round, mut day, mut grown) = (0, Vec::new(), Vec::new());
    for life in 0..LIVES {
        for _ in 0..WARM {
            round += 1;
            work(&town, &ana, round).await;
        }
        if life == 0 {
            grown.push(Grown::of(&town).await);
        }
        let (began, mut held) = (Instant::now(), Vec::new());
        while began.elapsed() < lasts / LIVES || held.len() < 4 {
            round += 1;
            work(&town, &ana, round).await;
            held.push(Held::of(&town));
        }
        let (first, second) = held.split_at(held.len() / 2);
        is_flat(&format!("{engine:?}, life {life}, {} rounds", held.len()), first, second);
        held[held.len() - 1].stays_within(held[0]);
        day.push(held);
        if life % (LIVES / 2) == LIVES / 2 - 1 {
            grown.push(Grown::of(&town).await);
        }
        town.stop().await;
        town.again().await;
    }
    let (first, second) = day.split_at(day.len() / 2);
    is_flat(&format!("{engine:?}, the day, {round} rounds"), &first.concat(), &second.concat());
    let [begun, noon, evening] = grown[..] else { panic!("{grown:?}") };
    let (before, after) = (noon.bytes_an_event(begun), evening.bytes_an_event(noon));
    println!("{engine:?}: {} events, {before} bytes for each in the first half, {after} in the second", evening.events);
    let (times, of) = MORE_BYTES;
    assert!(after <= before * times / of && before <= after * times / of, "bytes for an event: {grown:?}");
    assert!(verified(&town).await >= evening.events);
    town.stop().await;
    // On a machine that has too much to do, a cut may have gone to the journal first: the record has it by now.
    let errors = town.errors();
    let wrong = |line: &&str| line.contains("ERROR") && !line.contains("did not answer in time");
    assert_eq!(errors.lines().find(wrong), None, "{errors}");
}

async fn soaks(engine: Engine) {
    if let Some(lasts) = soak_for() {
        a_long_day(engine, lasts).await;
        return;
    }
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
    verified(&town).await;
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
