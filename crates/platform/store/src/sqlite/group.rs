//! Group commit: many acts, one fsync.
//!
//! An act is a savepoint in an outer transaction that other acts join. Whoever opens the outer transaction also queues
//! a task for the writer; the lock is fair, so every act that waits at that moment joins before the task's turn comes
//! and closes the group. Nobody is told of success before the fsync.
//!
//! Cancellation is safe: an act that is dropped rolls back to its savepoint, and the group's closer does not depend on
//! any caller. If the engine throws the outer transaction away (disk full), every act of the group is told so.

use super::{
    Sqlite,
    errors::write_error,
    place::Place,
    room,
    statement::{self, Refused},
};
use crate::{
    StoreError, Value,
    engine::{Answer, GroupEnd, Statement},
    sql,
};
use rusqlite::Connection;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{OwnedMutexGuard, oneshot, watch};

/// Acts that share one fsync: past this, waiting costs more than the fsync saves.
const GROUP_MAX: usize = 64;

/// How long an act waits for the writer before it is refused: as long as for a connection of the other engine.
const WAIT: Duration = Duration::from_secs(10);

/// How long the writer waits for a lock of the file, as `sql::WRITER_PRAGMAS` has it.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Between two attempts to make room by bringing the log in: each may take a while, and others wait for it.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

type Waiter = oneshot::Sender<Result<(), StoreError>>;

#[derive(Debug)]
pub(crate) struct Writer {
    conn: Connection,
    place: Arc<Place>,
    group: Option<Group>,
    opened: u64,
    committed: Arc<watch::Sender<u64>>,
    groups: Arc<AtomicU64>,
    /// When the log was brought in last to make room.
    emptied: Option<Instant>,
}

#[derive(Debug)]
struct Group {
    number: u64,
    waiters: Vec<Waiter>,
}

impl Writer {
    pub(super) const fn new(
        conn: Connection,
        place: Arc<Place>,
        committed: Arc<watch::Sender<u64>>,
        groups: Arc<AtomicU64>,
    ) -> Self {
        Self { conn, place, group: None, opened: 0, committed, groups, emptied: None }
    }

    /// Ends the group: COMMIT, and tells every act. Blocks on the disk.
    fn close(&mut self) {
        let Some(group) = self.group.take() else {
            return;
        };
        // INVARIANT: nobody is told of success by a file that nobody will find again. Looked at before, so that what is
        // refused is rolled back, and after, for what happened meanwhile.
        let result = self
            .place
            .check()
            .and_then(|()| self.conn.execute_batch(sql::COMMIT).map_err(write_error))
            .and_then(|()| self.place.check());
        if result.is_err() && !self.conn.is_autocommit() {
            let rolled_back = self.conn.execute_batch(sql::ROLLBACK);
            if let Err(error) = rolled_back {
                tracing::error!(%error, "the group could not be rolled back");
            }
        }
        if result.is_ok() && !group.waiters.is_empty() {
            self.groups.fetch_add(1, Ordering::Relaxed);
            self.committed.send_modify(|count| *count += 1);
        }
        tell(group.waiters, &result);
    }

    /// Brings the log into the database and cuts it off. Waits for no reader: what one still reads stays. Not while a group
    /// is open. Blocks on the disk.
    fn empty_log(&self) -> Result<(), StoreError> {
        let emptied = self.conn.busy_timeout(Duration::ZERO).and_then(|()| self.conn.execute_batch(sql::EMPTY_LOG));
        let patient = self.conn.busy_timeout(LOCK_WAIT);
        emptied.and(patient).map_err(write_error)
    }

    /// After an error: if the engine has thrown the outer transaction away, nobody of the group is committed.
    fn check_alive(&mut self, error: &StoreError) {
        if self.conn.is_autocommit()
            && let Some(group) = self.group.take()
        {
            tell(group.waiters, &Err(error.clone()));
        }
    }
}

fn tell(waiters: Vec<Waiter>, result: &Result<(), StoreError>) {
    for waiter in waiters {
        // A caller that went away does not need to know.
        drop(waiter.send(result.clone()));
    }
}

impl Sqlite {
    pub(crate) async fn begin(this: &Arc<Self>) -> Result<SqliteTx, StoreError> {
        // Fair all the same: it is free only when nobody waits.
        let mut writer = match Arc::clone(&this.writer).try_lock_owned() {
            Ok(writer) => writer,
            Err(_) => tokio::time::timeout(WAIT, Arc::clone(&this.writer).lock_owned())
                .await
                .map_err(|_| StoreError::busy("the writer was not free in time"))?,
        };
        if writer.group.is_none() {
            this.place.check()?;
            if this.is_below_reserve()? {
                writer = Self::make_room(this, writer).await?;
            }
            writer.conn.execute_batch(sql::BEGIN_GROUP).map_err(write_error)?;
            writer.opened += 1;
            let number = writer.opened;
            writer.group = Some(Group { number, waiters: Vec::new() });
            tokio::spawn(close_later(Arc::clone(this), number));
        }
        let started = run_cached(&writer.conn, sql::BEGIN_ACT);
        started.inspect_err(|error| writer.check_alive(error))?;
        Ok(SqliteTx { writer: Some(writer), engine: Arc::clone(this), failed: false })
    }

