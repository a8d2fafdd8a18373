//! Every row of every table, as it was at one moment, while acts go on: what a backup is made of. And the way back: into
//! an empty database of either engine.
//!
//! Rows go as lines of JSON that both engines fill alike. Refuses to fill a database that holds anything, a backup of
//! migrations that this version does not know or that were altered, and names that no migration makes.

mod inline;
mod sql;

use crate::{
    Database, Migration, RESERVE_BYTES, Row, STORE, Store, StoreError, Value, differences,
    engine::{Engine, EngineTx, GroupEnd},
    params,
    postgres::{self, Postgres},
    recover::IN_DOUBT,
    sqlite::Sqlite,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Rows handed over at once: so many, or as many as come to this size. A row may be as large as a bundle.
const ROWS: usize = 256;
const ROWS_BYTES: usize = 1 << 20;
/// How long one step of filling a database may take at the server: its commit is as large as the whole of it.
const STEP: Duration = Duration::from_secs(600);

/// One step that a database was made by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub room: String,
    pub number: i64,
    pub digest: String,
}

/// A piece of a snapshot, in this order: the steps, then each table with its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Steps(Vec<Applied>),
    Table {
        name: String,
        columns: Vec<String>,
    },
    /// A line of JSON for each row, without line ends.
    Rows(Vec<String>),
}

/// Where pieces go; whoever takes them may be slow.
pub type Pieces = mpsc::Sender<Piece>;

/// Rows that are gathered for one piece.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<String>,
    bytes: usize,
}

impl Lines {
    /// The piece, once it is large enough.
    pub(crate) fn add(&mut self, line: String) -> Option<Piece> {
        self.bytes += line.len();
        self.lines.push(line);
        let whole = self.lines.len() >= ROWS || self.bytes >= ROWS_BYTES;
        whole.then(|| std::mem::take(self).rest())
    }

    pub(crate) fn rest(self) -> Piece {
        Piece::Rows(self.lines)
    }
}

pub(crate) fn line(row: &Row) -> String {
    let json = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Int(number) => Json::from(*number),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Bytes(bytes) => Json::from(vec![BASE64_STANDARD.encode(bytes)]),
    };
    Json::Array(row.values().iter().map(json).collect()).to_string()
}

fn values(line: &str) -> Option<Vec<Value>> {
    let value = |json: Json| match json {
        Json::Null => Some(Value::Null),
        Json::Number(number) => number.as_i64().map(Value::Int),
        Json::String(text) => Some(Value::Text(text)),
        Json::Array(one) => match one.as_slice() {
            [Json::String(bytes)] => BASE64_STANDARD.decode(bytes).ok().map(Value::Bytes),
            _ => None,
        },
        Json::Bool(_) | Json::Object(_) => None,
    };
    let Ok(Json::Array(row)) = serde_json::from_str(line) else { return None };
    row.into_iter().map(value).collect()
}

/// Whether a name is one that migrations give: nothing else is ever put into a statement.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 64
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
}

impl Store {
    /// Reads everything as it is at one moment.
    ///
    /// # Errors
    /// When the database cannot be read, or nobody takes the pieces.
    pub async fn snapshot(&self, to: Pieces) -> Result<(), StoreError> {
        let (through, pieces) = mpsc::channel(1);
        let (read, brought) = tokio::join!(self.engine.read_all(through), inline::bring(self, pieces, to));
        brought.and(read)
    }
}

/// Reads everything of a database that nobody has open, as it lies there: unlike `Store::open`, this migrates nothing.
///
/// # Errors
/// As `Store::snapshot`; when somebody has it open.
pub async fn read_back(database: &Database, to: Pieces) -> Result<(), StoreError> {
    Engine::alone(database, 0).await?.read_all(to).await
}

impl Engine {
    async fn alone(database: &Database, reserve_bytes: u64) -> Result<Self, StoreError> {
        Ok(match database {
            Database::Sqlite { path } => Self::Sqlite(Arc::new(Sqlite::open(path, reserve_bytes)?)),
            Database::Postgres { url } => Self::Postgres(Arc::new(Postgres::open(url).await?)),
        })
    }

    async fn read_all(&self, to: Pieces) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => {
                let sqlite = Arc::clone(sqlite);
                let work = move || sqlite.snapshot(&to);
                tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
            }
            Self::Postgres(postgres) => postgres.snapshot(&to).await,
        }
    }
}

