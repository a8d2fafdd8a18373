//! Searches of a record of a million events: by person, app, act, secret, trace and time, and a page in its middle; the
//! slowest of them counts.

use super::acts::database;
use crate::{
    arguments::Effort,
    report::{Line, Target as Aim, median},
    sql,
};
use authority::Authority;
use model::{AppId, PersonId, SystemClock, TenantId, Timestamp, TraceId};
use serde_json::json;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Database, EventFilter, Store, StoreConfig};
use tempfile::TempDir;
use testkit::Engine;
use tokio_postgres::NoTls;

const EVENTS: u64 = 1_000_000;
const ROUNDS: usize = 9;
/// One event each half minute: about a year.
const EVERY_MS: i64 = 30_000;
const START_MS: i64 = 1_764_000_000_000;
/// As long as an event of a request is.
const BODY_BYTES: usize = 480;
const FLOOR: &str =
    "none: wall-clock time of a page of 50 through the store, median of several; the slowest search counts";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    vec![on(Engine::Sqlite, effort).await, on(Engine::Postgres, effort).await]
}

async fn on(engine: Engine, effort: Effort) -> Line {
    let folder = TempDir::new().unwrap();
    let database = database(engine, folder.path()).await;
    let (root, count) = (seal::RootKey::generate(), effort.times(EVENTS));
    drop(open(&database, &root, folder.path()).await);
    let filling = Instant::now();
    fill(&database, count).await;
    let filled = filling.elapsed();
    let store = open(&database, &root, folder.path()).await;
    let mut took: Vec<(&str, f64)> = Vec::new();
    for (name, filter) in searches(count) {
        let mut rounds = Vec::new();
        for _ in 0..effort.rounds(ROUNDS) {
            let began = Instant::now();
            let found = store.events(&TenantId::main(), &filter).await.unwrap();
            rounds.push(began.elapsed().as_secs_f64() * 1e3);
            assert!(!found.is_empty() || name.contains("nothing"), "{name} finds nothing");
        }
        took.push((name, median(&rounds)));
    }
    let slowest = took.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1)).unwrap();
    let work = match engine {
        Engine::Sqlite => "a search of a million events, SQLite",
        Engine::Postgres => "a search of a million events, PostgreSQL",
    };
    Line {
        row: "record",
        work,
        floor: FLOOR,
        value: slowest.1,
        unit: "ms",
        target: Aim::AtMost(100.0),
        figures: format!(
            "slowest: {}; {}; filled with {count} in {:.0} s",
            slowest.0,
            took.iter().map(|(name, ms)| format!("{name} {ms:.1}")).collect::<Vec<_>>().join(", "),
            filled.as_secs_f64()
        ),
        detail: json!({ "events": count, "ms": took }),
    }
}

async fn open(database: &Database, root: &seal::RootKey, folder: &Path) -> Arc<Store> {
    let clock = Arc::new(SystemClock);
    let config = StoreConfig {
        database: database.clone(),
        clock: Arc::clone(&clock) as _,
        root: root.clone(),
        node: "measured".to_owned(),
        data_dir: folder.to_owned(),
        log_host: "localhost:7070".to_owned(),
        reserve_bytes: store::RESERVE_BYTES,
        depot: None,
    };
    Store::open(config, Arc::new(Authority::new(clock, None)) as _, &[]).await.unwrap()
}

/// Straight into the table: 200 apps, 5,000 people, 300 secrets, a trace for each four events.
async fn fill(database: &Database, count: u64) {
    let count = i64::try_from(count).unwrap();
    let (salt, body) = (vec![7_u8; 32], vec![b'x'; BODY_BYTES]);
    match database {
        Database::Sqlite { path } => {
            let connection = rusqlite::Connection::open(path).unwrap();
            let values = rusqlite::params![count, START_MS, EVERY_MS, salt, body];
            connection.execute(sql::FILL_SQLITE, values).unwrap();
        }
        Database::Postgres { url } => {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            let running = tokio::spawn(connection);
            client.execute(sql::FILL_POSTGRES, &[&count, &START_MS, &EVERY_MS, &salt, &body]).await.unwrap();
            client.batch_execute(sql::ANALYZE).await.unwrap();
            drop(client);
            drop(running.await);
        }
    }
}

fn searches(count: u64) -> Vec<(&'static str, EventFilter)> {
    let page = EventFilter { limit: Some(50), ..EventFilter::default() };
    let at = |number: u64| Timestamp::from_ms(START_MS + i64::try_from(number).unwrap() * EVERY_MS);
    let person = Some(PersonId::new("person-17"));
    let app = Some(AppId::new("app-42"));
    let action = |name: &str| Some(name.to_owned());
    let hour = Duration::from_secs(3_600);
    let middle = at(count / 2);
    vec![
        ("newest", page.clone()),
        ("in the middle", EventFilter { after: Some(count / 2), ..page.clone() }),
        ("person", EventFilter { person: person.clone(), ..page.clone() }),
        ("app", EventFilter { app: app.clone(), ..page.clone() }),
        ("act", EventFilter { action: action("app.revoke"), ..page.clone() }),
        ("refused", EventFilter { outcome: action("denied"), ..page.clone() }),
        (
            "secret",
            EventFilter {
                resource: Some("secret/people-ops/s11/prod".to_owned()),
                or_resource: Some("secret/people-ops/s11/staging".to_owned()),
                ..page.clone()
            },
        ),
        ("trace", EventFilter { trace: Some(TraceId::new(format!("trace-{}", count / 8))), ..page.clone() }),
        ("time", EventFilter { since: Some(middle), until: Some(middle.plus(hour)), ..page.clone() }),
        ("person and act", EventFilter { person, action: action("app.deploy"), ..page.clone() }),
        (
            "app and time",
            EventFilter { app: app.clone(), since: Some(middle), until: Some(middle.plus(hour * 24)), ..page.clone() },
        ),
        ("nothing of an app", EventFilter { app: app.clone(), action: action("app.retire"), ..page.clone() }),
        ("nothing refused of an app", EventFilter { app, outcome: action("failed"), ..page }),
    ]
}
