//! A look at a database from outside, for whoever looks for what is wrong: opens nothing for writing, migrates nothing,
//! takes no lock, so that it can look beside a running server.

use crate::{Database, Migration, Row, STORE, StoreError, postgres, sql, sqlite};
use model::{TenantId, Timestamp};
use seal::RootKey;
use std::collections::HashSet;

/// The setting that names the standbys that a commit waits for.
const STANDBY_NAMES: &str = "synchronous_standby_names";

/// A setting of PostgreSQL, and where it was set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    pub value: String,
    /// As `pg_settings` says it: `configuration file`, `command line`, `database`, `user`, …
    pub source: String,
    /// The file in which it stands; empty if it stands in none, or in one that this user may not see.
    pub file: String,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// A migration that this version does not know: its room, number and name.
    pub newer: Option<(String, i64, String)>,
    /// Id and check value of the root key that the database was made with.
    root: Option<(String, String)>,
    pub newest_event: Option<Timestamp>,
    /// What the database says that it is now (PostgreSQL): its servers go by that.
    pub now: Option<Timestamp>,
    /// Logs whose head promises another number of entries than there are: tenant, promised, found.
    pub short_logs: Vec<(TenantId, u64, u64)>,
    /// Settings of the engine under which an acknowledged act could be lost (PostgreSQL).
    pub unsafe_settings: Vec<Setting>,
    /// The one by which a commit waits for no standby, although some are named to be waited for (PostgreSQL).
    pub unwaited: Option<Setting>,
    /// Standbys that may lack what was acknowledged (PostgreSQL).
    pub asynchronous_standbys: u64,
}

impl Inspection {
    /// Whether the key is the database's own.
    #[must_use]
    pub fn is_root(&self, root: &RootKey) -> bool {
        self.root.as_ref().is_none_or(|(id, check)| root.matches(id, check))
    }

    /// The id of the key that is its own, if it has one by now.
    #[must_use]
    pub fn root_id(&self) -> Option<&str> {
        self.root.as_ref().map(|(id, _)| id.as_str())
    }

    fn judge(&mut self, settings: Vec<Setting>) {
        let named = settings.iter().any(|setting| setting.name == STANDBY_NAMES && !setting.value.is_empty());
        for setting in settings.into_iter().filter(|setting| setting.name != STANDBY_NAMES) {
            // Each is `on`, or (`synchronous_commit`) says for whom a commit waits.
            if setting.value == "off" {
                self.unsafe_settings.push(setting);
            } else if named && setting.value == "local" {
                self.unwaited = Some(setting);
            }
        }
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
                postgres::peek(url, &[sql::SETTINGS, sql::STANDBYS, sql::DATABASE_NOW]).await?,
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
    if let [wanted, standbys, now] = settings.as_slice() {
        found.judge(wanted.iter().map(setting).collect::<Result<Vec<_>, _>>()?);
        found.asynchronous_standbys = standbys.first().map_or(Ok(0), |row| row.uint(0))?;
        found.now = now.first().map(|row| row.time(0)).transpose()?;
    }
    Ok(Some(found))
}

fn setting(row: &Row) -> Result<Setting, StoreError> {
    let text = |column| row.text(column).map(str::to_owned);
    Ok(Setting { name: text(0)?, value: text(1)?, source: text(2)?, file: text(3)? })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(settings: &[(&str, &str)]) -> (Vec<String>, bool) {
        let setting = |(name, value): &(&str, &str)| Setting {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            ..Setting::default()
        };
        let mut seen = Inspection::default();
        seen.judge(settings.iter().map(setting).collect());
        (seen.unsafe_settings.into_iter().map(|setting| setting.name).collect(), seen.unwaited.is_some())
    }

    #[test]
    fn a_commit_that_waits_for_no_named_standby_is_seen() {
        let commit = |value| ("synchronous_commit", value);
        assert_eq!(judged(&[("fsync", "off"), commit("off"), (STANDBY_NAMES, "b")]).0, ["fsync", "synchronous_commit"]);
        assert!(judged(&[commit("local"), (STANDBY_NAMES, "b")]).1);
        for fine in [[commit("local"), (STANDBY_NAMES, "")], [commit("on"), (STANDBY_NAMES, "off")]] {
            assert_eq!(judged(&fine), (vec![], false), "{fine:?}");
        }
    }
}
