//! This node among the others: its lease, renewed every half second, and what it confirms with it.
//!
//! Two seconds without a renewal, and this node runs no request and releases no secret, until its lease runs again and
//! it has caught up with everything that was committed meanwhile: others were not told to wait for it.
//!
//! A node that cannot do what the feed says gives its lease up as well: it serves by what others have taken back.

use crate::Bailiwick;
use gateway::Lease;
use model::{Problem, ProblemKind, RequestId, TenantId};
use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use store::{Awake, LEASE, NodeLease, Renewal, StoreError, Tasks, forever};
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
/// Between two looks at how far the feed goes.
const LOOK_EVERY: Duration = Duration::from_millis(1_000);
/// A lease and half of one: for so long others wait for a node. Whoever has done nothing of what waits in it is stuck.
const STUCK_AFTER: Duration = Duration::from_millis(3_000);

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
        let (server, run) = (Arc::downgrade(self), self.nodes.run.clone());
        jobs.spawn(forever("lease", move || hold(server.clone(), run.clone())));
        let server = Arc::downgrade(self);
        jobs.spawn(forever("lease.watch", move || watch_lease(server.clone())));
        let server = Arc::downgrade(self);
        jobs.spawn(forever("nodes", move || see_others(server.clone())));
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

    /// Records that this run began, now or once there is a lease.
    pub(crate) async fn record_start(&self, tasks: &mut Tasks) {
        let lease = Arc::clone(self.gateway.lease());
        if lease.holds() {
            return tasks.record_start().await;
        }
        tasks.record_start_once(async move {
            while !lease.holds() {
                tokio::time::sleep(RETRY).await;
            }
        });
    }
}

/// Holds the lease for as long as the server is there.
async fn hold(server: Weak<Bailiwick>, run: String) {
    // A new connection makes nobody any less stuck.
    let mut following = Following::default();
    loop {
        let Some(strong) = server.upgrade() else { return };
        let opened = tokio::time::timeout(RENEW_WITHIN, strong.store.node_lease(&run)).await;
        drop(strong);
        match opened {
            Ok(Ok(Some(mine))) => match renew(&server, &mine, &mut following).await {
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

/// Whether this node does what the feed says, and how far that was behind when it was looked at.
#[derive(Debug, Default)]
struct Following {
    looked: Option<Instant>,
    /// What was to be done, since when nothing of it was.
    waits: Option<Waits>,
    stuck: bool,
}

#[derive(Debug, Clone, Copy)]
struct Waits {
    since: Instant,
    position: u64,
    head: u64,
}

impl Following {
    /// Not more often than it need be; a node that was stuck is asked again once it has done what it saw.
    fn is_due(&self, position: u64, now: Instant) -> bool {
        let done = self.stuck && self.waits.is_some_and(|waits| position >= waits.head);
        done || self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK_EVERY)
    }

    /// A queue that moves is no reason, however long it is. Who is stuck stays so until it has done all.
    fn saw(&mut self, position: u64, head: u64, now: Instant) {
        self.looked = Some(now);
        let waits = match self.waits {
            _ if position >= head => None,
            Some(waits) if waits.position == position => Some(Waits { head, ..waits }),
            Some(_) | None => Some(Waits { since: now, position, head }),
        };
        let still = waits.is_some_and(|waits| now.saturating_duration_since(waits.since) >= STUCK_AFTER);
        self.stuck = waits.is_some() && (self.stuck || still);
        self.waits = waits;
    }
}

/// Renews over one connection until that fails.
async fn renew(server: &Weak<Bailiwick>, mine: &NodeLease, following: &mut Following) -> Result<(), StoreError> {
    let Some(strong) = server.upgrade() else { return Ok(()) };
    let mut confirmed = strong.nodes.confirmed.subscribe();
    let (lease, tenant) = (Arc::clone(strong.gateway.lease()), strong.tenant.clone());
    drop(strong);
    loop {
        let position = *confirmed.borrow_and_update();
        // Counted from before it is asked: this node's end comes before the database's.
        let asked = Instant::now();
        if following.stuck && follow_on(following, mine, &tenant, position).await? {
            // Not renewed in the database either: nobody waits for a node that serves nothing.
            lease.cut_off();
            drop(tokio::time::timeout(RETRY, confirmed.changed()).await);
            continue;
        }
        let nodes = match heard(mine.renew(position)).await? {
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
        if server.strong_count() == 0 {
            return Ok(());
        }
        if !lease.holds() && position < heard(mine.feed_position(&tenant)).await? {
            // Others wait for this node again, and not for ever; it serves once it has done what they committed meanwhile.
            follow_on(following, mine, &tenant, position).await?;
            drop(tokio::time::timeout(RETRY, confirmed.changed()).await);
            continue;
        }
        lease.renew(asked + LEASE, nodes);
        // After it, so that a slow answer takes nothing from the lease.
        if !follow_on(following, mine, &tenant, position).await? {
            drop(tokio::time::timeout(RENEW_EVERY, confirmed.changed()).await);
        }
    }
}

/// Looks how far the feed goes, when it is time to; whether this node is stuck behind it.
async fn follow_on(
    following: &mut Following,
    mine: &NodeLease,
    tenant: &TenantId,
    position: u64,
) -> Result<bool, StoreError> {
    let now = Instant::now();
    if following.is_due(position, now) {
        let (was, head) = (following.stuck, heard(mine.feed_position(tenant)).await?);
        following.saw(position, head, now);
        if following.stuck && !was {
            tracing::error!(
                position,
                head,
                "this node cannot do what others have changed: it serves nothing until it has"
            );
        }
    }
    Ok(following.stuck)
}

async fn heard<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(RENEW_WITHIN, asked).await.map_err(|_| unheard())?
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
            strong.trials.end_all();
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
        "no call of an app leaves this node at the moment",
        "it is about to stop, or has lost its database and cannot know what was switched off meanwhile",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_nothing_of_what_waits_is_stuck_and_who_is_only_busy_is_not() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut following = Following::default();
        for (ms, position, head, stuck) in [
            (0, 5, 5, false),
            (1_000, 5, 6, false),
            (3_000, 5, 6, false),
            // The queue grows, and moves.
            (3_500, 6, 900, false),
            (6_000, 6, 950, false),
            (6_400, 7, 960, false),
            (9_300, 7, 970, false),
            // It does not move.
            (9_500, 7, 980, true),
            // It moves again, and is not at its end.
            (10_500, 500, 980, true),
            (11_500, 980, 980, false),
            (12_500, 980, 981, false),
        ] {
            following.saw(position, head, at(ms));
            assert_eq!(following.stuck, stuck, "after {ms} ms");
        }
    }

    #[test]
    fn the_feed_is_looked_at_once_a_second_and_when_the_last_of_it_is_done() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut following = Following::default();
        assert!(following.is_due(5, at(0)));
        following.saw(5, 6, at(0));
        assert!(!following.is_due(5, at(900)) && !following.is_due(6, at(900)) && following.is_due(5, at(1_000)));
        following.saw(5, 6, at(3_000));
        assert!(following.stuck && !following.is_due(5, at(3_100)) && following.is_due(6, at(3_100)));
    }
}
