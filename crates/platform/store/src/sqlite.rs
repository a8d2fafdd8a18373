//! SQLite: one write connection that groups commits, several read-only connections beside it.
//!
//! WAL with `synchronous=FULL`: what was acknowledged survives power loss. The folder's lock file keeps a second
//! process out: two writers would each believe in their own groups.

mod errors;
mod group;
mod place;
mod reader;
mod room;
mod statement;

pub(crate) use group::SqliteTx;

use crate::{CommitCounts, Piece, Pieces, Row, StoreError, Value, snapshot, sql};
use errors::{read_error, write_error};
use group::Writer;
use place::Place;
use reader::{Reader, Turn};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, Semaphore, watch},
};

/// Reading connections: more than cores, since some wait for pages, and more than the eight that one app may keep busy;
/// each costs its page cache (2 MiB), once that many read at once.
const READERS: usize = 12;
/// How long one statement of a reader may take: as long as on the other engine.
const ANSWER: Duration = Duration::from_secs(15);
/// Prepared statements kept for each connection: the house has some three hundred.
const STATEMENTS_KEPT: usize = 512;

#[derive(Debug)]
pub(crate) struct Sqlite {
    writer: Arc<AsyncMutex<Writer>>,
    readers: Arc<Mutex<Vec<Reader>>>,
    reading: Arc<Semaphore>,
    /// `ANSWER`.
    answer: Duration,
    place: Arc<Place>,
    folder: PathBuf,
    reserve_bytes: u64,
    committed: Arc<watch::Sender<u64>>,
    fed: watch::Sender<u64>,
    acts: AtomicU64,
    groups: Arc<AtomicU64>,
    _lock: File,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, reserve_bytes: u64) -> Result<Self, StoreError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| StoreError::folder(folder, error))?;
        let lock = hold_lock(path)?;
        let conn = Connection::open(path).map_err(write_error)?;
        prepare(&conn).map_err(write_error)?;
        let place = Arc::new(Place::of(path)?);
        let committed = Arc::new(watch::Sender::new(0));
        let groups = Arc::new(AtomicU64::new(0));
        Ok(Self {
            writer: Arc::new(AsyncMutex::new(Writer::new(
                conn,
                Arc::clone(&place),
                Arc::clone(&committed),
                Arc::clone(&groups),
            ))),
            readers: Arc::default(),
            reading: Arc::new(Semaphore::new(READERS)),
            answer: ANSWER,
            place,
            folder: folder.to_owned(),
            reserve_bytes,
            committed,
            fed: watch::Sender::new(0),
            acts: AtomicU64::new(0),
            groups,
            _lock: lock,
        })
    }

    pub(crate) async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let permit = Arc::clone(&self.reading).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let pool = Arc::clone(&self.readers);
        let place = Arc::clone(&self.place);
        let kept = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // Dropped with this call: a statement whose answer nobody waits for does not keep others from its reader.
        let (turn, _waiting) = Turn::begin(kept, self.answer);
        let work = move || {
            let (reader, rows) = turn.run(&place, sql, &params)?;
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            drop(permit);
            rows
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
    }

    pub(crate) fn counts(&self) -> CommitCounts {
        CommitCounts { acts: self.acts.load(Ordering::Relaxed), groups: self.groups.load(Ordering::Relaxed) }
    }

    pub(crate) fn committed(&self) -> &watch::Sender<u64> {
        &self.committed
    }

    pub(crate) const fn fed(&self) -> &watch::Sender<u64> {
        &self.fed
    }

    /// Every table, read in one transaction: writers go on beside it (WAL). However slowly it is read, the log keeps what
    /// they write until then; it is broken off before that fills the disk. Blocks.
    pub(crate) fn snapshot(&self, to: &Pieces) -> Result<(), StoreError> {
        let refused = |refused: statement::Refused| refused.into_store(read_error);
        // Of two readers one sees how the database grows.
        let (conn, look) = (ours(&self.place).map_err(refused)?, ours(&self.place).map_err(refused)?);
        let runtime = Handle::current();
        let send = |piece| runtime.block_on(self.hand(piece, to, &look));
        conn.execute_batch(snapshot::BEGIN_SNAPSHOT_SQLITE).map_err(read_error)?;
        let answer = |sql| statement::run(&conn, sql, &[]).map(|answer| answer.rows).map_err(refused);
        send(snapshot::steps(&answer(sql::APPLIED_MIGRATIONS)?)?)?;
        for table in answer(snapshot::TABLES_SQLITE)? {
            let name = table.text(0)?.to_owned();
            let mut reading = conn.prepare(&snapshot::whole(&name)).map_err(read_error)?;
            let columns: Vec<String> = reading.column_names().map(str::to_owned).collect();
            let count = columns.len();
            send(Piece::Table { name, columns })?;
            let mut lines = snapshot::Lines::default();
            let mut cursor = reading.raw_query();
            while let Some(row) = cursor.next().map_err(read_error)? {
                let line = snapshot::line(&statement::row(row, count).map_err(refused)?);
                if let Some(piece) = lines.add(line) {
                    send(piece)?;
                }
            }
            send(lines.rest())?;
        }
        Ok(())
    }

    /// Waits for whoever takes the piece, as long as there is room.
    async fn hand(&self, piece: Piece, to: &Pieces, look: &Connection) -> Result<(), StoreError> {
        self.check_spared(room::size(look)?)?;
        tokio::select! {
            biased;
            sent = to.send(piece) => sent.map_err(|_| StoreError::Closed),
            narrow = self.narrow(look) => Err(narrow),
        }
    }
}

fn hold_lock(path: &Path) -> Result<File, StoreError> {
    let path = path.with_extension("lock");
    let file = File::create(&path).map_err(|error| StoreError::folder(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(StoreError::file(error)),
    }
}

/// Reads from a database that somebody else may have open; changes nothing.
pub(crate) fn peek(path: &Path, statements: &[&'static str]) -> Result<Vec<Vec<Row>>, StoreError> {
    let refused = |refused: statement::Refused| refused.into_store(read_error);
    let conn = reader(path).map_err(refused)?;
    statements.iter().map(|sql| statement::run(&conn, sql, &[]).map(|answer| answer.rows).map_err(refused)).collect()
}

fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Else what is bound to a statement may change its plan, and the insert of each event is parsed and planned anew. Not
    // for readers: an index of some rows alone serves whoever asks for these by a parameter.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(sql::WRITER_PRAGMAS)
}

/// A reader of the file that we write, and of no other that stands in its place.
fn ours(place: &Place) -> Result<Connection, statement::Refused> {
    // Before, since opening another file with our log beside it could spoil both; and after, for what happened meanwhile.
    place.check().map_err(statement::Refused::Ours)?;
    let conn = reader(place.path())?;
    place.check().map_err(statement::Refused::Ours)?;
    Ok(conn)
}

fn reader(path: &Path) -> Result<Connection, statement::Refused> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    conn.execute_batch(sql::READER_PRAGMAS)?;
    Ok(conn)
}
