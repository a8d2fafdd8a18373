//! Cuts on the other nodes: each hears of them by the feed, and says so with its lease. A node that does not say so
//! serves nothing once its lease has run out.

use crate::{Catalog, Error, Receipt, revoke};
use authority::{Act, AppRef, AppState, Caller, Cut, CutState, Rule, SurfaceName, Target, rules};
use model::{AppId, TenantId, Timestamp};
use std::time::{Duration, Instant};
use store::{CutOf, OtherNode, Recorded, StoreError};

/// A lease and half of one: by then each node has confirmed or run out.
const WITHIN: Duration = Duration::from_millis(3_000);
/// One look at the leases takes no longer.
const ANSWER: Duration = Duration::from_millis(500);
/// The feed is looked at once a second, where no word of it comes.
const FOLLOWED_WITHIN: Duration = Duration::from_millis(1_500);
/// How a receipt names a node that nobody has seen.
const UNSEEN: &str = "any other";
/// Between two looks at the leases.
const LOOK: Duration = Duration::from_millis(10);

/// Record what a revoke cut, once every node has said so.
#[derive(Debug, Clone)]
struct RevokeDone {
    tenant: TenantId,
    app: AppId,
}

impl Act for RevokeDone {
    const RULE: &'static Rule = &rules::APP_REVOKE_DONE;
    fn target(&self) -> Target {
        Target::app(self.tenant.clone(), &self.app)
    }
}

async fn soon<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(ANSWER, asked).await;
    answer.map_err(|_| StoreError::Busy { reason: "the database did not answer soon", source: None })?
}

