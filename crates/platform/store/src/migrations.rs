//! Migrations, forward only: each room brings its own, all run in one transaction, while older nodes may run.
//!
//! Refuses data that a newer version wrote, a past migration that was altered, and a step that no older node may stand
//! beside while one does (docs/adr/upgrades-add-first.md).

use crate::{
    Row, StoreConfig, StoreError, Value, differences,
    engine::{Engine, EngineTx, GroupEnd},
    params, sql,
};
use seal::RootKey;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

const ROOT_ID: &str = "root_key_id";
const LOG_HOST: &str = "log_host";
const ROOT_CHECK: &str = "root_key_check";

/// How the line of a step begins that says why no older node may run beside it. `tidy` asks for one where it does more
/// than add.
const ALONE: &str = "-- alone: ";
/// How long a start waits for older nodes to go, and for locks that they hold; whoever starts it may start it again.
const WAIT: Duration = Duration::from_secs(20);
/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(500);

/// One step of how a room's rows are stored. Numbers rise within a room; a step that was released is never
/// edited.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    pub room: &'static str,
    pub number: i64,
    pub name: &'static str,
    /// In the subset both engines share; `{{identity}}` stands for a row number that the engine counts.
    pub sql: &'static str,
}

impl Migration {
    /// Why no node that does not know this step may run once it is applied; `None` when it only adds, and they go on.
    #[must_use]
    pub fn alone(&self) -> Option<&'static str> {
        self.sql.lines().find_map(|line| line.strip_prefix(ALONE))
    }
}

/// What the store itself keeps.
pub const STORE: &[Migration] = &[
    Migration { room: "store", number: 1, name: "store", sql: include_str!("../migrations/0001_store.sql") },
    Migration { room: "store", number: 2, name: "recoveries", sql: include_str!("../migrations/0002_recoveries.sql") },
    Migration { room: "store", number: 3, name: "search", sql: include_str!("../migrations/0003_search.sql") },
    Migration {
        room: "store",
        number: 4,
        name: "node leases",
        sql: include_str!("../migrations/0004_node_leases.sql"),
    },
    Migration { room: "notices", number: 1, name: "notices", sql: include_str!("../migrations/0020_notices.sql") },
    Migration { room: "store", number: 30, name: "rate draws", sql: include_str!("../migrations/0030_rate_draws.sql") },
    Migration { room: "content", number: 1, name: "content", sql: include_str!("../migrations/0050_content.sql") },
    Migration {
        room: "store",
        number: 60,
        name: "alone steps",
        sql: include_str!("../migrations/0060_alone_steps.sql"),
    },
    Migration { room: "store", number: 70, name: "about", sql: include_str!("../migrations/0070_about.sql") },
];

