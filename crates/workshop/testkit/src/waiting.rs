//! Waiting for what is to come, and for a job of the system to have had its turn: nothing rests on a span of time.

use crate::{Browser, Machine};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
};

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

/// Reads the stream of the app `ticker` on the node at a port: the last moment that came so far, and at the end.
#[must_use]
pub fn streaming(port: u16, browser: &Browser) -> (watch::Receiver<i64>, JoinHandle<i64>) {
    let cookie = browser.cookies("ticker.localhost");
    let (send, last) = watch::channel(0);
    let reading = tokio::spawn(async move {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let head = format!("GET /stream HTTP/1.1\r\nHost: ticker.localhost:{port}\r\nCookie: {cookie}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut text, mut bytes) = (String::new(), [0; 4096]);
        while let Ok(length @ 1..) = stream.read(&mut bytes).await {
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
            let ticks = text.lines().filter(|line| line.len() == 13).filter_map(|line| line.parse().ok());
            send.send_replace(ticks.max().unwrap_or(0));
        }
        *send.borrow()
    });
    (last, reading)
}
