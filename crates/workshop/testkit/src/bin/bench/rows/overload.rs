//! Twice the load that a server can serve: what it accepts it serves as fast as before, it does not swell, and it hears a
//! revoke.

use crate::{
    apps,
    arguments::Effort,
    load::{self, Ask},
    machine,
    report::{Line, Target, median},
    served::{Demo, Served},
};
use serde_json::json;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
/// A load that it serves, all of it.
const CONNECTIONS: usize = 16;
/// Enough that twice the load arrives, whatever the answers take.
const CROWD: usize = 512;
const LASTING: Duration = Duration::from_secs(6);
/// Connections that rest are closed by then, and what was freed has gone back to the system.
const REST: Duration = Duration::from_secs(12);

const LATENCY: &str = "the 99th percentile of 16 connections that ask again as soon as they were answered, on the same server; then twice their rate arrives whatever the answers take, and only what was served counts, from when it was due";
const MEMORY: &str =
    "the same server before, after 16 connections pressed: memory that no file backs, at rest both times";
const REVOKE: &str =
    "none: wall-clock time of the request to revoke another app under that load; the machine is shared with the load";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let served = Served::start(Demo::No);
    served.deploy(&apps::json("measured")).await;
    let ana = served.town.person("ana@example.test", &["staff"]).await;
    let ask = served.asking(&ana, "measured").await;
    load::press(std::slice::from_ref(&ask), CONNECTIONS, None, LASTING).await;
    let rounds = effort.rounds(ROUNDS);
    for round in 0..rounds {
        served.deploy(&apps::json(&victim(round))).await;
    }
    let before = at_rest_mib(&served).await;
    let mut seen = Seen::default();
    for round in 0..rounds {
        seen.round(&served, &ask, round).await;
    }
    let after = at_rest_mib(&served).await;
    let Seen { ratios, calm, crowded, revoked, shares } = &seen;
    let line = |work, floor, value, unit, target, figures| Line {
        row: "overload",
        work,
        floor,
        value,
        unit,
        target: Target::AtMost(target),
        figures,
        detail: json!({ "calm_p99_ms": calm, "crowded_p99_ms": crowded, "revoke_ms": revoked, "served_percent": shares }),
    };
    vec![
        line(
            "twice the load, p99 of what is accepted",
            LATENCY,
            median(ratios),
            "×",
            2.0,
            format!(
                "{:.0} ms against {:.0} ms; {:.0} % of what arrived was accepted",
                median(crowded),
                median(calm),
                median(shares)
            ),
        ),
        line(
            "twice the load, memory that stays",
            MEMORY,
            (after - before).max(0.0),
            "MiB",
            16.0,
            format!("{before:.0} MiB before"),
        ),
        line("twice the load, revoke", REVOKE, median(revoked), "ms", 100.0, String::new()),
    ]
}

/// The app that is revoked in a round.
fn victim(round: usize) -> String {
    format!("victim-{round}")
}

async fn at_rest_mib(served: &Served) -> f64 {
    tokio::time::sleep(REST).await;
    machine::resident_mib(served.pid()).1
}

/// What the rounds showed, a value for each.
#[derive(Debug, Default)]
struct Seen {
    ratios: Vec<f64>,
    calm: Vec<f64>,
    crowded: Vec<f64>,
    revoked: Vec<f64>,
    shares: Vec<f64>,
}

impl Seen {
    async fn round(&mut self, served: &Served, ask: &Ask, round: usize) {
        let name = victim(round);
        let asks = std::slice::from_ref(ask);
        let at_ease = load::press(asks, CONNECTIONS, None, LASTING).await;
        let rate = at_ease.len() as f64 / LASTING.as_secs_f64();
        let revoking = async {
            tokio::time::sleep(LASTING / 2).await;
            let asked = Instant::now();
            let path = format!("/api/v1/apps/{name}/revoke");
            let receipt = served.town.post(&path, json!({ "why": "to measure it" })).await;
            assert_eq!(receipt.status, 200, "{receipt:?}");
            asked.elapsed().as_secs_f64() * 1e3
        };
        let (pressed, took) = tokio::join!(load::press(asks, CROWD, Some(rate * 2.0), LASTING), revoking);
        let (calm, crowded) = (load::p99(&at_ease), load::p99(&pressed));
        let accepted = pressed.iter().filter(|one| one.status == 200).count();
        self.ratios.push(crowded / calm);
        self.calm.push(calm);
        self.crowded.push(crowded);
        self.revoked.push(took);
        self.shares.push(accepted as f64 / pressed.len().max(1) as f64 * 100.0);
    }
}
