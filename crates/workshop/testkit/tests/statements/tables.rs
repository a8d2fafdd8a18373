//! The database as it is behind the product's back: which tables an act writes, and what refuses to be written.

use std::{collections::BTreeMap, path::PathBuf};
use testkit::Town;
use tokio_postgres::NoTls;

/// What nodes write whether or not anybody acts.
const BESIDE: [&str; 3] = ["runs", "node_leases", "session_seen"];
const SQLITE_TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
const LOG_SIZE: &str = "SELECT size FROM log_heads WHERE tenant = 'main'";
const KINDS: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];
const REFUSE: &str = "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$";

pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Database {
    pub(crate) fn of(url: Option<String>, town: &Town) -> Self {
        url.map_or_else(|| Self::Sqlite(town.data.join("bailiwick.db")), Self::Postgres)
    }

    /// Every row of every table.
    pub(crate) async fn rows(&self) -> BTreeMap<String, Vec<u8>> {
        match self {
            Self::Postgres(url) => testkit::dump(url).await.into_iter().collect(),
            Self::Sqlite(path) => {
                let database = rusqlite::Connection::open(path).unwrap();
                let mut found = database.prepare(SQLITE_TABLES).unwrap();
                let names: Vec<String> = found.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
                names.into_iter().map(|name| (name.clone(), whole(&database, &name))).collect()
            }
        }
    }

    /// From now on no row of it can be written.
    pub(crate) async fn forbid(&self, table: &str) {
        let text: Vec<String> = KINDS
            .iter()
            .map(|kind| match self {
                Self::Sqlite(_) => format!(
                    "CREATE TRIGGER refuse_{kind} BEFORE {kind} ON {table} BEGIN SELECT RAISE(ABORT, 'refused by the test'); END;"
                ),
                Self::Postgres(_) => {
                    format!("CREATE TRIGGER refuse_{kind} BEFORE {kind} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse();")
                }
            })
            .collect();
        let before = if matches!(self, Self::Postgres(_)) { REFUSE } else { "" };
        self.run(&format!("{before}; {}", text.concat())).await;
    }

    pub(crate) async fn allow(&self, table: &str) {
        let text: Vec<String> = KINDS
            .iter()
            .map(|kind| match self {
                Self::Sqlite(_) => format!("DROP TRIGGER refuse_{kind};"),
                Self::Postgres(_) => format!("DROP TRIGGER refuse_{kind} ON {table};"),
            })
            .collect();
        self.run(&text.concat()).await;
    }

    async fn run(&self, text: &str) {
        match self {
            Self::Sqlite(path) => {
                let database = rusqlite::Connection::open(path).unwrap();
                database.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
                database.execute_batch(text).unwrap();
            }
            Self::Postgres(url) => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
                let connection = tokio::spawn(connection);
                client.batch_execute(text).await.unwrap();
                drop(client);
                connection.await.unwrap().unwrap();
            }
        }
    }
}

/// How many events have their place in the log, asked beside the wire.
pub(crate) async fn log_size(url: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let size = client.query_opt(LOG_SIZE, &[]).await.unwrap().map_or(0, |row| row.get(0));
    drop(client);
    connection.await.unwrap().unwrap();
    size
}

fn whole(database: &rusqlite::Connection, table: &str) -> Vec<u8> {
    let mut reading = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let count = reading.column_count();
    let mut rows = reading.query([]).unwrap();
    let mut bytes = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        for column in 0..count {
            bytes.extend(format!("{:?},", row.get_ref(column).unwrap()).into_bytes());
        }
    }
    bytes
}

/// The tables whose rows differ, but for those that are written in any case.
pub(crate) fn changed(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let differs = |(name, rows): (&String, &Vec<u8>)| (before.get(name) != Some(rows)).then(|| name.clone());
    after.iter().filter_map(differs).filter(|name| !BESIDE.contains(&name.as_str())).collect()
}
