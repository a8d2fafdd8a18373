//! Two nodes at work, and whichever leads is killed: what either of them acknowledged is there, with its event, in one
//! record; and each job of an app that is due begins once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use testkit::{Browser, NOTES, Postgres, Process, manifest, until, whole};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Acts that are acknowledged before a kill, and after it by whoever is left.
const ACTS: usize = 20;
const JOBS: [&str; 4] = ["one", "two", "three", "four"];
/// How long before the minute is over those who work begin: its jobs are due with the next.
const BEFORE_JOBS_MS: i64 = 3_000;
const MINUTE_MS: i64 = 60_000;

/// What both nodes are asked, and what they said yes to.
#[derive(Default)]
struct Load {
    people: Mutex<BTreeSet<String>>,
    notes: Mutex<BTreeSet<String>>,
    next: AtomicUsize,
    over: AtomicBool,
}

impl Load {
    fn acknowledged(&self) -> usize {
        self.people.lock().unwrap().len() + self.notes.lock().unwrap().len()
    }
}

/// When the node is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// It has just begun the jobs that were due.
    Jobs,
    /// So many acts were acknowledged.
    Acts,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// Asks one node until it is over, or the node is gone.
async fn work(town: &Process, customer: &Browser, load: &Load) {
    let (api, app) = (town.browser(), format!("{}/", town.app("notes")));
    while !load.over.load(Ordering::SeqCst) {
        let n = load.next.fetch_add(1, Ordering::SeqCst);
        if n.is_multiple_of(2) {
            let email = format!("p{n}@example.test");
            let body = json!({ "email": email, "groups": ["staff"] }).to_string();
            let Some(answer) = town.attempt(&api, "POST", "/api/v1/people", body.as_bytes()).await else { return };
            load.people.lock().unwrap().extend((answer.status == 200).then_some(email));
        } else {
            let own = [("sec-fetch-site", "same-origin")];
            let Some(answer) = customer.attempt("POST", &app, &own, b"a note").await else { return };
            let id = (answer.status == 200).then(|| text(&answer.json()["id"]));
            load.notes.lock().unwrap().extend(id);
        }
    }
}

