//! The floor under audited acts: the same rows through the bare drivers.

use super::{Note, WRITERS, database, migrate};
use crate::sql;
use rusqlite::{Connection, params};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};
use store::Database;
use testkit::Engine;
use tokio::{
    sync::{Mutex, Semaphore, oneshot},
    task::JoinSet,
};
use tokio_postgres::{Client, NoTls, Statement, types::ToSql};

/// As many connections as the house has.
const CONNECTIONS: usize = 24;

pub(in super::super) struct Floor {
    driver: Driver,
    event_bytes: usize,
    next: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Driver {
    Sqlite(mpsc::Sender<Handed>),
    Postgres(Arc<Pool>),
}

/// Both rows of one act.
struct Rows {
    note: Note,
    event: Event,
}

struct Event {
    id: String,
    app: &'static str,
    person: &'static str,
    salt: Vec<u8>,
    body: Vec<u8>,
}

impl Event {
    fn new(bytes: usize) -> Self {
        Self {
            id: model::EventId::generate().to_string(),
            app: "0195c1a0b0c07d30a1b2c3d4e5f60718",
            person: "0195c1a0b0c07d30a1b2c3d4e5f60719",
            salt: seal::random_bytes::<32>().to_vec(),
            body: vec![b'x'; bytes],
        }
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SUBJECT: &str = "person:0195c1a0b0c07d30a1b2c3d4e5f60719";

struct Handed {
    rows: Rows,
    done: oneshot::Sender<()>,
}

struct Pool {
    idle: Mutex<Vec<Prepared>>,
    places: Semaphore,
}

struct Prepared {
    client: Client,
    note: Statement,
    event: Statement,
}

impl Floor {
    pub(super) async fn open(engine: Engine, folder: &Path, group: usize, event_bytes: usize) -> Self {
        let database = database(engine, folder).await;
        migrate(database.clone(), folder).await;
        let driver = match database {
            Database::Sqlite { path } => Driver::Sqlite(writer(&path, group)),
            Database::Postgres { url } => Driver::Postgres(Arc::new(pool(&url).await)),
        };
        Self { driver, event_bytes, next: Arc::default() }
    }

    /// Into a database that a house has left, with all that is in it.
    pub(in super::super) fn over(path: &Path, group: usize, event_bytes: usize) -> Self {
        Self { driver: Driver::Sqlite(writer(path, group)), event_bytes, next: Arc::default() }
    }

    pub(in super::super) async fn round(&mut self, count: u64) {
        let left = Arc::new(AtomicU64::new(count));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let (driver, left, next) = (self.driver.clone(), Arc::clone(&left), Arc::clone(&self.next));
            let event_bytes = self.event_bytes;
            writers.spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let note = Note::new(next.fetch_add(1, Ordering::Relaxed));
                    let rows = Rows { note, event: Event::new(event_bytes) };
                    match &driver {
                        Driver::Sqlite(writer) => {
                            let (done, told) = oneshot::channel();
                            writer.send(Handed { rows, done }).unwrap();
                            told.await.unwrap();
                        }
                        Driver::Postgres(pool) => pool.act(&rows).await,
                    }
                }
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
    }
}

/// One thread that writes: gathers a group, commits it, tells everyone in it.
fn writer(path: &Path, group: usize) -> mpsc::Sender<Handed> {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(sql::PRAGMAS).unwrap();
    let (send, receive) = mpsc::channel::<Handed>();
    std::thread::spawn(move || {
        // A whole group is under way whenever one is, but at the end of a round.
        let patience = std::time::Duration::from_millis(3);
        while let Ok(first) = receive.recv() {
            let mut all = vec![first];
            while all.len() < group
                && let Ok(next) = receive.recv_timeout(patience)
            {
                all.push(next);
            }
            conn.execute_batch(sql::BEGIN_SQLITE).unwrap();
            for Handed { rows, .. } in &all {
                insert(&conn, rows);
            }
            conn.execute_batch(sql::COMMIT).unwrap();
            for Handed { done, .. } in all {
                done.send(()).unwrap();
            }
        }
    });
    send
}

fn insert(conn: &Connection, Rows { note, event }: &Rows) {
    let mut statement = conn.prepare_cached(sql::INSERT_NOTE).unwrap();
    statement.execute(params!["main", note.id, note.at, note.body]).unwrap();
    let mut statement = conn.prepare_cached(sql::INSERT_EVENT).unwrap();
    let row = params![
        event.id,
        "main",
        note.at,
        "data.write",
        event.app,
        event.person,
        "collection/notes",
        "allowed",
        TRACE,
        "act",
        SUBJECT,
        event.salt,
        event.body,
    ];
    statement.execute(row).unwrap();
}

async fn pool(url: &str) -> Pool {
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let note = client.prepare(sql::INSERT_NOTE).await.unwrap();
        let event = client.prepare(sql::INSERT_EVENT).await.unwrap();
        idle.push(Prepared { client, note, event });
    }
    Pool { idle: Mutex::new(idle), places: Semaphore::new(CONNECTIONS) }
}

impl Pool {
    async fn act(&self, Rows { note, event }: &Rows) {
        let _place = self.places.acquire().await.unwrap();
        let prepared = self.idle.lock().await.pop().unwrap();
        let Prepared { client, note: insert_note, event: insert_event } = &prepared;
        let note_row: [&(dyn ToSql + Sync); 4] = [&"main", &note.id, &note.at, &note.body];
        let event_row: [&(dyn ToSql + Sync); 13] = [
            &event.id,
            &"main",
            &note.at,
            &"data.write",
            &event.app,
            &event.person,
            &"collection/notes",
            &"allowed",
            &TRACE,
            &"act",
            &SUBJECT,
            &event.salt,
            &event.body,
        ];
        let noted = client.execute(insert_note, &note_row);
        let recorded = client.execute(insert_event, &event_row);
        // Polled in this order, so sent in this order, in one round trip.
        let (begun, noted, recorded) = tokio::join!(biased; client.batch_execute(sql::BEGIN), noted, recorded);
        begun.and(noted).and(recorded).unwrap();
        client.batch_execute(sql::COMMIT).await.unwrap();
        self.idle.lock().await.push(prepared);
    }
}