impl Catalog {
    /// What the feed says of an app: read again, and cut here first if it is off, so that nothing of it is on its way
    /// when this node says that it has done so.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn follow(&self, app: &AppRef) -> Result<(), Error> {
        self.load_app(&app.id).await?;
        let apps = self.apps.all();
        let state = apps.get(&app.id).and_then(|record| record.envs.get(&app.env)).map(|env| env.state);
        if matches!(state, Some(AppState::Revoked | AppState::Expired | AppState::Retired)) {
            self.cut(std::slice::from_ref(app)).await;
        }
        self.refresh_surfaces(app).await
    }

    /// Waits until every node that had a lease at this time or later has confirmed what is committed now, or has run out;
    /// a line for each.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub(crate) async fn everywhere(&self, envs: &[AppRef], since: Timestamp) -> Result<Vec<Cut>, StoreError> {
        let began = Instant::now();
        let (position, mut waiting) = self.holders(since).await?;
        let mut lines = Vec::new();
        while !waiting.is_empty() && began.elapsed() < WITHIN {
            // What cannot be read is looked at again: their leases run out all the same.
            for node in soon(self.store.other_nodes()).await.unwrap_or_default() {
                let ended = node.position >= position || node.ran_out;
                if ended && waiting.iter().any(|holder| holder.node == node.node) {
                    waiting.retain(|holder| holder.node != node.node);
                    lines.extend(self.said(envs, &node, position));
                }
            }
            if !waiting.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        }
        lines.extend(waiting.iter().flat_map(|node| self.said(envs, node, position)));
        Ok(lines)
    }

    /// The same at one look, for whoever asks how far it is.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub(crate) async fn everywhere_by_now(&self, envs: &[AppRef], since: Timestamp) -> Result<Vec<Cut>, StoreError> {
        let (position, nodes) = self.holders(since).await?;
        Ok(nodes.iter().flat_map(|node| self.said(envs, node, position)).collect())
    }

    /// How far the feed is, and who had a lease at this time or later.
    async fn holders(&self, since: Timestamp) -> Result<(u64, Vec<OtherNode>), StoreError> {
        let position = soon(self.store.feed_position(&self.tenant)).await?;
        let nodes = soon(self.store.other_nodes()).await?;
        Ok((position, nodes.into_iter().filter(|node| !node.ran_out || node.until >= since).collect()))
    }

    /// What a node's lease says of what stands in the feed up to here.
    fn said(&self, envs: &[AppRef], node: &OtherNode, position: u64) -> Vec<Cut> {
        let (state, at, how) = if node.position >= position {
            (CutState::Dead, Some(self.clock.now()), "the node has cut it, and said so")
        } else if node.ran_out {
            // One that a clock left ahead, when it was set back, is over by now all the same.
            let over = node.until.min(self.clock.now());
            (CutState::Dead, Some(over), "the node's lease ran out: it serves nothing")
        } else {
            (CutState::Expiring, None, "the node has not said so yet")
        };
        self.lines(envs, node, state, at, how)
    }

    /// Whether this node has done all that is committed by now: the epoch stands in the feed after what began it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn has_followed(&self) -> Result<bool, StoreError> {
        let epoch = soon(self.store.epoch(&self.tenant)).await?;
        Ok(tokio::time::timeout(FOLLOWED_WITHIN, self.authority.reached(&self.tenant, epoch)).await.is_ok())
    }

    /// The lines of this node, which has followed the feed past another's cut.
    pub(crate) fn here(&self, envs: &[AppRef]) -> Vec<Cut> {
        let (node, now) = (self.store.node().to_owned(), self.clock.now());
        let here = OtherNode { node, position: 0, ran_out: false, until: now };
        self.lines(envs, &here, CutState::Dead, Some(now), "the node has cut it")
    }

    /// The lines of nodes that cannot have heard: the cut is not in the database yet. Where none was seen, one may begin
    /// to serve before it is.
    pub(crate) fn untold(&self, envs: &[AppRef]) -> Vec<Cut> {
        let how = "the node has not heard of it: the database does not take it yet";
        let nodes = self.store.others_seen();
        let holders = nodes.iter().filter(|node| !node.ran_out);
        let lines: Vec<Cut> = holders.flat_map(|node| self.lines(envs, node, CutState::Expiring, None, how)).collect();
        if !lines.is_empty() {
            return lines;
        }
        let unseen = OtherNode { node: UNSEEN.to_owned(), position: 0, ran_out: false, until: self.clock.now() };
        let how = "a node that starts has not heard of it: the database does not take it yet";
        self.lines(envs, &unseen, CutState::Expiring, None, how)
    }

    /// The same lines once the cut is in the database: whoever starts hears of it, and others have yet to say so.
    pub(crate) fn recorded(&self, lines: Vec<Cut>) -> Vec<Cut> {
        let seen = lines.into_iter().filter(|line| line.node != UNSEEN);
        let told = seen.map(|line| {
            if line.state == CutState::Expiring && line.node != self.store.node() {
                Cut { how: "the node has not said so yet".to_owned(), ..line }
            } else {
                line
            }
        });
        told.collect()
    }

    fn lines(&self, envs: &[AppRef], node: &OtherNode, state: CutState, at: Option<Timestamp>, how: &str) -> Vec<Cut> {
        let line = |app: &AppRef| Cut {
            surface: SurfaceName::Gateway,
            item: self.name_of(&app.id).map_or_else(|| app.id.to_string(), |name| self.url(&name, app.env)),
            state,
            dead_at: at,
            dead_by: None,
            node: node.node.clone(),
            how: how.to_owned(),
        };
        envs.iter().map(line).collect()
    }

    /// The receipt's own event, under the id that was promised.
    pub(crate) async fn record_done(&self, receipt: &Receipt) -> Result<Recorded, Error> {
        let act = RevokeDone { tenant: self.tenant.clone(), app: receipt.app_id.clone() };
        let permit = self.authority.permit(&Caller::system("revoke"), act).await?;
        let of = CutOf::Done(receipt.app_id.clone());
        let (_, mut cutting) = self.store.cut_as(permit, of, receipt.done_event.clone());
        cutting.note().detail = revoke::stored(receipt);
        Ok(cutting.record(self).await)
    }
}
