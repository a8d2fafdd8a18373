//! Two nodes on one PostgreSQL: what coordination costs, and how long a revoke on one takes to silence the other.

use crate::{
    apps,
    arguments::Effort,
    load::{self, Ask, Connection},
    report::{Line, Target, median},
    served::Served,
};
use http::Method;
use http_body_util::BodyExt;
use serde_json::json;
use std::time::{Duration, Instant};
use testkit::{Browser, Cable, Postgres};
use tokio::task::JoinSet;

const ROUNDS: usize = 5;
const CONNECTIONS: usize = 8;
const LASTING: Duration = Duration::from_secs(5);
const STREAMS: usize = 12;
const UNDER_WAY: Duration = Duration::from_millis(700);
/// A node that lost its database has stopped long before.
const PATIENCE: Duration = Duration::from_secs(6);

const THROUGHPUT: &str = "one node with all connections, in turns; the other stands idle beside it, and both share the two cores with database and load";
const REVOKE: &str = "none: wall-clock time from before the request to revoke on the first node to the last byte of 12 streams on the second";
const CUT_OFF: &str = "the same, while nothing passes between the second node and the database";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let database = Postgres::create().await;
    let one = Served::node(&database.url);
    let (wired, cable) = Cable::to_postgres(&database.url).await;
    let two = Served::node(&wired);
    one.deploy(&apps::json("measured")).await;
    let (ana, bo) =
        (one.town.person("ana@example.test", &["staff"]).await, two.town.person("bo@example.test", &["staff"]).await);
    let asks = [ask(&one, &ana).await, ask(&two, &bo).await];
    for ask in &asks {
        load::press(std::slice::from_ref(ask), CONNECTIONS, None, LASTING).await;
    }
    let (mut ratios, mut single, mut both) = (vec![], vec![], vec![]);
    for _ in 0..effort.rounds(ROUNDS) {
        let alone = load::press(&asks[..1], CONNECTIONS, None, LASTING).await;
        let halves = tokio::join!(
            load::press(&asks[..1], CONNECTIONS / 2, None, LASTING),
            load::press(&asks[1..], CONNECTIONS / 2, None, LASTING)
        );
        let rate = |answered: usize| answered as f64 / LASTING.as_secs_f64();
        single.push(rate(served(&alone)));
        both.push(rate(served(&halves.0) + served(&halves.1)));
        ratios.push(both.last().unwrap() / single.last().unwrap());
    }
    let mut whole = vec![];
    for _ in 0..effort.rounds(ROUNDS) {
        whole.push(revoke(&one, &two, &bo, || ()).await);
        restore(&one).await;
    }
    let mut cut_off = vec![];
    for _ in 0..effort.rounds(3) {
        cut_off.push(revoke(&one, &two, &bo, || cable.silence()).await);
        cable.mend();
        restore(&one).await;
        serves_again(&two, &bo).await;
    }
    let line = |work, floor, value, unit, target, figures| Line {
        row: "nodes",
        work,
        floor,
        value,
        unit,
        target,
        figures,
        detail: json!({ "ratios": ratios, "one_per_second": single, "two_per_second": both, "revoke_s": whole, "cut_off_s": cut_off }),
    };
    vec![
        line(
            "two nodes against one, requests a second",
            THROUGHPUT,
            median(&ratios),
            "×",
            Target::AtLeast(0.9),
            format!("{:.0} against {:.0} a second", median(&both), median(&single)),
        ),
        line("revoke, asked → last byte, two nodes", REVOKE, median(&whole), "s", Target::AtMost(1.0), slowest(&whole)),
        line(
            "revoke, one of two nodes cut off",
            CUT_OFF,
            median(&cut_off),
            "s",
            Target::AtMost(3.0),
            slowest(&cut_off),
        ),
    ]
}

fn slowest(values: &[f64]) -> String {
    format!("slowest of {}: {:.2} s", values.len(), values.iter().copied().fold(0.0, f64::max))
}

fn served(answered: &[load::Answered]) -> usize {
    answered.iter().filter(|one| one.status == 200).count()
}

async fn ask(node: &Served, person: &Browser) -> Ask {
    serves_again(node, person).await;
    Ask {
        address: node.address(),
        method: Method::POST,
        path: "/",
        headers: headers(node, person),
        body: apps::JSON_BODY,
        expected: apps::JSON_ANSWER,
    }
}

fn headers(node: &Served, person: &Browser) -> Vec<(&'static str, String)> {
    vec![
        ("host", format!("measured.localhost:{}", node.town.port)),
        ("content-type", "application/json".to_owned()),
        ("sec-fetch-site", "same-origin".to_owned()),
        ("cookie", person.cookies("measured.localhost")),
    ]
}

/// Until the app answers on that node for a person who is signed in to it.
async fn serves_again(node: &Served, person: &Browser) {
    let started = Instant::now();
    while person.open(&format!("{}/", node.town.app("measured"))).await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(30), "the other node does not serve");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn restore(node: &Served) {
    let restored = node.town.post("/api/v1/apps/measured/restore", json!({ "why": "to measure it once more" })).await;
    assert_eq!(restored.status, 200, "{restored:?}");
}

/// Seconds from asking the first node to the last byte that the second sent.
async fn revoke(one: &Served, two: &Served, bo: &Browser, before: impl FnOnce()) -> f64 {
    serves_again(two, bo).await;
    let ask = Ask {
        address: two.address(),
        method: Method::GET,
        path: "/stream",
        headers: headers(two, bo),
        body: "",
        expected: "",
    };
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        streams.spawn(last_byte_of(ask.clone()));
    }
    tokio::time::sleep(UNDER_WAY).await;
    before();
    let asked = Instant::now();
    let receipt = one.town.post("/api/v1/apps/measured/revoke", json!({ "why": "to measure it" })).await;
    assert_eq!(receipt.status, 200, "{receipt:?}");
    let mut last = None;
    while let Some(ended) = streams.join_next().await {
        last = last.max(ended.unwrap());
    }
    last.expect("something was served").saturating_duration_since(asked).as_secs_f64()
}

/// Reads one stream to its end.
async fn last_byte_of(ask: Ask) -> Option<Instant> {
    let mut connection = Connection::open(ask.address).await;
    let mut body = connection.send(&ask).await.unwrap().into_body();
    let mut last = None;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(PATIENCE, body.frame()).await {
        if frame.data_ref().is_some_and(|data| !data.is_empty()) {
            last = Some(Instant::now());
        }
    }
    last
}
