//! Who runs a job: a leased row on either engine, and leadership that ends with the node.
//!
//! A lease is a bound on time, not a fence: what its holder writes must carry `term` where that matters.

use crate::{
    FreeWrite, Store, StoreError, Table,
    engine::Engine,
    params,
    postgres::{Postgres, SessionLock},
    sql,
};
use model::Timestamp;
use std::{sync::Arc, time::Duration};

const TAKE: FreeWrite = FreeWrite::new(Table::Leases, sql::TAKE_LEASE);
const FREE: FreeWrite = FreeWrite::new(Table::Leases, sql::FREE_LEASE);

/// This node may run the named job until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    pub until: Timestamp,
    /// Rises each time the lease changes hands.
    pub term: u64,
}

/// This node leads while this lives and `is_held`.
#[derive(Debug)]
pub struct Leadership(Option<SessionLock>);

impl Leadership {
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.as_ref().is_none_or(SessionLock::is_held)
    }
}

impl Store {
    /// Takes or renews a lease; `None` while another node holds it.
    ///
    /// # Errors
    /// As a write.
    pub async fn jobs_lease(&self, name: &str, lasts: Duration) -> Result<Option<Lease>, StoreError> {
        let now = self.clock.now();
        let until = now.plus(lasts);
        let rows = self.housekeeping().query(TAKE, params![name, self.node.as_str(), now, until]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Lease { name: name.to_owned(), until, term: row.uint(0)? }))
    }

    /// Gives a lease back before it ends.
    ///
    /// # Errors
    /// As a write.
    pub async fn free_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.housekeeping().execute(FREE, params![lease.name.as_str(), self.node.as_str()]).await.map(drop)
    }

    /// Leads `name` among the nodes, over a connection of its own; `None` while another node does. On SQLite the one
    /// node leads.
    ///
    /// # Errors
    /// `StoreError::Unwritable` when the database does not answer.
    pub async fn lead(&self, name: &str) -> Result<Option<Leadership>, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(Some(Leadership(None))),
            Engine::Postgres(postgres) => {
                let lock = SessionLock::take(Arc::<Postgres>::as_ref(postgres), name).await?;
                Ok(lock.map(|lock| Leadership(Some(lock))))
            }
        }
    }
}
