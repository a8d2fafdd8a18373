//! From the command to live: the very first deploy after a new binary, further ones, and the start itself.

use crate::{
    arguments::Effort,
    report::{Line, Target, median},
    served::{Demo, Served},
};
use serde_json::json;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const ROUNDS: usize = 9;

const FLOOR: &str = "none: wall-clock time of `bailiwick deploy`, from the start of the command to its end, which is after the app is live; the machine is shared";
const START: &str =
    "none: wall-clock time from the start of the process, with an empty data folder and no compiled code, to `ready`";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let rounds = effort.rounds(5);
    let (mut ready, mut first, mut next) = (vec![], vec![], vec![]);
    for round in 0..rounds {
        let served = Served::start(Demo::No);
        first.push(deploy(&served, "first").await.as_secs_f64());
        if round + 1 == rounds {
            for number in 0..effort.rounds(ROUNDS) {
                next.push(deploy(&served, &format!("next-{number}")).await.as_secs_f64() * 1e3);
            }
        }
    }
    for _ in 0..rounds {
        ready.push(Served::start(Demo::Yes).ready_after.as_secs_f64());
    }
    let line = |work, floor, values: &[f64], unit, target| Line {
        row: "deploy",
        work,
        floor,
        value: median(values),
        unit,
        target: Target::AtMost(target),
        figures: format!("slowest of {}: {:.2} {unit}", values.len(), values.iter().copied().fold(0.0, f64::max)),
        detail: json!({ "all": values }),
    };
    vec![
        line("`up --demo` from an empty folder to `ready`", START, &ready, "s", 1.0),
        line("the very first deploy after a new binary", FLOOR, &first, "s", 3.0),
        line("deploy of TinyPoll, command to live", FLOOR, &next, "ms", 300.0),
    ]
}

/// Deploys TinyPoll under a name by the command, and asks for its page: live means that it answers.
async fn deploy(served: &Served, name: &str) -> Duration {
    let folder = TempDir::new().unwrap();
    for (path, bytes) in testkit::template(name, "tinypoll") {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let started = Instant::now();
    let status = served.command(&["deploy", folder.path().to_str().unwrap()]).status().unwrap();
    let took = started.elapsed();
    assert!(status.success(), "the deploy was refused");
    let page = served.town.browser().get(&format!("{}/", served.town.app(name))).await;
    assert_eq!(page.status, 303, "{page:?}");
    took
}
