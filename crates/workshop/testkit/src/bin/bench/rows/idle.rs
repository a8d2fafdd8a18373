//! A server at rest: what stays in memory once it has started, and once the samples are there.

use crate::{
    arguments::Effort,
    machine,
    report::{Line, Target},
    served::{Demo, Served},
};
use serde_json::json;
use std::time::Duration;

/// The engine has been compiled by then, the samples deployed, and whatever is given back was given back.
const REST: Duration = Duration::from_secs(12);

const FLOOR: &str = "none: resident memory as the kernel counts it, files that are mapped included";

pub(super) async fn measure(_effort: Effort) -> Vec<Line> {
    let mut lines = Vec::new();
    for (demo, work) in [(Demo::No, "an idle server, started"), (Demo::Yes, "an idle server, with the samples")] {
        let served = Served::start(demo);
        tokio::time::sleep(REST).await;
        let before = served.cpu();
        tokio::time::sleep(REST / 4).await;
        let busy = (served.cpu() - before).as_secs_f64() / (REST / 4).as_secs_f64() * 100.0;
        let (resident, anonymous) = machine::resident_mib(served.pid());
        lines.push(Line {
            row: "idle",
            work,
            floor: FLOOR,
            value: resident,
            unit: "MiB",
            target: Target::AtMost(80.0),
            figures: format!("{anonymous:.0} MiB of it anonymous; {busy:.1} % of a core"),
            detail: json!({ "resident_mib": resident, "anonymous_mib": anonymous, "core_percent": busy }),
        });
    }
    lines
}
