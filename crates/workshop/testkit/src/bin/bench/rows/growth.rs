//! A record of millions of events: how fast it is searched, and whether acts still cost what they cost at the start.

use super::acts::{Floor, House};
use crate::{
    apps,
    arguments::Effort,
    load,
    report::{Line, Target, median},
    served::{Demo, Served},
    sql,
};
use model::{AppId, PersonId, TenantId, Timestamp, TraceId};
use rusqlite::Connection;
use serde_json::json;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use store::{EventFilter, Store};
use tempfile::TempDir;
use testkit::Engine;

/// What is asked for, spread by a number.
type Kind = fn(u64) -> EventFilter;

/// Of an organisation's first years.
const EVENTS: u64 = 10_000_000;
/// So that a statement never holds more than it must.
const AT_A_TIME: u64 = 250_000;
const SEARCHES: usize = 45;
const ACTS: u64 = 6_400;
const ROUNDS: usize = 5;

const SEARCH: &str = "none: wall-clock time of the slowest kind of search for its newest hundred events (by person, app, trace, act, secret, or what was refused; each also within a day), SQLite, no search repeated; bodies are shorter than real ones";
const CONNECTIONS: usize = 16;
const LASTING: Duration = Duration::from_secs(4);

const REQUESTS: &str = "a server of the same binary whose record has only what its start wrote; the same app, as many connections, in turns";
const GROWTH: &str = "the same house with a thousand events: acts of 64 writers in turns, each into its own database";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let folder = TempDir::new().unwrap();
    let folders = ["young", "old"].map(|name| folder.path().join(name));
    let files = folders.each_ref().map(|folder| folder.join("bailiwick.db"));
    let young = House::open(Engine::Sqlite, &folders[0]).await;
    young.round(1_000).await;
    let large = House::open(Engine::Sqlite, &folders[1]).await;
    let count = match effort {
        Effort::Full => EVENTS,
        Effort::Quick => EVENTS / 10,
    };
    fill(&files[1], count);
    let search = searches(large.store(), count).await;
    let tasks = [young.store().start_tasks().await, large.store().start_tasks().await];
    let (mut ratios, mut fast) = (vec![], vec![]);
    let acts = effort.times(ACTS);
    young.round(acts / 4).await;
    large.round(acts / 4).await;
    for _ in 0..effort.rounds(ROUNDS) {
        let at_first = per_second(acts, &young).await;
        let later = per_second(acts, &large).await;
        fast.push(later);
        ratios.push(later / at_first);
    }
    for tasks in tasks {
        tasks.stop().await.unwrap();
    }
    let (group, bytes) = (large.group(), large.event_bytes().await);
    drop((young, large));
    let bare = bare(files.map(|file| Floor::over(&file, group, bytes)), acts, effort).await;
    let work =
        if effort == Effort::Full { "acts a second at 10 million events" } else { "acts a second at a million events" };
    let growth = Line {
        row: "growth",
        work,
        floor: GROWTH,
        value: median(&ratios),
        unit: "×",
        target: Target::AtLeast(0.9),
        figures: format!("{:.0} acts a second there; the same rows by the bare driver: {bare:.2} ×", median(&fast)),
        detail: json!({ "events": count, "per_second": fast, "ratios": ratios, "bare_ratio": bare }),
    };
    folder.close().unwrap();
    vec![search, growth, requests(count, effort).await]
}

/// Requests to an app, each with its event, on a server whose record is as long.
async fn requests(count: u64, effort: Effort) -> Line {
    let mut asks = vec![];
    let mut servers = vec![];
    for events in [0, count] {
        let served = Served::start(Demo::No);
        served.deploy(&apps::json("measured")).await;
        let served = served.after(|data| fill(&data.join("bailiwick.db"), events));
        let ana = served.town.person("ana@example.test", &["staff"]).await;
        asks.push(served.asking(&ana, "measured").await);
        servers.push(served);
    }
    let (mut ratios, mut fast) = (vec![], vec![]);
    for round in 0..=effort.rounds(ROUNDS) {
        let mut answers = vec![];
        for ask in &asks {
            let answered = load::press(std::slice::from_ref(ask), CONNECTIONS, None, LASTING).await;
            answers.push(answered.len() as f64 / LASTING.as_secs_f64());
        }
        // The first round warms both.
        if round > 0 {
            ratios.push(answers[1] / answers[0]);
            fast.push(answers[1]);
        }
    }
    let work = if count == EVENTS {
        "requests a second at 10 million events"
    } else {
        "requests a second at a million events"
    };
    Line {
        row: "growth",
        work,
        floor: REQUESTS,
        value: median(&ratios),
        unit: "×",
        target: Target::AtLeast(0.9),
        figures: format!("{:.0} requests a second there", median(&fast)),
        detail: json!({ "events": count, "per_second": fast, "ratios": ratios }),
    }
}

