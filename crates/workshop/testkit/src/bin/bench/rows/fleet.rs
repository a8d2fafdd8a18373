//! Thousands of apps on one machine: what one that nobody uses costs, and whether those in use notice the others.

use super::growth;
use crate::{
    apps,
    arguments::Effort,
    load,
    report::{Line, Target, median},
    served::{Demo, Served},
};
use serde_json::json;
use std::time::{Duration, Instant};

const APPS: usize = 5_000;
const ACTIVE: usize = 200;
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 5;
const LASTING: Duration = Duration::from_secs(4);
/// In the record, when pages are looked at.
const EVENTS: u64 = 1_000_000;
/// The main pages of the console.
const CONSOLE: &[&str] = &[
    "/",
    "/apps",
    "/apps?state=live",
    "/apps/app-7",
    "/apps/app-7/releases",
    "/apps/app-7/log",
    "/switch",
    "/requests",
    "/people",
    "/secrets",
    "/policy",
    "/notices",
    "/record",
    "/record?person=ana@example.test",
    "/record?app=app-7",
    "/new",
];
/// What starting leaves to do has been done by then.
const REST: Duration = Duration::from_secs(12);

const START: &str =
    "none: wall-clock time from the start of the process to `ready`, with all apps live; the machine is shared";
const MEMORY: &str = "the same server with one app: private dirty memory as the kernel counts it, both after a restart and at rest, the difference shared out among the others";
const DISK: &str = "the same server with one app: what the data folder takes on the disk, the difference shared out among the others; each app's code is its own";
const PAGES: &str =
    "none: wall-clock time of the whole answer on loopback, median of several, as an operator and auditor sees it";
const SPEED: &str =
    "one app alone on the same server, as many connections, in turns: requests answered in the same time";
const LATENCY: &str = "the 99th percentile of one app alone on the same server, as many connections, in turns";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let (count, active) = match effort {
        Effort::Full => (APPS, ACTIVE),
        Effort::Quick => (APPS / 10, ACTIVE / 10),
    };
    let served = Served::start(Demo::No);
    served.deploy(&apps::numbered(0)).await;
    let disk_of_one = served.disk_bytes();
    let served = served.again();
    tokio::time::sleep(REST).await;
    let memory_of_one = served.private_dirty_bytes();
    for number in 1..count {
        served.deploy(&apps::numbered(number)).await;
    }
    let served = served.again();
    let ready = served.ready_after.as_secs_f64();
    tokio::time::sleep(REST).await;
    let others = (count - 1) as f64;
    let memory_of_all = served.private_dirty_bytes();
    let memory = memory_of_all.saturating_sub(memory_of_one) as f64 / others / 1024.0;
    let disk = served.disk_bytes().saturating_sub(disk_of_one) as f64 / others / 1e6;
    let among = active_ones(&served, active, effort).await;
    let events = effort.times(EVENTS);
    let served = served.after(|data| growth::fill(&data.join("bailiwick.db"), events));
    let pages = pages(&served, effort).await;
    let slowest = pages.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1)).unwrap();
    let line = |work, floor, value, unit, most, figures: String| Line {
        row: "fleet",
        work,
        floor,
        value,
        unit,
        target: Target::AtMost(most),
        figures,
        detail: json!({ "apps": count, "active": active, "value": value }),
    };
    let mut lines = vec![
        line("start with 5,000 apps", START, ready, "s", 3.0, format!("{count} apps")),
        line(
            "an app that nobody uses, memory",
            MEMORY,
            memory,
            "kB",
            100.0,
            format!("{} with {count} apps, {} with one", mib(memory_of_all), mib(memory_of_one)),
        ),
        line("a release, on the disk", DISK, disk, "MB", 1.5, format!("{count} apps")),
        line(
            "a page of the console, slowest",
            PAGES,
            slowest.1,
            "ms",
            50.0,
            format!(
                "{}, {count} apps, {events} events; {}",
                slowest.0,
                pages.iter().map(|(page, ms)| format!("{page} {ms:.0}")).collect::<Vec<_>>().join(", ")
            ),
        ),
    ];
    lines.extend(among.lines(&format!("{active} of {count} apps")));
    lines
}

fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / 1024.0 / 1024.0)
}

/// A value for each round.
#[derive(Debug, Default)]
struct Active {
    ratios: Vec<f64>,
    alone: Vec<f64>,
    together: Vec<f64>,
    /// Requests a second of all against those of one.
    speeds: Vec<f64>,
}

impl Active {
    fn lines(&self, of: &str) -> [Line; 2] {
        let line = |work, floor, value, target, figures| Line {
            row: "fleet",
            work,
            floor,
            value,
            unit: "×",
            target,
            figures,
            detail: json!({ "p99": self.ratios, "speeds": self.speeds }),
        };
        let times = format!("{:.1} ms against {:.1} ms; {of}", median(&self.together), median(&self.alone));
        let (slower, fewer) = (median(&self.ratios), median(&self.speeds));
        [
            line("200 apps in use among 5,000, p99", LATENCY, slower, Target::AtMost(2.0), times),
            line("200 apps in use among 5,000, requests a second", SPEED, fewer, Target::AtLeast(0.9), of.to_owned()),
        ]
    }
}

async fn active_ones(served: &Served, active: usize, effort: Effort) -> Active {
    let ana = served.town.person("ana@example.test", &["staff"]).await;
    let mut asks = Vec::new();
    for number in 0..active {
        asks.push(served.asking(&ana, &apps::name(number)).await);
    }
    // Each has served before it is measured.
    load::press(&asks, CONNECTIONS, None, LASTING).await;
    let mut seen = Active::default();
    for _ in 0..effort.rounds(ROUNDS) {
        let one = load::press(&asks[..1], CONNECTIONS, None, LASTING).await;
        let all = load::press(&asks, CONNECTIONS, None, LASTING).await;
        let (alone, together) = (load::p99(&one), load::p99(&all));
        seen.ratios.push(together / alone);
        seen.alone.push(alone);
        seen.together.push(together);
        seen.speeds.push(all.len() as f64 / one.len() as f64);
    }
    seen
}

/// How long each page of the console takes, in milliseconds.
async fn pages(served: &Served, effort: Effort) -> Vec<(&'static str, f64)> {
    let ola = served.town.person("ola@example.test", &["operators", "auditors", "builders", "staff"]).await;
    let mut all = Vec::new();
    for page in CONSOLE {
        let url = format!("{}{page}", served.town.url());
        let mut took = Vec::new();
        // Once beside the clock, as somebody who looks around.
        for round in 0..=effort.rounds(ROUNDS) {
            let asked = Instant::now();
            let answer = ola.get(&url).await;
            assert_eq!(answer.status, 200, "{page}: {answer:?}");
            if round > 0 {
                took.push(asked.elapsed().as_secs_f64() * 1e3);
            }
        }
        all.push((*page, median(&took)));
    }
    all
}
