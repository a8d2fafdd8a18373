//! This node among the others: its lease, renewed every half second, and what it confirms with it.
//!
//! Two seconds without a renewal, and this node runs no request and releases no secret, until its lease runs again and
//! it has caught up with everything that was committed meanwhile: others were not told to wait for it.

use crate::Bailiwick;
use gateway::Lease;
use model::{Problem, ProblemKind, RequestId};
use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use store::{Awake, LEASE, NodeLease, Renewal, StoreError};
use tokio::sync::watch;

const RENEW_EVERY: Duration = Duration::from_millis(500);
/// A renewal that takes longer is tried over another connection.
const RENEW_WITHIN: Duration = Duration::from_millis(1_000);
/// Between two attempts to reach the database.
const RETRY: Duration = Duration::from_millis(100);
/// How often it is looked whether the lease has run out: what runs is stopped then.
const WATCH: Duration = Duration::from_millis(50);
/// A machine that slept for longer than two looks are apart: its lease may have run out meanwhile.
const SLEPT: Duration = Duration::from_millis(100);
/// A start waits this long for a lease, which one of a crashed process of the same name may hold for two seconds.
const START_WITHIN: Duration = Duration::from_secs(5);

/// How far this node has done what the feed says.
#[derive(Debug)]
pub(crate) struct Nodes {
    confirmed: watch::Sender<u64>,
    /// Tells this process from another of the same name.
    run: String,
}

impl Default for Nodes {
    fn default() -> Self {
        Self { confirmed: watch::Sender::new(0), run: RequestId::generate().to_string() }
    }
}

impl Nodes {
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    pub(crate) fn confirm(&self, position: u64) {
        self.confirmed.send_replace(position);
    }
}

impl Bailiwick {
    /// Takes the lease, before anything is served; on SQLite there is none to take.
    pub(crate) async fn take_lease(
        self: &Arc<Self>,
        position: u64,
        jobs: &mut tokio::task::JoinSet<()>,
    ) -> Result<(), Problem> {
        self.nodes.confirm(position);
        if !self.store.is_shared() {
            return Ok(());
        }
        let lease = self.gateway.lease();
        lease.cut_off();
        jobs.spawn(hold(Arc::downgrade(self), self.nodes.run.clone()));
        jobs.spawn(watch_lease(Arc::downgrade(self)));
        jobs.spawn(see_others(Arc::downgrade(self)));
        let began = Instant::now();
        while !lease.holds() && began.elapsed() < START_WITHIN {
            tokio::time::sleep(RETRY).await;
        }
        if lease.holds() {
            return Ok(());
        }
        let others = tokio::time::timeout(RENEW_WITHIN, self.store.node_lease(&self.nodes.run)).await;
        match others {
            Ok(Ok(Some(mine))) => match tokio::time::timeout(RENEW_WITHIN, mine.renew(position)).await {
                Ok(Ok(Renewal::Taken)) => Err(name_taken(self.store.node())),
                Ok(Ok(Renewal::Outdated)) => Err(StoreError::Outdated.problem()),
                // It cannot be written now: this node answers what needs no lease.
                Ok(_) | Err(_) => Ok(()),
            },
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Holds the lease for as long as the server is there.
async fn hold(server: Weak<Bailiwick>, run: String) {
    loop {
        let Some(strong) = server.upgrade() else { return };
        let opened = tokio::time::timeout(RENEW_WITHIN, strong.store.node_lease(&run)).await;
        drop(strong);
        match opened {
            Ok(Ok(Some(mine))) => match renew(&server, &mine).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "the lease of this node could not be renewed"),
            },
            Ok(Ok(None)) => return,
            Ok(Err(error)) => tracing::warn!(%error, "this node has no connection for its lease"),
            Err(_) => tracing::warn!("this node has no connection for its lease: no answer"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Renews over one connection until that fails.
async fn renew(server: &Weak<Bailiwick>, mine: &NodeLease) -> Result<(), StoreError> {
    let Some(strong) = server.upgrade() else { return Ok(()) };
    let mut confirmed = strong.nodes.confirmed.subscribe();
    let lease = Arc::clone(strong.gateway.lease());
    drop(strong);
    loop {
        let position = *confirmed.borrow_and_update();
        // Counted from before it is asked: this node's end comes before the database's.
        let asked = Instant::now();
        let renewed = tokio::time::timeout(RENEW_WITHIN, mine.renew(position)).await;
        let nodes = match renewed.map_err(|_| unheard())?? {
            Renewal::Ours { nodes } => nodes,
            Renewal::Taken => {
                tracing::warn!("another process of this name holds the lease");
                lease.cut_off();
                tokio::time::sleep(RENEW_EVERY).await;
                continue;
            }
            Renewal::Outdated => {
                tracing::error!(problem = %StoreError::Outdated.problem(), "this node gets no lease any more");
                lease.cut_off();
                return Ok(());
            }
        };
        let Some(strong) = server.upgrade() else { return Ok(()) };
        if !lease.holds() && !strong.has_caught_up(position).await? {
            drop(strong);
            // Others wait for this node again; it serves once it has done what they committed meanwhile.
            drop(tokio::time::timeout(RETRY, confirmed.changed()).await);
            continue;
        }
        lease.renew(asked + LEASE, nodes);
        drop(strong);
        drop(tokio::time::timeout(RENEW_EVERY, confirmed.changed()).await);
    }
}

impl Bailiwick {
    async fn has_caught_up(&self, position: u64) -> Result<bool, StoreError> {
        let head = tokio::time::timeout(RENEW_WITHIN, self.store.feed_position(&self.tenant)).await;
        Ok(position >= head.map_err(|_| unheard())??)
    }
}

/// Stops what runs when the lease has run out, at once.
async fn watch_lease(server: Weak<Bailiwick>) {
    let (mut held, mut awake) = (false, Awake::default());
    loop {
        let Some(strong) = server.upgrade() else { return };
        if awake.slept() > SLEPT {
            // The lease did not count that time, and the database did.
            strong.gateway.lease().cut_off();
            awake = Awake::default();
        }
        let left = strong.gateway.lease().left().unwrap_or(WATCH);
        if left.is_zero() && held {
            let stopped = strong.gateway.stop_running();
            tracing::error!(stopped, "this node is cut off from its database: it serves nothing");
        } else if !left.is_zero() && !held {
            tracing::info!("this node has its lease");
        }
        held = !left.is_zero();
        drop(strong);
        tokio::time::sleep(left.clamp(Duration::from_millis(1), WATCH)).await;
    }
}

/// Remembers who else is there, for when the database cannot be asked.
async fn see_others(server: Weak<Bailiwick>) {
    loop {
        let Some(strong) = server.upgrade() else { return };
        drop(tokio::time::timeout(RENEW_WITHIN, strong.store.other_nodes()).await);
        drop(strong);
        tokio::time::sleep(RENEW_EVERY).await;
    }
}

fn unheard() -> StoreError {
    StoreError::Unwritable { reason: "the database does not answer", source: None }
}

/// No secret leaves a node that may not serve.
pub(crate) fn released(lease: &Lease) -> Result<(), Problem> {
    if lease.holds() {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Unavailable,
        "node.cut_off",
        "no secret is released at the moment",
        "this node has lost its database, and cannot know what was switched off meanwhile",
        "try again: another node may answer",
    ))
}

fn name_taken(node: &str) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "node.name_taken",
        format!("another node is called `{node}`"),
        "nodes of one database need different names, and another process of this name holds its lease",
        "stop that process, or give this one another name: `[server] node`",
    )
}