pub(crate) async fn migrate(
    engine: &Engine,
    config: &StoreConfig,
    rooms: &[&'static [Migration]],
) -> Result<String, StoreError> {
    let wanted: Vec<&Migration> = STORE.iter().chain(rooms.iter().copied().flatten()).collect();
    check_order(&wanted)?;
    let error = match patiently(engine, config, &wanted).await {
        Err(error) if error.is_unavailable() => error,
        done => return done,
    };
    // Nothing can be written now. If there is nothing to write, it opens all the same: for those who look, and for cuts.
    match as_it_is(engine, config, &wanted).await {
        Ok(Some(log_host)) => {
            tracing::error!(%error, "the database cannot be written; it was opened as it is");
            Ok(log_host)
        }
        Err(other @ (StoreError::Newer { .. } | StoreError::Altered { .. } | StoreError::WrongKey { .. })) => {
            Err(other)
        }
        Ok(None) | Err(_) => Err(error),
    }
}

/// How many steps of these no older node may stand beside: a node that knows fewer than were applied stops.
pub(crate) fn alone_steps(rooms: &[&'static [Migration]]) -> i64 {
    let steps = STORE.iter().chain(rooms.iter().copied().flatten());
    i64::try_from(steps.filter(|step| step.alone().is_some()).count()).unwrap_or(i64::MAX)
}

/// Again and again while older nodes work on the same tables, or must go first.
async fn patiently(engine: &Engine, config: &StoreConfig, wanted: &[&Migration]) -> Result<String, StoreError> {
    let began = Instant::now();
    loop {
        let error = match forward(engine, config, wanted, began.elapsed()).await {
            Err(error @ StoreError::OlderNodes { .. }) => error,
            Err(error @ StoreError::Busy { .. }) if matches!(engine, Engine::Postgres(_)) => error,
            done => return done,
        };
        if began.elapsed() >= WAIT {
            return Err(error);
        }
        tracing::warn!(%error, "migrating waits");
        tokio::time::sleep(AGAIN).await;
    }
}

async fn forward(
    engine: &Engine,
    config: &StoreConfig,
    wanted: &[&Migration],
    waited: Duration,
) -> Result<String, StoreError> {
    let mut tx = engine.begin().await?;
    tx.run(&differences::lock_migrations(&tx)).await?;
    tx.script(sql::CREATE_MIGRATIONS).await?;
    let applied = tx.query(sql::APPLIED_MIGRATIONS, &[]).await?;
    let missing = missing(&applied, wanted)?;
    let mut alone = false;
    for step in missing {
        if step.alone().is_some() && !alone {
            differences::nobody_else(&mut tx, step, waited).await?;
            alone = true;
        }
        let script = differences::migration(&tx, step.sql);
        tx.script(&script).await?;
        let row: &[Value] = params![step.room, step.number, step.name, digest(step), config.clock.now()];
        tx.execute(sql::INSERT_MIGRATION, row).await?;
        if let Some(why) = step.alone() {
            tx.execute(sql::INSERT_ALONE_STEP, params![step.room, step.number, why]).await?;
        }
        tracing::info!(room = step.room, number = step.number, name = step.name, "migrated");
    }
    own_key(&mut tx, &config.root).await?;
    let log_host = stored(&mut tx, LOG_HOST).await?;
    if log_host.is_none() {
        tx.execute(sql::INSERT_META, params![LOG_HOST, config.log_host.as_str()]).await?;
    }
    tx.commit(GroupEnd::Close).await?;
    Ok(log_host.unwrap_or_else(|| config.log_host.clone()))
}

/// Without writing; `None` when something would have to be written.
async fn as_it_is(engine: &Engine, config: &StoreConfig, wanted: &[&Migration]) -> Result<Option<String>, StoreError> {
    if !missing(&engine.read(sql::APPLIED_MIGRATIONS, &[]).await?, wanted)?.is_empty() {
        return Ok(None);
    }
    let mut meta = Vec::new();
    for name in [ROOT_ID, ROOT_CHECK, LOG_HOST] {
        let rows = engine.read(sql::META, params![name]).await?;
        meta.push(rows.first().map(|row| row.text(0).map(str::to_owned)).transpose()?);
    }
    match meta.as_slice() {
        [Some(id), Some(check), Some(host)] if config.root.matches(id, check) => Ok(Some(host.clone())),
        [Some(id), ..] => Err(StoreError::WrongKey { expected: id.clone(), found: config.root.id() }),
        _ => Ok(None),
    }
}

fn digest(step: &Migration) -> String {
    seal::Digest::of(step.sql.as_bytes()).to_string()
}

/// What has not been applied yet. Refuses what was altered, and what a later version applied.
fn missing<'a>(applied: &[Row], wanted: &[&'a Migration]) -> Result<Vec<&'a Migration>, StoreError> {
    let mut known = HashMap::new();
    for row in applied {
        known.insert((row.text(0)?.to_owned(), row.int(1)?), (row.text(2)?.to_owned(), row.text(3)?.to_owned()));
    }
    let mut missing = Vec::new();
    for step in wanted {
        match known.remove(&(step.room.to_owned(), step.number)) {
            Some((_, before)) if before != digest(step) => {
                return Err(StoreError::Altered { room: step.room.to_owned(), number: step.number });
            }
            Some(_) => {}
            None => missing.push(*step),
        }
    }
    match known.into_iter().min() {
        Some(((room, number), (name, _))) => Err(StoreError::Newer { room, number, name }),
        None => Ok(missing),
    }
}

async fn stored(tx: &mut EngineTx, name: &str) -> Result<Option<String>, StoreError> {
    let rows = tx.query(sql::META, params![name]).await?;
    rows.first().map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// Stores the root key's id and check value when the database is new; compares them ever after.
async fn own_key(tx: &mut EngineTx, root: &RootKey) -> Result<(), StoreError> {
    let id = stored(tx, ROOT_ID).await?;
    let check = stored(tx, ROOT_CHECK).await?;
    match (id, check) {
        (Some(id), Some(check)) if root.matches(&id, &check) => Ok(()),
        (None, None) => {
            tx.execute(sql::INSERT_META, params![ROOT_ID, root.id()]).await?;
            tx.execute(sql::INSERT_META, params![ROOT_CHECK, root.check_value()]).await?;
            Ok(())
        }
        (expected, _) => Err(StoreError::WrongKey { expected: expected.unwrap_or_default(), found: root.id() }),
    }
}

fn check_order(wanted: &[&Migration]) -> Result<(), StoreError> {
    let mut last: HashMap<&'static str, i64> = HashMap::new();
    for step in wanted {
        let before = last.insert(step.room, step.number).unwrap_or(0);
        if step.number <= before {
            return Err(StoreError::Disordered { room: step.room, number: step.number });
        }
    }
    Ok(())
}