/// Which of them runs the jobs of apps.
async fn leader(nodes: &[Process; 2]) -> usize {
    let [one, two] = nodes;
    let ended = async || [one.ended("app-jobs").await, two.ended("app-jobs").await];
    let before = ended().await;
    let mut found = None;
    until("one of them leads", async || {
        let now = ended().await;
        found = (0..2).find(|node| now[*node] > before[*node]);
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// The runs that began: which job, and when it was due.
async fn begun(town: &Process) -> Vec<(String, String)> {
    let events = town.events("job.run").await;
    let due = |event: &Value| Some((text(&event["resource"]), event["detail"]["due_at"].as_str()?.to_owned()));
    events.iter().filter(|event| event["outcome"] == "allowed").filter_map(due).collect()
}

async fn last_due(town: &Process) -> Option<String> {
    begun(town).await.into_iter().map(|(_, due_at)| due_at).max()
}

/// Kills the one while customers of both are at work; those of the other go on.
async fn kill_at_work(nodes: &mut [Process; 2], kill: usize, customers: &[Browser; 2], load: &Load, moment: Moment) {
    let ([one, two], [ana, bo]) = (&*nodes, customers);
    let stays = if kill == 0 { two } else { one };
    let (due, done) = (last_due(stays).await, load.acknowledged());
    if matches!(moment, Moment::Jobs) {
        let late = MINUTE_MS - BEFORE_JOBS_MS;
        until("the minute is nearly over", async || SystemClock.now().as_ms() % MINUTE_MS >= late).await;
    }
    load.over.store(false, Ordering::SeqCst);
    let pid = nodes[kill].id().to_string();
    let killing = async {
        match moment {
            Moment::Jobs => until("jobs begin", async || last_due(stays).await > due).await,
            Moment::Acts => until("acts are acknowledged", async || load.acknowledged() >= done + ACTS).await,
        }
        let killed = tokio::process::Command::new("kill").args(["-9", &pid]).status().await.unwrap();
        assert!(killed.success());
        let done = load.acknowledged();
        until("the other goes on", async || load.acknowledged() >= done + ACTS).await;
        load.over.store(true, Ordering::SeqCst);
    };
    tokio::join!(work(one, ana, load), work(one, ana, load), work(two, bo, load), work(two, bo, load), killing);
    nodes[kill].kill().await;
}

/// Whoever is left orders the record, and begins what the other had not begun: each job once for each time.
async fn goes_on(town: &Process) {
    until("the record is ordered", async || town.events("person.add").await[0]["index"].is_u64()).await;
    until("every job that was due has begun", async || {
        let jobs: BTreeSet<String> = begun(town).await.into_iter().map(|(job, _)| job).collect();
        jobs.len() == JOBS.len()
    })
    .await;
    let begun = begun(town).await;
    let once: BTreeSet<_> = begun.iter().collect();
    assert_eq!(once.len(), begun.len(), "a job began twice: {begun:?}");
}

/// What was acknowledged is there, as this node has it, and the record says the same.
async fn holds(town: &Process, customer: &Browser, load: &Load) {
    let app = town.app("notes");
    until("it serves", async || customer.open(&format!("{app}/")).await.status == 200).await;
    let people = town.whole("people").await;
    let notes = whole("ids", async |after: &str| customer.open(&format!("{app}/?all=1{after}")).await.json()).await;
    let there: BTreeSet<String> = people.iter().map(|person| text(&person["email"])).collect();
    let lost = |kept: &Mutex<BTreeSet<String>>, there: &BTreeSet<String>| {
        kept.lock().unwrap().difference(there).cloned().collect::<Vec<_>>()
    };
    assert!(lost(&load.people, &there).is_empty(), "{:?}", lost(&load.people, &there));
    let there: BTreeSet<String> = notes.iter().map(text).collect();
    assert!(lost(&load.notes, &there).is_empty(), "{:?}", lost(&load.notes, &there));

    let mut happened = BTreeMap::<String, usize>::new();
    for event in town.recorded().await {
        *happened.entry(text(&event["action"])).or_default() += 1;
    }
    assert_eq!(happened["person.add"], people.len(), "people, and the record of them");
    assert_eq!(happened["data.write"], notes.len(), "notes, and the record of them");
    verifies(town).await;
}

/// Against the checkpoint that was seen before.
async fn verifies(town: &Process) {
    let output = town.run(&["audit", "verify", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_killed_under_load_loses_nothing_and_no_job_begins_twice() {
    let database = Postgres::create().await;
    let node = async |name: &str| Process::node(Path::new(BINARY), &database, name, &[]).await;
    let mut nodes = [node("one").await, node("two").await];
    let jobs: String = JOBS.iter().map(|job| format!("\n[jobs.{job}]\nschedule = \"* * * * *\"")).collect();
    let more = format!("[data.notes]\nretain = \"30d\"\nfields.text = {{ class = \"internal\" }}{jobs}");
    let deployed = nodes[0].deploy(&[("bailiwick.toml", &manifest("notes", &more)), ("app.js", NOTES)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let customers =
        [nodes[0].person("ana@example.test", &["staff"]).await, nodes[1].person("bo@example.test", &["staff"]).await];
    let load = Load::default();
    for (node, customer) in nodes.iter().zip(&customers) {
        until("it serves", async || customer.open(&format!("{}/", node.app("notes"))).await.status == 200).await;
        verifies(node).await;
    }
    for moment in [Moment::Jobs, Moment::Acts] {
        let kill = leader(&nodes).await;
        kill_at_work(&mut nodes, kill, &customers, &load, moment).await;
        goes_on(&nodes[1 - kill]).await;
        holds(&nodes[1 - kill], &customers[1 - kill], &load).await;
        nodes[kill].again().await;
        holds(&nodes[kill], &customers[kill], &load).await;
    }
}
