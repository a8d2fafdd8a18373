//! Where one step of an act, a log or a migration needs other words on each engine, or none on one: each choice has a
//! name, and the words stand at the end of `sql.rs`. What goes another way altogether is a `match` where it is used.

use crate::{
    Migration, StoreError,
    engine::{Engine, EngineTx, Statement},
    nodes::{LEASE, lease_ms},
    params,
    sql::{
        EPOCH_HELD, IDENTITY, IDENTITY_POSTGRES, IDENTITY_SQLITE, INSERT_EVENT, INSERT_EVENT_IN_PLACE, LIVE_NODES,
        LOCK_BRIEFLY, LOCK_EXCLUSIVE, LOCK_MIGRATIONS, LOCK_NODES, LOCK_SHARED, NOTIFY, UNSEQUENCED_TENANTS,
        UNSEQUENCED_TENANTS_IN_PLACE,
    },
};
use model::TenantId;
use std::time::Duration;

/// Whether others of the same tenant may commit at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TenantLock {
    Shared,
    Exclusive,
}

pub(crate) fn lock(tx: &EngineTx, tenant: &TenantId, lock: TenantLock) -> Option<Statement> {
    let sql = match lock {
        TenantLock::Shared => LOCK_SHARED,
        TenantLock::Exclusive => LOCK_EXCLUSIVE,
    };
    tx.is_postgres().then(|| Statement::new(sql, params![tenant]))
}

/// The question whether the epoch stands, for `EngineTx::run_and_commit`. SQLite answers without a round trip: there the
/// epoch is read, and compared here.
pub(crate) fn held(tx: &EngineTx, tenant: &TenantId, epoch: u64) -> Option<Statement> {
    tx.is_postgres().then(|| Statement::new(EPOCH_HELD, params![tenant, epoch]))
}

/// With one writer an event has its place from the beginning; where acts insert side by side, the sequencer gives it.
pub(crate) const fn insert_event(tx: &EngineTx) -> &'static str {
    if tx.is_postgres() { INSERT_EVENT } else { INSERT_EVENT_IN_PLACE }
}

pub(crate) const fn unsequenced_tenants(engine: &Engine) -> &'static str {
    match engine {
        Engine::Sqlite(_) => UNSEQUENCED_TENANTS_IN_PLACE,
        Engine::Postgres(_) => UNSEQUENCED_TENANTS,
    }
}

/// One process migrates. It waits but a moment for a table that others use: whoever comes after it waits as long.
pub(crate) fn lock_migrations(tx: &EngineTx) -> Vec<Statement> {
    let both = [(LOCK_MIGRATIONS, params!["migrations"]), (LOCK_BRIEFLY, params![])];
    both.into_iter().filter(|_| tx.is_postgres()).map(|(sql, params)| Statement::new(sql, params)).collect()
}

/// Refuses while a node holds a lease: it does not know the step. Until this transaction ends, none can take one. A lease
/// that a clock left ahead, when it was set back, is one until whoever lives would have renewed it: `waited` says for how
/// long that was possible. On SQLite the one node holds the file's lock.
pub(crate) async fn nobody_else(tx: &mut EngineTx, step: &Migration, waited: Duration) -> Result<(), StoreError> {
    if !tx.is_postgres() {
        return Ok(());
    }
    tx.run(&[Statement::new(LOCK_NODES, params![])]).await?;
    let mut nodes = Vec::new();
    for row in tx.query(LIVE_NODES, params![lease_ms()]).await? {
        if waited < LEASE || row.int(1)? == 0 {
            nodes.push(row.text(0)?.to_owned());
        }
    }
    if nodes.is_empty() {
        return Ok(());
    }
    let why = step.alone().unwrap_or_default().to_owned();
    Err(StoreError::OlderNodes { nodes, room: step.room.to_owned(), number: step.number, why })
}

pub(crate) fn notify(tx: &EngineTx, tenant: &TenantId) -> Option<Statement> {
    tx.is_postgres().then(|| Statement::new(NOTIFY, params![tenant]))
}

pub(crate) fn migration(tx: &EngineTx, sql: &str) -> String {
    sql.replace(IDENTITY, if tx.is_postgres() { IDENTITY_POSTGRES } else { IDENTITY_SQLITE })
}