pub(crate) fn steps(rows: &[Row]) -> Result<Piece, StoreError> {
    let step =
        |row: &Row| Ok(Applied { room: row.text(0)?.to_owned(), number: row.int(1)?, digest: row.text(3)?.to_owned() });
    rows.iter().map(step).collect::<Result<_, StoreError>>().map(Piece::Steps)
}

pub(crate) use sql::{BEGIN_SNAPSHOT_POSTGRES, BEGIN_SNAPSHOT_SQLITE, TABLES_POSTGRES, TABLES_SQLITE, whole};

/// An empty database that is being filled; dropped before `commit`, nothing of it stays.
#[derive(Debug)]
pub struct Refill {
    // Dropped before the engine: its rollback needs the connection.
    tx: EngineTx,
    engine: Engine,
    /// Of the table that is being filled.
    insert: Option<(&'static str, usize)>,
    /// One text for each table: statements live as long as the process, which ends with the restore.
    inserts: HashMap<String, &'static str>,
    /// Filled since it was looked how much room there is; `None`: it was not yet.
    unlooked: Option<usize>,
}

impl Refill {
    /// Opens a database that must be new. `None`: it holds something.
    ///
    /// # Errors
    /// When it cannot be reached or written.
    pub async fn begin(database: &Database) -> Result<Option<Self>, StoreError> {
        Self::beside(database, RESERVE_BYTES).await
    }

    async fn beside(database: &Database, reserve_bytes: u64) -> Result<Option<Self>, StoreError> {
        let holds = match database {
            Database::Sqlite { path } => path.exists(),
            Database::Postgres { url } => {
                postgres::peek(url, &[crate::sql::HAS_MIGRATIONS]).await?.iter().flatten().next().is_some()
            }
        };
        if holds {
            return Ok(None);
        }
        let engine = Engine::alone(database, reserve_bytes).await?;
        let mut tx = engine.begin().await?;
        tx.wait_for(STEP);
        Ok(Some(Self { tx, engine, insert: None, inserts: HashMap::new(), unlooked: None }))
    }

