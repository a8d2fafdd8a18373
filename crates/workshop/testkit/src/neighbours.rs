//! Another tenant in the same database, with a copy of every row under the same ids: what one tenant does must not be
//! felt there.
//!
//! Refuses tables that say of no row whose it is, but for the few of the platform itself.

use crate::{Process, sql};
use rusqlite::Connection;
use std::{collections::BTreeMap, path::PathBuf};
use tokio_postgres::{Client, NoTls};

const TENANT: &str = "neighbours";
/// The platform's own: nothing in them belongs to a tenant.
const EVERYBODYS: &[&str] = &["meta", "migrations", "leases", "runs", "store_migrations", "node_leases", "alone_steps"];
/// Numbered by the database.
const NUMBERED: &[(&str, &str)] = &[("events", "seq")];
/// Unique beyond the tenant, since they are random: the copy has others.
const RANDOM: &[(&str, &str, Kind)] =
    &[("events", "id", Kind::Text), ("links", "hash", Kind::Bytes), ("sessions", "hash", Kind::Bytes)];

/// The sequencer leads the log of every tenant: its term rises at each start, whoever started it.
const LED: &[(&str, &str)] = &[("log_heads", "term")];
/// Columns of a table, with their types.
type Columns = BTreeMap<String, String>;

const RANDOM_BYTES: &str = "decode(md5(random()::text), 'hex')";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Bytes,
}

enum Database {
    Sqlite(PathBuf),
    Postgres(String),
}

/// The other tenant's rows.
pub struct Neighbours {
    database: Database,
}

impl Neighbours {
    /// Copies every row; the server must be down.
    ///
    /// # Panics
    /// When a table has no tenant and is not one of the platform's own, or a row cannot be copied.
    pub async fn move_in(town: &Process) -> Self {
        let database = match &town.database {
            None => Database::Sqlite(town.data().join("bailiwick.db")),
            Some(database) => Database::Postgres(database.url.clone()),
        };
        let neighbours = Self { database };
        let tables = neighbours.tables().await;
        let mut left: Vec<String> = Vec::new();
        for (table, columns) in &tables {
            if columns.contains_key("tenant") {
                left.push(copy(table, columns));
            } else {
                assert!(EVERYBODYS.contains(&table.as_str()), "the rows of `{table}` belong to nobody");
            }
        }
        // What refers to rows of another table is copied after them.
        for _ in 0..2 {
            left = neighbours.run(left).await;
        }
        assert!(left.is_empty(), "not copied: {left:?}");
        // What stood empty gets a row that is long past its time: whoever clears up for all tenants takes it away.
        let rows = neighbours.rows().await;
        let empty = tables.iter().filter(|(table, _)| rows.get(*table).is_some_and(Vec::is_empty));
        let left = neighbours.run(empty.map(|(table, columns)| made_up(table, columns)).collect()).await;
        assert!(left.is_empty(), "not made up: {left:?}");
        neighbours
    }

    /// All their rows by table, as text, in order; a table without any too.
    pub async fn rows(&self) -> BTreeMap<String, Vec<String>> {
        let mut rows = BTreeMap::new();
        for (table, columns) in self.tables().await {
            if !columns.contains_key("tenant") {
                continue;
            }
            let columns: Vec<&str> =
                columns.keys().map(String::as_str).filter(|column| !LED.contains(&(&table, column))).collect();
            let found = match &self.database {
                Database::Sqlite(path) => sqlite_rows(path, &table, &columns),
                Database::Postgres(url) => {
                    let text = sql::postgres_rows(&table, &columns, TENANT);
                    let client = connect(url).await;
                    let found = client.query(&text, &[]).await.unwrap();
                    found.iter().map(|row| row.get(0)).collect()
                }
            };
            rows.insert(table, found);
        }
        rows
    }

    /// Every table with its columns, as the database itself tells.
    async fn tables(&self) -> BTreeMap<String, Columns> {
        let mut tables: BTreeMap<String, Columns> = BTreeMap::new();
        match &self.database {
            Database::Sqlite(path) => {
                let connection = Connection::open(path).unwrap();
                let mut statement = connection.prepare(sql::SQLITE_COLUMNS).unwrap();
                let pairs = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
                for pair in pairs {
                    let (table, column, kind): (String, String, String) = pair.unwrap();
                    tables.entry(table).or_default().insert(column, kind);
                }
            }
            Database::Postgres(url) => {
                for row in connect(url).await.query(sql::POSTGRES_COLUMNS, &[]).await.unwrap() {
                    tables.entry(row.get(0)).or_default().insert(row.get(1), row.get(2));
                }
            }
        }
        tables
    }

    /// Runs the statements; gives back those that could not be run yet.
    async fn run(&self, statements: Vec<String>) -> Vec<String> {
        let mut left = Vec::new();
        for text in statements {
            let done = match &self.database {
                Database::Sqlite(path) => {
                    Connection::open(path).unwrap().execute(&text.replace(RANDOM_BYTES, "randomblob(32)"), []).is_ok()
                }
                Database::Postgres(url) => connect(url).await.execute(&text, &[]).await.is_ok(),
            };
            if !done {
                left.push(text);
            }
        }
        left
    }
}

fn copy(table: &str, columns: &Columns) -> String {
    let columns: Vec<&str> =
        columns.keys().map(String::as_str).filter(|column| !NUMBERED.contains(&(table, column))).collect();
    let value = |column: &&str| {
        let random = RANDOM.iter().find(|(of, name, _)| *of == table && name == column);
        match (*column, random) {
            ("tenant", _) => format!("'{TENANT}'"),
            (column, Some((_, _, Kind::Text))) => format!("{column} || 'x'"),
            (_, Some((_, _, Kind::Bytes))) => RANDOM_BYTES.to_owned(),
            (column, None) => column.to_owned(),
        }
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    sql::copy(table, &columns, &values)
}

fn sqlite_rows(path: &PathBuf, table: &str, columns: &[&str]) -> Vec<String> {
    let text = sql::sqlite_rows(table, columns, TENANT);
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(&text).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn made_up(table: &str, columns: &Columns) -> String {
    let value = |(column, kind): (&String, &String)| match (column.as_str(), kind.as_str()) {
        ("tenant", _) => format!("'{TENANT}'"),
        (_, "BIGINT") => "1".to_owned(),
        (_, "BYTEA") => RANDOM_BYTES.to_owned(),
        (_, _) => format!("'{TENANT}'"),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    sql::insert(table, &columns.keys().map(String::as_str).collect::<Vec<_>>(), &values)
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    drop(tokio::spawn(connection));
    client
}
