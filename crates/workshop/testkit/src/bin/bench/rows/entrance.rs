//! The gateway before the sandbox: a file of an app, for someone who is signed in, against a proxy that judges nothing.

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

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 9;
const REQUESTS: u64 = 30_000;

const FLOOR: &str =
    "a bare proxy of axum and hyper (its own CPU time alone) before an upstream that answers the same kilobyte";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let served = Served::start(Demo::No);
    served.deploy(&apps::files("files")).await;
    let ana = served.town.person("ana@example.test", &["staff"]).await;
    let cookie = served.signed_in(&ana, "files").await;
    let upstream = Peer::start(&["upstream"]);
    let proxy = Peer::start(&["proxy", &upstream.address.to_string()]);
    let ask = |address, host| Ask {
        address,
        method: Method::GET,
        path: "/file.bin",
        headers: vec![
            ("host", host),
            ("accept", "*/*".to_owned()),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("cookie", cookie.clone()),
        ],
        body: "",
        expected: "0123456789abcdef",
    };
    let ours = ask(served.address(), format!("files.localhost:{}", served.town.port));
    let theirs = ask(proxy.address, proxy.address.to_string());
    let count = effort.times(REQUESTS);
    load::run(&ours, CONNECTIONS, count / 4).await;
    load::run(&theirs, CONNECTIONS, count / 4).await;
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / count as f64;
    let (mut ratios, mut cpu, mut proxy_cpu) = (vec![], vec![], vec![]);
    for _ in 0..effort.rounds(ROUNDS) {
        let before = served.cpu();
        load::run(&ours, CONNECTIONS, count).await;
        cpu.push(each(served.cpu() - before));
        let before = proxy.cpu();
        load::run(&theirs, CONNECTIONS, count).await;
        proxy_cpu.push(each(proxy.cpu() - before));
        ratios.push(cpu.last().unwrap() / proxy_cpu.last().unwrap());
    }
    let (ours, theirs) = (median(&cpu), median(&proxy_cpu));
    vec![Line {
        row: "gateway",
        work: "the gateway before the sandbox",
        floor: FLOOR,
        value: median(&ratios),
        unit: "×",
        target: Target::AtMost(1.5),
        figures: format!("CPU {ours:.1} µs against {theirs:.1} µs"),
        detail: json!({ "cpu_us": ours, "floor_cpu_us": theirs, "ratios": ratios }),
    }]
}