    /// Makes the tables as they were when the backup was made.
    ///
    /// # Errors
    /// `StoreError::Newer` and `StoreError::Altered` for steps that this version does not know as they are.
    pub async fn steps(&mut self, applied: &[Applied], rooms: &[&'static [Migration]]) -> Result<(), StoreError> {
        let mut applied: HashMap<(&str, i64), &str> =
            applied.iter().map(|step| ((step.room.as_str(), step.number), step.digest.as_str())).collect();
        self.tx.script(crate::sql::CREATE_MIGRATIONS).await?;
        for step in STORE.iter().chain(rooms.iter().copied().flatten()) {
            let Some(digest) = applied.remove(&(step.room, step.number)) else { continue };
            if digest != seal::Digest::of(step.sql.as_bytes()).to_string() {
                return Err(StoreError::Altered { room: step.room.to_owned(), number: step.number });
            }
            let script = differences::migration(&self.tx, step.sql);
            self.tx.script(&script).await?;
        }
        match applied.into_keys().min() {
            None => Ok(()),
            Some((room, number)) => {
                Err(StoreError::Newer { room: room.to_owned(), number, name: "a later step".to_owned() })
            }
        }
    }

    /// The rows that follow are this table's.
    ///
    /// # Errors
    /// For a name that no migration gives.
    pub fn table(&mut self, name: &str, columns: &[String]) -> Result<(), StoreError> {
        if !is_plain(name) || columns.is_empty() || !columns.iter().all(|column| is_plain(column)) {
            return Err(StoreError::row(0, "the name of a table and its columns"));
        }
        let insert = *self
            .inserts
            .entry(name.to_owned())
            .or_insert_with(|| Box::leak(sql::insert(name, columns).into_boxed_str()));
        self.insert = Some((insert, columns.len()));
        Ok(())
    }

    /// # Errors
    /// For a line that is no row of the table; `StoreError::NoRoom` before the disk is full.
    pub async fn row(&mut self, line: &str) -> Result<(), StoreError> {
        self.look_for_room(line.len()).await?;
        let malformed = || StoreError::row(0, "a row of the table");
        let (insert, columns) = self.insert.ok_or_else(malformed)?;
        let values = values(line).filter(|values| values.len() == columns).ok_or_else(malformed)?;
        self.tx.execute(insert, &values).await.map(drop)
    }

    /// All of it is in SQLite's log before it goes into the database: both find room, and others go on writing.
    async fn look_for_room(&mut self, bytes: usize) -> Result<(), StoreError> {
        let Engine::Sqlite(sqlite) = &self.engine else { return Ok(()) };
        self.unlooked = self.unlooked.map(|filled| filled.saturating_add(bytes)).filter(|filled| *filled < ROWS_BYTES);
        if self.unlooked.is_none() {
            let size = self.tx.query(crate::sql::DATABASE_BYTES, params![]).await?;
            sqlite.check_spared(size.first().map_or(Ok(0), |row| row.uint(0))?)?;
            self.unlooked = Some(0);
        }
        Ok(())
    }

    /// Whatever opens it once it is committed is recovering, until a person has accepted it.
    ///
    /// # Errors
    /// As a write.
    pub async fn doubt(&mut self, tenant: &TenantId) -> Result<(), StoreError> {
        self.tx.execute(crate::sql::PUT_META, params![IN_DOUBT, tenant]).await.map(drop)
    }

    /// Everything, durable; or nothing.
    ///
    /// # Errors
    /// As a write.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if self.tx.is_postgres() {
            self.tx.query(sql::RESET_SEQUENCE, params![]).await?;
            for log in self.tx.query(crate::sql::LOGS, params![]).await? {
                self.tx.execute(sql::FORGET_PLACES, params![log.text(0)?, log.uint(1)?]).await?;
            }
        }
        self.tx.commit(GroupEnd::Close).await?;
        if let Engine::Sqlite(sqlite) = self.engine {
            // Whoever closes the group lets go of the file's lock a moment later; then it can be opened anew.
            while Arc::strong_count(&sqlite) > 1 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_was() {
        let row = vec![
            Value::Null,
            Value::Int(i64::MIN),
            Value::Text("a\n\"ü\u{2028}".to_owned()),
            Value::Bytes(vec![0, 255]),
        ];
        let text = line(&Row::new(row.clone()));
        assert!(!text.contains('\n'));
        assert_eq!(values(&text), Some(row));
        for bad in ["", "{}", "[true]", "[1.5]", "[[1]]", "[[\"!\"]]", "[1] x"] {
            assert_eq!(values(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_piece_has_so_many_rows_or_so_many_bytes() {
        let sizes = |lines: &[String]| {
            let mut gathered = Lines::default();
            let mut pieces: Vec<Piece> = lines.iter().filter_map(|line| gathered.add(line.clone())).collect();
            pieces.push(gathered.rest());
            let count = |piece: Piece| if let Piece::Rows(lines) = piece { lines.len() } else { 0 };
            pieces.into_iter().map(count).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&vec!["[1]".to_owned(); 300]), [256, 44]);
        let (small, large) = ("[1]".to_owned(), "x".repeat(ROWS_BYTES));
        assert_eq!(sizes(&[small.clone(), large.clone(), large, small]), [2, 1, 1]);
    }

    #[tokio::test]
    async fn what_would_fill_the_disk_is_broken_off() {
        let folder = tempfile::tempdir().unwrap();
        let space = rustix::fs::statvfs(folder.path()).unwrap();
        // There is room for it, and not for what others write.
        let reserve_bytes = space.f_bavail * space.f_frsize / 2;
        let database = Database::Sqlite { path: folder.path().join("a.db") };
        let mut refill = Refill::beside(&database, reserve_bytes).await.unwrap().unwrap();
        refill.steps(&[], &[]).await.unwrap();
        refill.table("migrations", &["room", "number", "name", "digest", "at"].map(str::to_owned)).unwrap();
        let refused = refill.row("[\"notes\",1,\"notes\",\"digest\",0]").await.unwrap_err();
        assert_eq!(refused.problem().code, "store.no_room", "{refused:?}");
    }

    #[test]
    fn only_names_of_migrations_go_into_a_statement() {
        assert!(is_plain("log_heads") && is_plain("a1"));
        for bad in ["", "a b", "a\"", "A", "é", "a;", &"a".repeat(64)] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
