//! A look at a database from outside, for whoever looks for what is wrong: opens nothing for writing, migrates nothing,
//! takes no lock, so that it can look beside a running server.

use crate::{Database, Migration, Row, STORE, StoreError, postgres, sql, sqlite};
use model::{TenantId, Timestamp};
use seal::RootKey;
use std::collections::HashSet;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// A migration that this version does not know: its room, number and name.
    pub newer: Option<(String, i64, String)>,
    /// Id and check value of the root key that the database was made with.
    root: Option<(String, String)>,
    pub newest_event: Option<Timestamp>,
    /// Logs whose head promises another number of entries than there are: tenant, promised, found.
    pub short_logs: Vec<(TenantId, u64, u64)>,
    /// Settings of the engine under which an acknowledged act could be lost (PostgreSQL).
    pub unsafe_settings: Vec<String>,
    /// Standbys that may lack what was acknowledged (PostgreSQL).
    pub asynchronous_standbys: u64,
}

impl Inspection {
    /// Whether the key is the database's own.
    #[must_use]
    pub fn is_root(&self, root: &RootKey) -> bool {
        self.root.as_ref().is_none_or(|(id, check)| root.matches(id, check))
    }
}

/// Looks. `None`: there is no database yet.
///
/// # Errors
/// When it cannot be reached or read.
pub async fn inspect(database: &Database, rooms: &[&'static [Migration]]) -> Result<Option<Inspection>, StoreError> {
    let asked = |sizes| [sql::APPLIED_MIGRATIONS, sql::ROOT_META, sql::NEWEST_EVENT, sizes];
    let (rows, settings) = match database {
        Database::Sqlite { path } if !path.exists() => return Ok(None),
        Database::Sqlite { path } => (sqlite::peek(path, &asked(sql::LOG_SIZES_IN_PLACE))?, Vec::new()),
        Database::Postgres { url } => {
            if postgres::peek(url, &[sql::HAS_MIGRATIONS]).await?.iter().flatten().next().is_none() {
                return Ok(None);
            }
            (
                postgres::peek(url, &asked(sql::LOG_SIZES)).await?,
                postgres::peek(url, &[sql::SETTINGS, sql::STANDBYS]).await?,
            )
        }
    };
    let mut found = Inspection::default();
    let mut answers = rows.iter().map(Vec::as_slice);
    let mut next = || answers.next().unwrap_or_default();
    found.newer = newer(next(), rooms)?;
    for row in next() {
        let (id, check) = found.root.take().unwrap_or_default();
        let value = row.text(1)?.to_owned();
        found.root = Some(if row.text(0)? == "root_key_id" { (value, check) } else { (id, value) });
    }
    found.newest_event = next().first().map(|row| row.opt_time(0)).transpose()?.flatten();
    for row in next() {
        let (promised, there) = (row.uint(1)?, row.uint(2)?);
        if promised != there {
            found.short_logs.push((TenantId::new(row.text(0)?), promised, there));
        }
    }
    if let [wanted, standbys] = settings.as_slice() {
        for row in wanted {
            let (name, value) = (row.text(0)?, row.text(1)?);
            // Each is `on`, or (`synchronous_commit`) says for whom a commit waits.
            if value == "off" {
                found.unsafe_settings.push(format!("{name} = {value}"));
            }
        }
        found.asynchronous_standbys = standbys.first().map_or(Ok(0), |row| row.uint(0))?;
    }
    Ok(Some(found))
}

fn newer(applied: &[Row], rooms: &[&'static [Migration]]) -> Result<Option<(String, i64, String)>, StoreError> {
    let known: HashSet<(&str, i64)> =
        STORE.iter().chain(rooms.iter().copied().flatten()).map(|step| (step.room, step.number)).collect();
    for row in applied {
        if !known.contains(&(row.text(0)?, row.int(1)?)) {
            return Ok(Some((row.text(0)?.to_owned(), row.int(1)?, row.text(2)?.to_owned())));
        }
    }
    Ok(None)
}
