//! The few places where the engines differ, each with a name; their words stand at the end of `sql.rs`.

use crate::{
    engine::{EngineTx, Statement},
    params,
    sql::{
        EPOCH_HELD, IDENTITY, IDENTITY_POSTGRES, IDENTITY_SQLITE, LOCK_EXCLUSIVE, LOCK_MIGRATIONS, LOCK_SHARED, NOTIFY,
    },
};
use model::TenantId;

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

pub(crate) fn lock_migrations(tx: &EngineTx) -> Option<Statement> {
    tx.is_postgres().then(|| Statement::new(LOCK_MIGRATIONS, params!["migrations"]))
}

pub(crate) fn notify(tx: &EngineTx, tenant: &TenantId) -> Option<Statement> {
    tx.is_postgres().then(|| Statement::new(NOTIFY, params![tenant]))
}

pub(crate) fn migration(tx: &EngineTx, sql: &str) -> String {
    sql.replace(IDENTITY, if tx.is_postgres() { IDENTITY_POSTGRES } else { IDENTITY_SQLITE })
}
