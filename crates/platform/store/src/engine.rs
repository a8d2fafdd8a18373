//! The two engines behind one face: read, begin, run a batch, commit.
//!
//! SQL text is written once, with `$1…`, in the subset both share; which words differ is named in `differences.rs`.

use crate::{
    Row, StoreError, Value,
    postgres::{Postgres, PostgresTx},
    sqlite::{Sqlite, SqliteTx},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// One statement of a batch.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) params: Vec<Value>,
}

impl Statement {
    pub(crate) fn new(sql: &'static str, params: &[Value]) -> Self {
        Self { sql, params: params.to_vec() }
    }
}

/// What a statement gave: rows, and how many rows it changed.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    pub(crate) changed: u64,
}

/// Whether other acts may join the group that this commit belongs to (SQLite).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupEnd {
    Join,
    Close,
}

/// Whether authority's epoch stood until the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Yes,
    Moved,
}

/// How many acts were committed, in how many groups (one fsync each on SQLite).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitCounts {
    pub acts: u64,
    pub groups: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

impl Engine {
    pub(crate) async fn read(&self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        Value::check(params)?;
        match self {
            Self::Sqlite(sqlite) => sqlite.read(sql, params.to_vec()).await,
            Self::Postgres(postgres) => postgres.read(sql, params).await,
        }
    }

    pub(crate) async fn begin(&self) -> Result<EngineTx, StoreError> {
        Ok(match self {
            Self::Sqlite(sqlite) => EngineTx::Sqlite(Sqlite::begin(sqlite).await?),
            Self::Postgres(postgres) => EngineTx::Postgres(Box::new(postgres.begin().await?)),
        })
    }

    /// At a clean stop: what lies beside the database goes into it, where it can.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => Sqlite::empty_log(sqlite).await,
            Self::Postgres(_) => Ok(()),
        }
    }

    pub(crate) fn counts(&self) -> CommitCounts {
        match self {
            Self::Sqlite(sqlite) => sqlite.counts(),
            Self::Postgres(postgres) => postgres.counts(),
        }
    }

    /// Rises when something was committed here.
    pub(crate) fn committed(&self) -> &watch::Sender<u64> {
        match self {
            Self::Sqlite(sqlite) => sqlite.committed(),
            Self::Postgres(postgres) => postgres.committed(),
        }
    }

    /// Rises when there is something new in the feed; on PostgreSQL also when another node says so.
    pub(crate) fn fed(&self) -> &watch::Sender<u64> {
        match self {
            Self::Sqlite(sqlite) => sqlite.fed(),
            Self::Postgres(postgres) => postgres.fed(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum EngineTx {
    Sqlite(SqliteTx),
    Postgres(Box<PostgresTx>),
}

impl EngineTx {
    /// Runs statements in order; on PostgreSQL they share one round trip.
    pub(crate) async fn run(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, StoreError> {
        for statement in batch {
            Value::check(&statement.params)?;
        }
        match self {
            Self::Sqlite(tx) => tx.run(batch),
            Self::Postgres(tx) => tx.run(batch).await,
        }
    }

    pub(crate) async fn query(&mut self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        Ok(self.one(sql, params).await?.rows)
    }

    pub(crate) async fn execute(&mut self, sql: &'static str, params: &[Value]) -> Result<u64, StoreError> {
        Ok(self.one(sql, params).await?.changed)
    }

    async fn one(&mut self, sql: &'static str, params: &[Value]) -> Result<Answer, StoreError> {
        match self {
            Self::Sqlite(tx) => {
                Value::check(params)?;
                tx.one(sql, params)
            }
            Self::Postgres(_) => Ok(self.run(&[Statement::new(sql, params)]).await?.pop().unwrap_or_default()),
        }
    }

    /// A script of several statements without parameters: migrations alone.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.script(sql),
            Self::Postgres(tx) => tx.script(sql).await,
        }
    }

    /// How long an answer is waited for from now on, where a server gives it.
    pub(crate) fn wait_for(&mut self, answer: Duration) {
        if let Self::Postgres(tx) = self {
            tx.wait_for(answer);
        }
    }

    /// Returns once the commit is durable.
    pub(crate) async fn commit(self, end: GroupEnd) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit(end).await,
            Self::Postgres(tx) => tx.commit().await,
        }
    }

    /// Runs a last batch that holds `differences::held`, and commits, in one round trip.
    pub(crate) async fn run_and_commit(self, batch: &[Statement]) -> Result<Held, StoreError> {
        for statement in batch {
            Value::check(&statement.params)?;
        }
        match self {
            // There is no such question there.
            Self::Sqlite(_) => Err(StoreError::Ended),
            Self::Postgres(tx) => tx.run_and_commit(batch).await,
        }
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}
