//! Revoke under load: from the moment at which it was asked for to the last byte that anyone got, on one node.

use crate::{
    apps,
    arguments::Effort,
    load::{Ask, Connection},
    report::{Line, Target, median},
    served::{Demo, Served},
};
use http::Method;
use http_body_util::BodyExt;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::Browser;
use tokio::task::JoinSet;

const ROUNDS: usize = 9;
/// Connections that ask again and again, and responses that never end by themselves.
const ASKING: usize = 12;
const STREAMING: usize = 12;
const UNDER_WAY: Duration = Duration::from_millis(700);

const FLOOR: &str = "none: wall-clock time from before the request to revoke is sent to the last byte of the app that a load generator got over 24 connections; the machine is shared";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let served = Served::start(Demo::No);
    served.deploy(&apps::json("measured")).await;
    let ana = served.town.person("ana@example.test", &["staff"]).await;
    let (mut last_bytes, mut receipts) = (vec![], vec![]);
    for _ in 0..effort.rounds(ROUNDS) {
        let (last_byte, receipt) = once(&served, &ana).await;
        last_bytes.push(last_byte.as_secs_f64() * 1e3);
        receipts.push(receipt.as_secs_f64() * 1e3);
        let restored =
            served.town.post("/api/v1/apps/measured/restore", json!({ "why": "to measure it once more" })).await;
        assert_eq!(restored.status, 200, "{restored:?}");
    }
    let slowest = last_bytes.iter().copied().fold(0.0, f64::max);
    vec![Line {
        row: "revoke",
        work: "revoke, asked → last byte, one node",
        floor: FLOOR,
        value: median(&last_bytes),
        unit: "ms",
        target: Target::AtMost(100.0),
        figures: format!("slowest of {}: {slowest:.0} ms; receipt after {:.0} ms", last_bytes.len(), median(&receipts)),
        detail: json!({ "last_byte_ms": last_bytes, "receipt_ms": receipts }),
    }]
}

async fn once(served: &Served, ana: &Browser) -> (Duration, Duration) {
    let cookie = served.signed_in(ana, "measured").await;
    let ask = |method, path| Ask {
        address: served.address(),
        method,
        path,
        headers: vec![
            ("host", format!("measured.localhost:{}", served.town.port)),
            ("content-type", "application/json".to_owned()),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("cookie", cookie.clone()),
        ],
        body: if path == "/" { apps::JSON_BODY } else { "" },
        expected: "",
    };
    let over = Arc::new(AtomicBool::new(false));
    let mut running = JoinSet::new();
    for number in 0..ASKING + STREAMING {
        let ask = if number < ASKING { ask(Method::POST, "/") } else { ask(Method::GET, "/stream") };
        running.spawn(last_byte_of(ask, Arc::clone(&over)));
    }
    tokio::time::sleep(UNDER_WAY).await;
    let asked = Instant::now();
    let receipt = served.town.post("/api/v1/apps/measured/revoke", json!({ "why": "to measure it" })).await;
    let answered = asked.elapsed();
    assert_eq!(receipt.status, 200, "{receipt:?}");
    // Whoever still got something would get it now.
    tokio::time::sleep(UNDER_WAY).await;
    over.store(true, Ordering::Release);
    let mut last: Option<Instant> = None;
    while let Some(ended) = running.join_next().await {
        last = last.max(ended.unwrap());
    }
    let last = last.expect("something was served");
    (last.saturating_duration_since(asked), answered)
}

/// Asks until it is told to stop, through refusals and broken connections; when the last byte of the app came.
async fn last_byte_of(ask: Ask, over: Arc<AtomicBool>) -> Option<Instant> {
    let mut last = None;
    while !over.load(Ordering::Acquire) {
        let mut connection = Connection::open(ask.address).await;
        while let Ok(response) = connection.send(&ask).await {
            let ours = response.status() == 200;
            let mut body = response.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                if ours && frame.data_ref().is_some_and(|data| !data.is_empty()) {
                    last = Some(Instant::now());
                }
            }
            if over.load(Ordering::Acquire) {
                return last;
            }
        }
    }
    last
}
