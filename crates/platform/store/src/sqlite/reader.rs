//! A connection that reads, and what ends its statement: its time is over, or nobody waits for the answer any more.
//!
//! SQLite's own way would be a call from another thread (`sqlite3_interrupt`), which ends whatever runs by then. Here
//! the statement itself looks from time to time, so a late word ends no one else's.

use super::{errors::read_error, ours, place::Place, statement};
use crate::{Row, StoreError, Value};
use rusqlite::Connection;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Steps of SQLite's machine between two looks: some tens of microseconds, beside which a look is nothing.
const STEPS: i32 = 10_000;

#[derive(Debug)]
pub(super) struct Reader {
    conn: Connection,
    watch: Arc<Watch>,
}

/// What the statement looks at.
#[derive(Debug)]
struct Watch {
    since: Instant,
    /// When the present turn is over, in milliseconds from `since`.
    until_ms: AtomicU64,
    /// Turns count up, one for each read.
    turn: AtomicU64,
    /// The last turn whose answer nobody waits for.
    left: AtomicU64,
}

impl Watch {
    fn new() -> Self {
        Self { since: Instant::now(), until_ms: AtomicU64::new(0), turn: AtomicU64::new(0), left: AtomicU64::new(0) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_over(&self) -> bool {
        self.left.load(Ordering::Relaxed) >= self.turn.load(Ordering::Relaxed)
            || self.now_ms() >= self.until_ms.load(Ordering::Relaxed)
    }
}

/// Held by whoever waits for the answer.
#[derive(Debug)]
#[must_use]
pub(super) struct Waiting {
    watch: Arc<Watch>,
    turn: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // INVARIANT: turns count up, so that this never ends the next one's statement.
        self.watch.left.fetch_max(self.turn, Ordering::Relaxed);
    }
}

/// A reader's turn: its statement may take `at_most` from now on.
#[derive(Debug)]
pub(super) struct Turn {
    conn: Option<Connection>,
    watch: Arc<Watch>,
}

impl Turn {
    /// With a reader that is kept, or with one that is yet to be opened.
    pub(super) fn begin(kept: Option<Reader>, at_most: Duration) -> (Self, Waiting) {
        let (conn, watch) =
            kept.map_or_else(|| (None, Arc::new(Watch::new())), |reader| (Some(reader.conn), reader.watch));
        let at_most_ms = u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX);
        watch.until_ms.store(watch.now_ms().saturating_add(at_most_ms), Ordering::Relaxed);
        let turn = watch.turn.fetch_add(1, Ordering::Relaxed) + 1;
        (Self { conn, watch: Arc::clone(&watch) }, Waiting { watch, turn })
    }

    /// Runs the statement, and gives the reader back with what came of it. Blocks.
    pub(super) fn run(
        self,
        place: &Place,
        sql: &str,
        params: &[Value],
    ) -> Result<(Reader, Result<Vec<Row>, StoreError>), StoreError> {
        let refused = |refused: statement::Refused| refused.into_store(read_error);
        let Self { conn, watch } = self;
        let conn = match conn {
            Some(conn) => conn,
            None => opened(place, &watch).map_err(refused)?,
        };
        let rows = statement::run(&conn, sql, params).map(|answer| answer.rows).map_err(refused);
        Ok((Reader { conn, watch }, rows))
    }
}

fn opened(place: &Place, watch: &Arc<Watch>) -> Result<Connection, statement::Refused> {
    let mut conn = ours(place)?;
    let watch = Arc::clone(watch);
    conn.progress_handler(STEPS, Some(move || watch.is_over()))?;
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;

    const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n";

    fn engine(at_most: Duration) -> (Sqlite, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut engine = Sqlite::open(&folder.path().join("a.db"), 0).unwrap();
        engine.answer = at_most;
        (engine, folder)
    }

    #[tokio::test]
    async fn a_statement_that_takes_too_long_is_ended_and_its_reader_goes_on() {
        let (engine, _folder) = engine(Duration::from_millis(50));
        for _ in 0..2 {
            let read = tokio::time::timeout(Duration::from_secs(20), engine.read(ENDLESS, vec![])).await;
            assert!(matches!(read, Ok(Err(StoreError::Busy { .. }))), "{read:?}");
            assert_eq!(engine.read("SELECT 1", vec![]).await.unwrap().len(), 1);
        }
    }

    #[test]
    fn a_late_word_ends_no_other_turn() {
        let (turn, waiting) = Turn::begin(None, Duration::from_secs(60));
        assert!(!turn.watch.is_over());
        let (_, next) = Turn::begin(None, Duration::from_secs(60));
        drop(next);
        assert!(!turn.watch.is_over(), "another reader's");
        turn.watch.turn.fetch_add(1, Ordering::Relaxed);
        drop(waiting);
        assert!(!turn.watch.is_over(), "the turn before");
        turn.watch.left.fetch_max(2, Ordering::Relaxed);
        assert!(turn.watch.is_over());
    }
}
