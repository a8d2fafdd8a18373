//! `kill -9` while it works, on both databases: what was acknowledged is there with its event, nothing is half done,
//! what was switched off stays off, and the record verifies against the checkpoint that was seen before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use testkit::{Answer, Browser, Dice, Engine, NOTES, Process, archive, manifest, rounds, until, whole};
use tokio::sync::Notify;

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Clients that ask at the same time.
const WORKERS: usize = 4;
/// Kills at work for each round: three hundred in the long test, over both databases.
const KILLS: u32 = 3;
/// Acts that are acknowledged before a kill, at most.
const ACTS: usize = 24;

/// What the server said yes to.
#[derive(Debug, Default)]
struct Acknowledged {
    people: BTreeSet<String>,
    secrets: BTreeSet<String>,
    deployed: BTreeMap<String, String>,
    /// With the ids that its two events were promised.
    revoked: BTreeMap<String, [String; 2]>,
    notes: BTreeSet<String>,
}

/// What clients share while they ask.
struct Load {
    kept: Mutex<Acknowledged>,
    /// Names are used once, over all rounds.
    next: AtomicUsize,
    left: AtomicUsize,
    enough: Notify,
    over: AtomicBool,
}

fn deployable(name: &str) -> Vec<u8> {
    let text = manifest(name, "assets = \"public\"").replace("\"wasm\"", "\"static\"").replace("app.js", "index.html");
    archive(&[("bailiwick.toml", &text), ("public/index.html", "<!doctype html><title>x</title>")]).to_vec()
}

