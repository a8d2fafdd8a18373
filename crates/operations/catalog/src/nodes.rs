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

    /// Waits until every node that had a lease has confirmed what is committed now, or has run out; a line for each.
    pub(crate) async fn everywhere(&self, envs: &[AppRef]) -> Vec<Cut> {
        let began = Instant::now();
        let mut lines = Vec::new();
        let (position, mut waiting) = match self.holders().await {
            Ok(found) => found,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "whether the other nodes have heard of a cut is not known");
                return self.untold(envs);
            }
        };
        while !waiting.is_empty() && began.elapsed() < WITHIN {
            // What cannot be read is looked at again: their leases run out all the same.
            for node in soon(self.store.other_nodes()).await.unwrap_or_default() {
                let said = node.position >= position;
                if (said || node.ran_out) && waiting.iter().any(|holder| holder.node == node.node) {
                    waiting.retain(|holder| holder.node != node.node);
                    let (at, how) = match said {
                        true => (self.clock.now(), "the node has cut it, and said so"),
                        false => (node.until, "the node's lease ran out: it serves nothing"),
                    };
                    lines.extend(self.lines(envs, &node, CutState::Dead, Some(at), how));
                }
            }
            if !waiting.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        }
        for node in waiting {
            lines.extend(self.lines(envs, &node, CutState::Expiring, None, "the node has not said so yet"));
        }
        lines
    }

    /// How far the feed is, and who has a lease.
    async fn holders(&self) -> Result<(u64, Vec<OtherNode>), StoreError> {
        let position = soon(self.store.feed_position(&self.tenant)).await?;
        let nodes = soon(self.store.other_nodes()).await?;
        Ok((position, nodes.into_iter().filter(|node| !node.ran_out).collect()))
    }

    /// The lines of nodes that cannot have heard: the cut stands in this node's journal alone.
    pub(crate) fn untold(&self, envs: &[AppRef]) -> Vec<Cut> {
        let how = "the node has not heard of it: the database does not take it yet";
        let nodes = self.store.others_seen();
        let holders = nodes.iter().filter(|node| !node.ran_out);
        holders.flat_map(|node| self.lines(envs, node, CutState::Expiring, None, how)).collect()
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
