//! A request through gateway, session, permit, limit, event and fresh JavaScript instance, against the same engine and app
//! with none of these.

use crate::{
    apps,
    arguments::Effort,
    load::{self, Ask},
    peers::Peer,
    report::{Line, Target, median},
    served::{Demo, Served},
};
use http::Method;
use serde_json::json;
use std::time::Duration;

/// Enough that neither side ever waits for the load; fewer than the app's `parallel`.
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 9;
const REQUESTS: u64 = 4000;

const FLOOR: &str = "what `wasmtime serve` does (same wasmtime, pooling, keep-resident and pagemap scan on, a fresh instance and a task for each request, no epochs), written out over hyper, with the sandbox's engine and app and nothing of ours; `wasmtime-cli` itself is not built";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let served = Served::start(Demo::No);
    served.deploy(&apps::json("measured")).await;
    let ana = served.town.person("ana@example.test", &["staff"]).await;
    let peer = Peer::start(&["serve"]);
    let ask = |address, headers: Vec<(&'static str, String)>| Ask {
        address,
        method: Method::POST,
        path: "/",
        headers,
        body: apps::JSON_BODY,
        expected: apps::JSON_ANSWER,
    };
    let browser = |host: String, cookie: String| {
        vec![
            ("host", host),
            ("content-type", "application/json".to_owned()),
            ("accept", "*/*".to_owned()),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("cookie", cookie),
        ]
    };
    let host = format!("measured.localhost:{}", served.town.port);
    let cookie = served.signed_in(&ana, "measured").await;
    let ours = ask(served.address(), browser(host, cookie.clone()));
    let theirs = ask(peer.address, browser(peer.address.to_string(), cookie));
    let count = effort.times(REQUESTS);
    load::run(&ours, CONNECTIONS, count / 4).await;
    load::run(&theirs, CONNECTIONS, count / 4).await;
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / count as f64;
    let (mut ratios, mut cpu, mut peer_cpu, mut rate, mut peer_rate) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..effort.rounds(ROUNDS) {
        let before = served.cpu();
        let took = load::run(&ours, CONNECTIONS, count).await;
        cpu.push(each(served.cpu() - before));
        rate.push(count as f64 / took.as_secs_f64());
        let before = peer.cpu();
        let took = load::run(&theirs, CONNECTIONS, count).await;
        peer_cpu.push(each(peer.cpu() - before));
        peer_rate.push(count as f64 / took.as_secs_f64());
        ratios.push(peer_cpu.last().unwrap() / cpu.last().unwrap());
    }
    let (ours, theirs, fast, peer_fast) = (median(&cpu), median(&peer_cpu), median(&rate), median(&peer_rate));
    vec![Line {
        row: "request",
        work: "a request, from the socket to a fresh instance",
        floor: FLOOR,
        value: median(&ratios),
        unit: "×",
        target: Target::AtLeast(1.0),
        figures: format!(
            "CPU {ours:.0} µs against {theirs:.0} µs; {fast:.0} requests a second against {peer_fast:.0}, load beside them"
        ),
        detail: json!({
            "cpu_us": ours, "floor_cpu_us": theirs, "per_second": fast, "floor_per_second": peer_fast, "ratios": ratios,
        }),
    }]
}
