//! Waiting for what is to come, and for a job of the system to have had its turn: nothing rests on a span of time.

use crate::Machine;
use std::time::Duration;

/// Longer than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The one that ends next may have begun before.
const ROUNDS: u64 = 2;

/// Waits until it holds; fails with these words if it never does.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

impl Machine {
    /// How often a job of the system came to its end on this node.
    pub async fn ended(&self, job: &str) -> u64 {
        let text = self.browser().send("GET", &format!("{}/metrics", self.url()), &[], b"").await.text();
        let line = format!("bailiwick_jobs_total{{job=\"{job}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
    }

    /// Waits until a job of the system began after this call, and ended: what it would do is done.
    pub async fn after(&self, job: &str) {
        let before = self.ended(job).await;
        until(job, async || self.ended(job).await >= before + ROUNDS).await;
    }

    /// The events of an act, the newest first.
    pub async fn events(&self, action: &str) -> Vec<serde_json::Value> {
        let listed = self.get(&format!("/api/v1/events?action={action}")).await;
        listed.json()["events"].as_array().unwrap_or_else(|| panic!("{listed:?}")).clone()
    }
}
