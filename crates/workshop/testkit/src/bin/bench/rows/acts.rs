//! Audited acts of many writers: each a row of an app and its event, behind a permit and in the ledger; against the same
//! two rows, in groups of the same size, with neither permit nor ledger.

mod floor;

use crate::{
    arguments::Effort,
    machine::own_cpu,
    report::{Line, Target as Aim, median},
    sql,
};
use authority::{
    Act, AppFacts, AppRef, AppState, Authority, Caller, Facts, Origin, PersonFacts, Policy, Rule, Target, Who, rules,
};
pub(super) use floor::Floor;
use model::{AppId, Class, Clock, Env, Group, Manifest, PersonId, SystemClock, TenantId, TraceId};
use serde_json::json;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use store::{Database, Migration, Store, StoreConfig, params};
use tempfile::TempDir;
use testkit::{Engine, Postgres};
use tokio::task::JoinSet;

pub(super) const WRITERS: u64 = 64;
const ROUNDS: usize = 9;
const ACTS: u64 = 12_800;

const NOTES: &[Migration] = &[Migration { room: "notes", number: 1, name: "notes", sql: sql::CREATE_NOTES }];

const SQLITE: &str = "rusqlite alone: 64 writers hand the same two rows (the app's, and an event of the same size with all indexes) to one writer, which commits groups as large as the house's; same pragmas, same schema. No permit, no sealing, no sequencing";
const POSTGRES: &str = "tokio-postgres alone: 64 writers over 24 connections insert the same two rows, sent together, and commit; same schema, same server. No permit, no sealing, no sequencing";

/// Write a record of an app, as `data` asks for it.
#[derive(Debug)]
struct WriteNote(AppRef);

impl Act for WriteNote {
    const RULE: &'static Rule = &rules::DATA_WRITE;
    fn target(&self) -> Target {
        Target::within(TenantId::main(), &self.0, "collection/notes")
    }
    fn facts(&self) -> authority::Judged {
        json!({ "collection": "notes", "verb": "insert" }).into()
    }
}

/// A row as an app writes one.
pub(super) struct Note {
    pub(super) id: String,
    pub(super) at: i64,
    pub(super) body: Vec<u8>,
}

impl Note {
    pub(super) fn new(number: u64) -> Self {
        let body =
            format!("{{\"person\":\"ana@example.test\",\"choice\":\"tuesday\",\"number\":{number}}}").into_bytes();
        Self { id: model::EventId::generate().to_string(), at: SystemClock.now().as_ms(), body }
    }
}

/// How one round went.
struct Ran {
    per_second: f64,
    cpu_us: f64,
}

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    vec![on(Engine::Sqlite, effort).await, on(Engine::Postgres, effort).await]
}

async fn on(engine: Engine, effort: Effort) -> Line {
    let folder = TempDir::new().unwrap();
    let house = House::open(engine, &folder.path().join("house")).await;
    let tasks = house.store.start_tasks().await;
    let count = effort.times(ACTS);
    house.round(count / 4).await;
    let group = house.group();
    let mut floor = Floor::open(engine, &folder.path().join("floor"), group, house.event_bytes().await).await;
    floor.round(count / 4).await;
    let (mut ratios, mut ours, mut theirs) = (vec![], vec![], vec![]);
    for _ in 0..effort.rounds(ROUNDS) {
        ours.push(measured(count, house.round(count)).await);
        theirs.push(measured(count, floor.round(count)).await);
        ratios.push(ours.last().unwrap().per_second / theirs.last().unwrap().per_second);
    }
    tasks.stop().await.unwrap();
    let of = |rounds: &[Ran], what: fn(&Ran) -> f64| median(&rounds.iter().map(what).collect::<Vec<_>>());
    let (fast, peer_fast) = (of(&ours, |ran| ran.per_second), of(&theirs, |ran| ran.per_second));
    let (cpu, peer_cpu) = (of(&ours, |ran| ran.cpu_us), of(&theirs, |ran| ran.cpu_us));
    let (work, floor) = match engine {
        Engine::Sqlite => ("audited acts, 64 writers, SQLite", SQLITE),
        Engine::Postgres => ("audited acts, 64 writers, PostgreSQL", POSTGRES),
    };
    Line {
        row: "acts",
        work,
        floor,
        value: median(&ratios),
        unit: "×",
        target: Aim::AtLeast(0.7),
        figures: format!(
            "{fast:.0} acts a second against {peer_fast:.0}, in groups of {group}; CPU of the process {cpu:.0} µs against {peer_cpu:.0} µs"
        ),
        detail: json!({
            "per_second": fast, "floor_per_second": peer_fast, "cpu_us": cpu, "floor_cpu_us": peer_cpu, "group": group,
            "ratios": ratios,
        }),
    }
}

async fn measured(count: u64, work: impl Future<Output = ()>) -> Ran {
    let (started, before) = (Instant::now(), own_cpu());
    work.await;
    let (took, spent) = (started.elapsed().as_secs_f64(), (own_cpu() - before).as_secs_f64());
    Ran { per_second: count as f64 / took, cpu_us: spent * 1e6 / count as f64 }
}

