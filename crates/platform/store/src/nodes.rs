//! Nodes of one database: each renews a lease, and confirms with it how far it has done what the feed says.
//!
//! The lease is renewed on a connection of its own, which no pool hands round. Who renews counts from before it asked,
//! on its monotonic clock; the database counts from when it answered, on its own: a node stops before the others may
//! believe that it has. On SQLite the one node holds the file's lock, and there is no lease.
//!
//! A clock that is set back leaves leases ahead of it. Nobody waits for those as long as it was set back: whoever lives
//! renews, and a lease that nobody has renewed for as long as one runs is over, whatever it says.

use crate::{
    FreeWrite, Row, Store, StoreError, Table,
    clock::running_ms,
    engine::Engine,
    params,
    postgres::{Direct, Postgres},
    sql,
};
use model::{Clock, TenantId, Timestamp};
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

/// How long a lease runs: four renewals may fail.
pub const LEASE: Duration = Duration::from_millis(2_000);

/// The same, as statements have it.
pub(crate) fn lease_ms() -> i64 {
    i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)
}

/// A lease and half of one: by then each node has confirmed or run out.
const TOLD_WITHIN: Duration = Duration::from_millis(3_000);
/// One look at the leases takes no longer.
const ANSWER: Duration = Duration::from_millis(500);
/// Between two looks at the leases.
const LOOK: Duration = Duration::from_millis(10);

const RENEW: FreeWrite = FreeWrite::new(Table::NodeLeases, sql::RENEW_NODE);
const LEAVE: FreeWrite = FreeWrite::new(Table::NodeLeases, sql::LEAVE_NODE);

/// This process's lease, over its own connection. Once it was taken, nothing is written that it does not cover.
#[derive(Debug)]
pub struct NodeLease {
    direct: Direct,
    postgres: Arc<Postgres>,
    /// Steps that this node knows, and that no older node may stand beside.
    alone_steps: i64,
    node: String,
    run: String,
    clock: Arc<dyn Clock>,
}

/// What became of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// So many nodes have a lease now, this one among them.
    Ours { nodes: u32 },
    /// Another process of this name has it.
    Taken,
    /// A newer version has applied what this one may not stand beside. It writes nothing more.
    Outdated,
}

/// Another node, as its lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherNode {
    pub node: String,
    /// It has done all that the feed says up to here.
    pub position: u64,
    /// By the database's clock, or since nobody has renewed it for as long as one runs.
    pub ran_out: bool,
    pub until: Timestamp,
}

/// Another node's lease, and since when it has been seen as it is.
#[derive(Debug)]
pub(crate) struct SeenNode {
    other: OtherNode,
    since: Instant,
}

impl SeenNode {
    /// As a row has it that was asked for then; `before` is what was seen by then.
    fn read(row: &Row, asked: Instant, before: &[Self]) -> Result<Self, StoreError> {
        let (node, until) = (row.text(0)?.to_owned(), row.time(3)?);
        let same = before.iter().find(|seen| seen.other.node == node && seen.other.until == until);
        let since = same.map_or_else(Instant::now, |seen| seen.since);
        let ran_out = row.int(2)? != 0 || asked.saturating_duration_since(since) >= LEASE;
        Ok(Self { other: OtherNode { node, position: row.uint(1)?, ran_out, until }, since })
    }
}