/// What such a record costs whoever inserts the same rows without the house: its trees are deeper.
async fn bare(mut sides: [Floor; 2], acts: u64, effort: Effort) -> f64 {
    let mut ratios = vec![];
    for round in 0..=effort.rounds(ROUNDS) {
        let mut fast = vec![];
        for side in &mut sides {
            let started = Instant::now();
            side.round(acts).await;
            fast.push(acts as f64 / started.elapsed().as_secs_f64());
        }
        // The first round warms both.
        if round > 0 {
            ratios.push(fast[1] / fast[0]);
        }
    }
    median(&ratios)
}

async fn per_second(acts: u64, house: &House) -> f64 {
    let started = Instant::now();
    house.round(acts).await;
    acts as f64 / started.elapsed().as_secs_f64()
}

async fn searches(store: &Store, count: u64) -> Line {
    let tenant = TenantId::main();
    let kinds: [(&str, Kind); 6] = [
        ("person", |n| EventFilter { person: Some(PersonId::new(format!("person{}", n % 20_000))), ..<_>::default() }),
        ("app", |n| EventFilter { app: Some(AppId::new(format!("app{}", n % 5_000))), ..<_>::default() }),
        ("trace", |n| EventFilter { trace: Some(TraceId::new(format!("{n:032x}"))), ..<_>::default() }),
        ("act", |_| EventFilter { action: Some("secret.put".to_owned()), ..<_>::default() }),
        ("secret", |n| EventFilter { resource: Some(format!("secret/team/s{}", n % 500)), ..<_>::default() }),
        ("refused", |_| EventFilter { outcome: Some("denied".to_owned()), ..<_>::default() }),
    ];
    let (mut slowest, mut told) = (0.0_f64, vec![]);
    for (kind, filter) in kinds {
        let mut took = vec![];
        for number in 0..SEARCHES as u64 {
            // Spread over the whole record, each once.
            let at = number * (count / SEARCHES as u64) + 7;
            let mut filter = filter(at);
            if number % 2 == 1 {
                filter.since = Some(Timestamp::from_ms(i64::try_from(at).unwrap() * 1_000));
                filter.until = Some(Timestamp::from_ms(i64::try_from(at).unwrap() * 1_000 + 86_400_000));
            }
            let started = Instant::now();
            let found = store.events(&tenant, &filter).await.unwrap();
            took.push(started.elapsed().as_secs_f64() * 1e3);
            assert!(number % 2 == 1 || !found.is_empty(), "{kind}: {filter:?}");
        }
        let middle = median(&took);
        let worst = took.iter().copied().fold(0.0, f64::max);
        slowest = slowest.max(worst);
        told.push((kind, middle, worst));
    }
    let figures = told.iter().map(|(kind, middle, _)| format!("{kind} {middle:.1}")).collect::<Vec<_>>().join(", ");
    let work =
        if count == EVENTS { "search in 10 million events, slowest" } else { "search in a million events, slowest" };
    Line {
        row: "growth",
        work,
        floor: SEARCH,
        value: slowest,
        unit: "ms",
        target: Target::AtMost(100.0),
        figures: format!("medians in ms: {figures}"),
        detail: json!({ "events": count, "kinds": told.iter().map(|(kind, middle, worst)| json!({ "kind": kind, "median_ms": middle, "slowest_ms": worst })).collect::<Vec<_>>() }),
    }
}

/// Events that were there before, spread over people, apps, acts and years. Progress goes to standard error.
pub(super) fn fill(path: &Path, count: u64) {
    if count == 0 {
        return;
    }
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(sql::PRAGMAS).unwrap();
    conn.execute_batch(sql::ROOMY).unwrap();
    let indexes = indexes(&conn);
    for (name, _) in &indexes {
        conn.execute_batch(&format!("{}{name}", sql::DROP_INDEX)).unwrap();
    }
    let mut done = 0;
    while done < count {
        let next = (done + AT_A_TIME).min(count);
        conn.execute(sql::FILL_EVENTS, [i64::try_from(done).unwrap(), i64::try_from(next).unwrap()]).unwrap();
        done = next;
        eprint!("\r  {done} of {count} events");
    }
    for (name, create) in &indexes {
        eprint!("\r\x1b[K  index {name}");
        conn.execute_batch(create).unwrap();
        conn.execute_batch(sql::SETTLE).unwrap();
    }
    eprint!("\r\x1b[K");
    conn.execute_batch(sql::SETTLE).unwrap();
}

/// The events' indexes, by name, with the statements that make them.
fn indexes(conn: &Connection) -> Vec<(String, String)> {
    let mut found = conn.prepare(sql::INDEXES).unwrap();
    let rows = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}