/// Store and authority, as the server has them.
pub(super) struct House {
    store: Arc<Store>,
    authority: Arc<Authority>,
    caller: Caller,
    app: AppRef,
    next: Arc<AtomicU64>,
}

impl House {
    pub(super) async fn open(engine: Engine, folder: &Path) -> Self {
        let app = AppRef { id: AppId::generate(), env: Env::Prod };
        let person = PersonId::generate();
        let authority = authority(&app, &person);
        let config = config(engine, folder).await;
        let store = Store::open(config, Arc::clone(&authority) as _, &[NOTES]).await.unwrap();
        let origin = Origin { ip: Some([192, 0, 2, 7].into()), device: Some("Firefox 140.0".into()) };
        let trace = TraceId::new("0af7651916cd43dd8448eb211c80319c");
        let caller = Caller::new(TenantId::main(), Who::AppFor { app: app.clone(), person }).from(origin).traced(trace);
        Self { store, authority, caller, app, next: Arc::default() }
    }

    /// Acts until they are `count`, and until all of them stand in the log.
    pub(super) async fn round(&self, count: u64) {
        let left = Arc::new(AtomicU64::new(count));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let (store, authority, next) =
                (Arc::clone(&self.store), Arc::clone(&self.authority), Arc::clone(&self.next));
            let (caller, app, left) = (self.caller.clone(), self.app.clone(), Arc::clone(&left));
            writers.spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let note = Note::new(next.fetch_add(1, Ordering::Relaxed));
                    let permit = authority.decide(&caller, WriteNote(app.clone())).unwrap();
                    let (_, mut tx) = store.write(permit).await.unwrap();
                    let row = params![&TenantId::main(), note.id.as_str(), note.at, note.body];
                    tx.execute(sql::INSERT_NOTE, row).await.unwrap();
                    tx.commit(json!({ "collection": "notes", "id": note.id }), None).await.unwrap();
                }
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        self.store.sequence_now().await.unwrap();
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// How many acts shared a commit.
    pub(super) fn group(&self) -> usize {
        let counts = self.store.commit_counts();
        (counts.acts as f64 / counts.groups as f64).round().max(1.0) as usize
    }

    pub(super) async fn event_bytes(&self) -> usize {
        let row = self.store.read_one(sql::EVENT_BYTES, &[]).await.unwrap().unwrap();
        usize::try_from(row.int(0).unwrap()).unwrap()
    }
}

/// Where a side keeps its rows: a file, or a new database in the cluster of the tests.
pub(super) async fn database(engine: Engine, folder: &Path) -> Database {
    std::fs::create_dir_all(folder).unwrap();
    match engine {
        Engine::Sqlite => Database::Sqlite { path: folder.join("bailiwick.db") },
        Engine::Postgres => Database::Postgres { url: Postgres::create().await.url },
    }
}

async fn config(engine: Engine, folder: &Path) -> StoreConfig {
    config_of(database(engine, folder).await, folder)
}

fn config_of(database: Database, folder: &Path) -> StoreConfig {
    StoreConfig {
        database,
        clock: Arc::new(SystemClock),
        root: seal::RootKey::generate(),
        node: "measured".to_owned(),
        data_dir: folder.to_owned(),
        log_host: "localhost:7070".to_owned(),
        reserve_bytes: store::RESERVE_BYTES,
        depot: None,
    }
}

/// Makes the house's tables in a database, and lets go of it.
pub(super) async fn migrate(database: Database, folder: &Path) {
    let (app, person) = (AppRef { id: AppId::generate(), env: Env::Prod }, PersonId::generate());
    let authority = authority(&app, &person);
    drop(Store::open(config_of(database, folder), authority as _, &[NOTES]).await.unwrap());
}

fn authority(app: &AppRef, person: &PersonId) -> Arc<Authority> {
    let policy = include_str!("../../../../../../../policies/limits.rego");
    let policy = Policy::compile(&[("limits.rego".to_owned(), policy.to_owned())]).unwrap();
    let authority = Arc::new(Authority::new(Arc::new(SystemClock), Some(policy)));
    let files = testkit::template("tinypoll", "tinypoll");
    let (_, manifest) = files.iter().find(|(path, _)| path == "bailiwick.toml").unwrap();
    let live = AppFacts {
        name: "tinypoll".into(),
        team: Group::new("people-ops"),
        class: Class::Personal,
        state: AppState::Live,
        access: Arc::new(Manifest::reread(manifest).unwrap().manifest.access),
        expires_at: SystemClock.now().plus(Duration::from_secs(80 * 86_400)),
        credential_epoch: 1,
    };
    let ana = PersonFacts {
        email: "ana@example.test".into(),
        name: None,
        groups: [].into(),
        lapses: [].into(),
        enabled: true,
    };
    let facts = Facts {
        epoch: 0,
        people: [(person.clone(), Arc::new(ana))].into(),
        apps: [((app.id.clone(), app.env), Arc::new(live))].into(),
    };
    authority.replace(&TenantId::main(), facts);
    authority
}