impl Store {
    /// Whether other nodes may stand on the same database.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Whether a newer version has applied what this one may not stand beside: it gets no lease, and writes nothing.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        matches!(&self.engine, Engine::Postgres(postgres) if postgres.is_outdated())
    }

    /// Opens the connection on which this node's lease is renewed; `None` on SQLite. `run` names this process.
    ///
    /// # Errors
    /// `StoreError::Unwritable` when the database does not answer.
    pub async fn node_lease(&self, run: &str) -> Result<Option<NodeLease>, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(postgres) => {
                let direct = Direct::open(postgres).await?;
                let (node, run, clock) = (self.node.clone(), run.to_owned(), Arc::clone(&self.clock));
                let (postgres, alone_steps) = (Arc::clone(postgres), self.alone_steps);
                Ok(Some(NodeLease { direct, postgres, alone_steps, node, run, clock }))
            }
        }
    }

    /// Gives this node's lease back, so that nobody has to wait for it to run out: when it serves nothing any more.
    ///
    /// # Errors
    /// As a write.
    pub async fn leave(&self, run: &str) -> Result<(), StoreError> {
        if let Engine::Postgres(postgres) = &self.engine {
            postgres.fence().lift();
            self.housekeeping().execute(LEAVE, params![self.node.as_str(), run]).await?;
        }
        Ok(())
    }

    /// Every other node that has, or had, a lease.
    ///
    /// # Errors
    /// As `read`.
    pub async fn other_nodes(&self) -> Result<Vec<OtherNode>, StoreError> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let asked = Instant::now();
        let rows = self.read(sql::OTHER_NODES, params![self.node.as_str()]).await?;
        let mut seen = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = rows.iter().map(|row| SeenNode::read(row, asked, &seen)).collect::<Result<_, StoreError>>()?;
        Ok(seen.iter().map(|seen| seen.other.clone()).collect())
    }

    /// Waits until each node that has a lease has done what is committed now, or its lease has run out: none of them
    /// serves by what it knew before. Whether it is so; not when the database cannot be asked.
    pub async fn told_everywhere(&self, tenant: &TenantId) -> bool {
        if !self.is_shared() {
            return true;
        }
        let (began, mut position, mut late) = (Instant::now(), None, Vec::new());
        while began.elapsed() < TOLD_WITHIN {
            if position.is_none() {
                let asked = tokio::time::timeout(ANSWER, self.feed_position(tenant)).await;
                position = asked.ok().and_then(Result::ok);
            }
            if let (Some(position), Ok(Ok(nodes))) = (position, tokio::time::timeout(ANSWER, self.other_nodes()).await)
            {
                late = nodes.into_iter().filter(|node| !node.ran_out && node.position < position).collect();
                if late.is_empty() {
                    return true;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        let nodes = late.iter().map(|node| node.node.as_str()).collect::<Vec<_>>().join(", ");
        tracing::error!(
            nodes,
            "whether every node has done what was changed is not known: these have a lease, and have not said so"
        );
        false
    }

    /// The other nodes as they were when the database was asked last: for when it cannot be asked.
    #[must_use]
    pub fn others_seen(&self) -> Vec<OtherNode> {
        let seen = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|seen| seen.other.clone()).collect()
    }
}

impl NodeLease {
    /// Renews it for `LEASE`, confirms the feed up to `position`, and sets this node's clock by the database's.
    ///
    /// # Errors
    /// `StoreError::Unwritable` when the database does not answer: open another.
    pub async fn renew(&self, position: u64) -> Result<Renewal, StoreError> {
        let asked_ms = running_ms();
        let params = params![self.node.as_str(), self.run.as_str(), position, lease_ms(), self.alone_steps];
        if let Some(answer) = self.direct.query_one(RENEW.sql(), params).await? {
            self.clock.told(answer.time(0)?);
            self.postgres.fence().renew(asked_ms, LEASE);
            let others = u32::try_from(answer.uint(1)?).unwrap_or(u32::MAX);
            return Ok(Renewal::Ours { nodes: others.saturating_add(1) });
        }
        let applied = self.direct.query_one(sql::ALONE_STEPS, &[]).await?;
        if applied.map(|row| row.int(0)).transpose()?.unwrap_or(0) <= self.alone_steps {
            return Ok(Renewal::Taken);
        }
        self.postgres.outdate();
        Ok(Renewal::Outdated)
    }

    /// The feed's newest position, over this connection: it waits for nobody who reads for an app.
    ///
    /// # Errors
    /// As `renew`.
    pub async fn feed_position(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        self.direct.query_one(sql::FEED_HEAD, params![tenant]).await?.map_or(Ok(0), |row| row.uint(0))
    }
}