    /// Below the reserve nobody commits, so nobody brings the log in either: it is done here, or what it took while a
    /// backup was read would be gone for good.
    async fn make_room(
        this: &Arc<Self>,
        mut writer: OwnedMutexGuard<Writer>,
    ) -> Result<OwnedMutexGuard<Writer>, StoreError> {
        if writer.emptied.is_none_or(|at| at.elapsed() >= AGAIN_AFTER) {
            writer.emptied = Some(Instant::now());
            writer = Self::emptied(this, writer).await?;
        }
        if this.is_below_reserve()? {
            return Err(StoreError::unwritable("free space is below the reserve"));
        }
        Ok(writer)
    }

    /// Where the database has room for what the log holds. What fails is told, and the log goes on as it is.
    async fn emptied(this: &Arc<Self>, writer: OwnedMutexGuard<Writer>) -> Result<OwnedMutexGuard<Writer>, StoreError> {
        let engine = Arc::clone(this);
        let work = move || {
            let fits = room::size(&writer.conn).and_then(|size| engine.fits(size));
            let emptied = fits.and_then(|fits| if fits { writer.empty_log() } else { Ok(()) });
            if let Err(error) = emptied {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the log of the database could not be brought into it");
            }
            writer
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)
    }

    /// At a clean stop: nothing stays beside the database that it could hold.
    pub(crate) async fn empty_log(this: &Arc<Self>) -> Result<(), StoreError> {
        let writer = Arc::clone(&this.writer).lock_owned().await;
        if writer.group.is_some() {
            return Ok(());
        }
        Self::emptied(this, writer).await.map(drop)
    }
}

async fn close_later(engine: Arc<Sqlite>, number: u64) {
    let mut writer = Arc::clone(&engine.writer).lock_owned().await;
    if writer.group.as_ref().is_some_and(|group| group.number == number) {
        let closed = tokio::task::spawn_blocking(move || writer.close()).await;
        if let Err(error) = closed {
            tracing::error!(%error, "a commit group was not closed");
        }
    }
}

fn run_cached(conn: &Connection, words: &'static str) -> Result<(), StoreError> {
    statement::run(conn, words, &[]).map(drop).map_err(|refused| refused.into_store(write_error))
}

/// One act: holds the writer until it ends.
#[derive(Debug)]
pub(crate) struct SqliteTx {
    /// Gone once the act was handed over to its group.
    writer: Option<OwnedMutexGuard<Writer>>,
    engine: Arc<Sqlite>,
    failed: bool,
}

impl SqliteTx {
    pub(crate) fn run(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, StoreError> {
        batch.iter().map(|one| self.one(one.sql, &one.params)).collect()
    }

    pub(crate) fn one(&mut self, sql: &str, params: &[Value]) -> Result<Answer, StoreError> {
        self.with(|conn| statement::run(conn, sql, params))
    }

    pub(crate) fn script(&mut self, script: &str) -> Result<(), StoreError> {
        self.with(|conn| conn.execute_batch(script).map_err(Refused::from))
    }

    fn with<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, Refused>) -> Result<T, StoreError> {
        let Some(writer) = self.writer.as_mut().filter(|_| !self.failed) else {
            return Err(StoreError::Ended);
        };
        work(&writer.conn).map_err(|refused| {
            // As on PostgreSQL, a transaction in which a statement failed can only be rolled back.
            self.failed = true;
            let error = refused.into_store(write_error);
            writer.check_alive(&error);
            error
        })
    }

    pub(crate) async fn commit(mut self, end: GroupEnd) -> Result<(), StoreError> {
        self.with(|conn| statement::run(conn, sql::END_ACT, &[]))?;
        let Some(mut writer) = self.writer.take() else {
            return Err(StoreError::Ended);
        };
        let (waiter, told) = oneshot::channel();
        let Some(group) = writer.group.as_mut() else {
            return Err(StoreError::Ended);
        };
        group.waiters.push(waiter);
        if end == GroupEnd::Close || group.waiters.len() >= GROUP_MAX {
            tokio::task::spawn_blocking(move || writer.close()).await.map_err(|_| StoreError::Closed)?;
        } else {
            drop(writer);
        }
        told.await.map_err(|_| StoreError::Closed)??;
        self.engine.acts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        let Some(writer) = self.writer.as_mut() else {
            return;
        };
        if writer.group.is_none() {
            return;
        }
        let undone = writer.conn.execute_batch(sql::UNDO_ACT);
        if let Err(error) = undone {
            let error = write_error(error);
            tracing::error!(%error, "an act could not be rolled back");
            // Nothing of a group with half an act in it may be committed.
            if !writer.conn.is_autocommit() {
                drop(writer.conn.execute_batch(sql::ROLLBACK));
            }
            writer.check_alive(&error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn below_the_reserve_the_log_gives_its_room_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let engine = Arc::new(Sqlite::open(&path, u64::MAX).unwrap());
        engine.writer.lock().await.conn.execute_batch("CREATE TABLE a (b)").unwrap();
        let log = || std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
        assert!(log() > 0);
        let refused = Sqlite::begin(&engine).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
        assert_eq!(log(), 0);
        // Not at each refusal.
        engine.writer.lock().await.conn.execute_batch("INSERT INTO a VALUES (1)").unwrap();
        assert!(Sqlite::begin(&engine).await.is_err());
        assert!(log() > 0);
    }
}