/// One act, and whether it was acknowledged.
async fn act(town: &Process, asking: (&Browser, &Browser), load: &Load, dice: &mut Dice) -> bool {
    let (api, ana) = asking;
    let n = load.next.fetch_add(1, Ordering::Relaxed);
    let kept = |change: &mut dyn FnMut(&mut Acknowledged)| change(&mut load.kept.lock().unwrap());
    match dice.roll(6) {
        0 => {
            let email = format!("p{n}@example.test");
            let body = json!({ "email": email, "groups": ["staff"] }).to_string();
            let done = town.attempt(api, "POST", "/api/v1/people", body.as_bytes()).await;
            let done = done.filter(|answer| answer.status == 200).is_some();
            kept(&mut |kept| kept.people.extend(done.then(|| email.clone())));
            done
        }
        1 => {
            let id = format!("people-ops/s{n}");
            let body = json!({ "app": format!("later{n}"), "owner": "people-ops", "purpose": "kept", "expires": testkit::ahead(60), "hosts": ["a.example"], "value": "0123456789abcdef" });
            let path = format!("/api/v1/secrets/{id}");
            let done = town.attempt(api, "PUT", &path, body.to_string().as_bytes()).await;
            let done = done.inspect(|answer| assert_eq!(answer.status, 200, "{answer:?}")).is_some();
            kept(&mut |kept| kept.secrets.extend(done.then(|| id.clone())));
            done
        }
        2 => {
            let name = format!("app{n}");
            let done = town.attempt(api, "POST", "/api/v1/deploy?env=prod", &deployable(&name)).await;
            let event = done.filter(|answer| answer.status == 200).map(|answer| text(&answer.json()["event"]));
            kept(&mut |kept| kept.deployed.extend(event.clone().map(|event| (name.clone(), event))));
            event.is_some()
        }
        3 => {
            let candidates: Vec<String> = {
                let kept = load.kept.lock().unwrap();
                kept.deployed.keys().filter(|name| !kept.revoked.contains_key(*name)).cloned().collect()
            };
            if candidates.is_empty() {
                return false;
            }
            let name = &candidates[dice.roll(candidates.len())];
            let path = format!("/api/v1/apps/{name}/revoke");
            let done = town.attempt(api, "POST", &path, br#"{"why":"enough"}"#).await;
            let receipt = done.filter(|answer| answer.status == 200).map(|answer| answer.json());
            // In the record or not yet: it lasts, but for what says that it is kept in memory alone.
            let receipt = receipt.filter(|receipt| receipt["kept"] != "memory");
            let ids = receipt.map(|receipt| ["event", "done_event"].map(|id| text(&receipt[id])));
            kept(&mut |kept| kept.revoked.extend(ids.clone().map(|ids| (name.clone(), ids))));
            ids.is_some()
        }
        _ => {
            let url = format!("{}/", town.app("notes"));
            let done = ana.attempt("POST", &url, &[("sec-fetch-site", "same-origin")], b"a note").await;
            let id = done.filter(|answer| answer.status == 200).map(|answer| text(&answer.json()["id"]));
            kept(&mut |kept| kept.notes.extend(id.clone()));
            id.is_some()
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// Asks until the server is killed, which happens after a number of acts that the dice choose.
async fn work_until_killed(town: &mut Process, load: &Arc<Load>, ana: &Arc<Browser>, dice: &mut Dice) {
    load.left.store(2 + dice.roll(ACTS), Ordering::SeqCst);
    load.over.store(false, Ordering::SeqCst);
    let seeds: Vec<u64> = (0..WORKERS).map(|_| dice.roll(usize::MAX) as u64).collect();
    let shared: &Process = town;
    let working = futures(seeds, |seed| {
        let (load, ana, api) = (Arc::clone(load), Arc::clone(ana), shared.browser());
        async move {
            let mut dice = Dice::new(seed);
            while !load.over.load(Ordering::SeqCst) {
                let done = act(shared, (&api, &ana), &load, &mut dice).await;
                if done
                    && load.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) == Ok(1)
                {
                    load.enough.notify_one();
                }
            }
        }
    });
    let kill = async {
        load.enough.notified().await;
        // From outside, as the machine's own killer would: the others are in the middle of something.
        let killed =
            tokio::process::Command::new("kill").args(["-9", &shared.id().to_string()]).status().await.unwrap();
        assert!(killed.success());
        load.over.store(true, Ordering::SeqCst);
    };
    tokio::join!(working, kill);
    town.kill().await;
}

/// Runs one future for each seed, all at once.
async fn futures<F: Future<Output = ()>>(seeds: Vec<u64>, make: impl Fn(u64) -> F) {
    let [a, b, c, d] = <[u64; WORKERS]>::try_from(seeds).unwrap();
    tokio::join!(make(a), make(b), make(c), make(d));
}

/// Of those that are many by now, so many as can be asked for one by one: others each time.
fn some<T>(all: &BTreeMap<String, T>, turn: usize) -> impl Iterator<Item = (&String, &T)> {
    const SOME: usize = 24;
    let step = all.len() / SOME + 1;
    all.iter().skip(turn % step).step_by(step)
}

/// A node that has just come back, on a machine that is busy, says that it does not serve yet.
async fn page_of(ana: &Browser, url: &str) -> Answer {
    for _ in 0..30 {
        let page = ana.open(url).await;
        if page.status != 503 {
            return page;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    ana.open(url).await
}

/// The ids of all notes, as the app lists them.
async fn notes(town: &Process, ana: &Browser) -> BTreeSet<String> {
    let app = town.app("notes");
    let all = whole("ids", async |after: &str| page_of(ana, &format!("{app}/?all=1{after}")).await.json()).await;
    all.iter().map(text).collect()
}

/// The events of a revoke stand under the ids that were promised, whether or not they did when it was acknowledged.
async fn promised(town: &Process, name: &str, ids: &[String; 2]) {
    for (id, action) in ids.iter().zip(["app.revoke", "app.revoke.done"]) {
        until(name, async || town.get(&format!("/api/v1/events/{id}")).await.json()["action"] == action).await;
    }
}

/// Every act that was acknowledged is there with its event, and every event with what it says.
async fn holds(town: &Process, load: &Load, ana: &Browser, turn: usize) {
    // It is not before what was cut is in the record.
    until("it is ready", async || town.get("/readyz").await.status == 200).await;
    let people = town.whole("people").await;
    let secrets = town.whole("secrets").await;
    let apps = town.whole("apps").await;
    let notes = notes(town, ana).await;
    let named = |all: &[Value], field: &str| all.iter().map(|one| text(&one[field])).collect::<BTreeSet<_>>();
    let state = |name: &str| {
        let app = apps.iter().find(|app| app["app"] == name).unwrap_or_else(|| panic!("`{name}` is gone"));
        text(&app["environments"][0]["state"])
    };
    let (deployed, revoked) = {
        let kept = load.kept.lock().unwrap();
        assert!(named(&people, "email").is_superset(&kept.people), "{people:?}\n{kept:?}");
        assert!(named(&secrets, "id").is_superset(&kept.secrets), "{secrets:?}\n{kept:?}");
        // Each of them: those that were written and never acknowledged make up for none that is lost.
        assert!(notes.is_superset(&kept.notes), "{:?}", kept.notes.difference(&notes).collect::<Vec<_>>());
        (kept.deployed.clone(), kept.revoked.clone())
    };
    for name in deployed.keys() {
        assert_eq!(state(name) == "revoked", state(name) != "live", "{name} is {}", state(name));
    }
    for (name, event) in some(&deployed, turn) {
        assert_eq!(town.get(&format!("/api/v1/events/{event}")).await.json()["action"], "app.deploy", "{name}");
        if state(name) == "live" {
            let page = page_of(ana, &format!("{}/", town.app(name))).await;
            assert!(page.status == 200 && page.text().contains("<title>x</title>"), "{name}: {page:?}");
        }
    }
    for name in revoked.keys() {
        assert_eq!(state(name), "revoked", "{name}");
    }
    for (name, ids) in some(&revoked, turn) {
        let page = page_of(ana, &format!("{}/", town.app(name))).await;
        assert!(matches!(page.status, 403 | 410), "{name}: {page:?}");
        promised(town, name, ids).await;
    }
    let mut happened: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in town.recorded().await {
        happened.entry(text(&event["action"])).or_default().push(event);
    }
    let of = |action: &str| happened.get(action).map_or(&[][..], Vec::as_slice);
    let off = apps.iter().filter(|app| app["environments"][0]["state"] == "revoked");
    let off: BTreeSet<String> = off.map(|app| text(&app["app_id"])).collect();
    let revoked: BTreeSet<String> = of("app.revoke").iter().map(|event| text(&event["app_id"])).collect();
    // One app may have been switched off by two clients; each has its receipt.
    assert_eq!(off, revoked, "what is off, and what the record says is off");
    let all = [
        ("person.add", people.len()),
        ("secret.put", secrets.len()),
        ("app.deploy", apps.len()),
        ("app.revoke.done", of("app.revoke").len()),
        ("data.write", notes.len()),
    ];
    for (action, there) in all {
        assert_eq!(of(action).len(), there, "`{action}`: events and state differ: {:#?}", of(action));
    }
}

/// The record of the running server, with the key and the checkpoint that this client remembers.
async fn verifies(town: &Process, before: &mut u64) {
    let output = town.run(&["audit", "verify", "--json"]).await;
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let size = verdict["size"].as_u64().unwrap();
    assert_eq!((output.status.code(), verdict["ok"].as_bool()), (Some(0), Some(true)), "{verdict}");
    assert!(*before == 0 || verdict["key"] == "remembered", "{verdict}");
    assert!(size > *before, "the log was {before} long: {verdict}");
    *before = size;
}

async fn killed_at_work(engine: Engine) {
    let mut town = Process::start(BINARY, engine, "", "warn").await;
    let more = "[data.notes]\nretain = \"30d\"\nfields.text = { class = \"internal\" }";
    let app = [("bailiwick.toml", &*manifest("notes", more)), ("app.js", NOTES)];
    assert_eq!(town.deploy(&app).await.status, 200);
    let ana = Arc::new(town.person("ana@example.test", &["staff"]).await);
    let url = format!("{}/", town.app("notes"));
    assert_eq!(ana.open(&url).await.status, 200);
    let load = Arc::new(Load {
        kept: Mutex::default(),
        next: AtomicUsize::new(0),
        left: AtomicUsize::new(0),
        enough: Notify::new(),
        over: AtomicBool::new(false),
    });
    let (mut dice, mut size, mut kills) = (Dice::new(7), 0, 0);
    verifies(&town, &mut size).await;
    for _ in 0..rounds(1) * KILLS {
        work_until_killed(&mut town, &load, &ana, &mut dice).await;
        kills += 1;
        // While it starts it may be killed again.
        while dice.roll(2) == 0 {
            if town.again_unless(Duration::from_millis(dice.roll(800) as u64)).await {
                town.kill().await;
            }
        }
        town.again().await;
        holds(&town, &load, &ana, kills).await;
        verifies(&town, &mut size).await;
    }
    let revoked = load.kept.lock().unwrap().revoked.clone();
    for (name, ids) in &revoked {
        promised(&town, name, ids).await;
    }
    let kept = load.kept.lock().unwrap();
    assert!(kept.notes.len() + kept.people.len() + kept.secrets.len() + kept.deployed.len() >= kills, "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_on_sqlite() {
    killed_at_work(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_on_postgres() {
    killed_at_work(Engine::Postgres).await;
}

/// A folder whose first start never came to its end is a first start again.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_was_killed_is_begun_again() {
    let mut dice = Dice::new(11);
    for _ in 0..rounds(2) {
        let kills: Vec<_> = (0..6).map(|_| Duration::from_millis(dice.roll(400) as u64)).collect();
        let mut town = Process::start_after_kills(BINARY, Engine::Sqlite, "", "warn", &kills).await;
        let added = town.post("/api/v1/people", json!({ "email": "ana@example.test", "groups": ["staff"] })).await;
        assert_eq!(added.status, 200, "{added:?}");
        let people = town.get("/api/v1/people").await.json();
        assert_eq!(people["people"].as_array().unwrap().len(), 2, "{people}");
        verifies(&town, &mut 0).await;
        town.stop().await;
    }
}
