//! `cargo xtask bench`: what the house promises about speed, each promise as a ratio to a floor that stands beside it.
//!
//! Both sides of a ratio run in one run, in turns, several rounds, and the median round counts. CPU time (user and
//! system) is what is compared wherever a row allows it, since it means the same on a machine that others use as well.
//! A target that is missed is shown as missed; nothing here fails a build.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark may stop at once, and its table is its output"
)]

mod apps;
mod arguments;
mod load;
mod machine;
mod peers;
mod report;
mod rows;
mod served;
mod sql;

use arguments::Arguments;
use report::Report;

fn main() {
    let arguments = Arguments::read();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(peer) = &arguments.peer {
        // A process of its own, so that its CPU time can be told from the load's.
        runtime.block_on(peers::run(peer));
        return;
    }
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut report = Report::new(arguments.effort);
    for row in rows::ALL {
        if arguments.wants(row.name) {
            eprintln!("measuring {}: {}", row.name, row.work);
            report.lines.extend(runtime.block_on((row.measure)(arguments.effort)));
        }
    }
    print!("{}", report.table());
    std::fs::write(&arguments.json, report.json()).unwrap();
    eprintln!("\nwritten to {}", arguments.json.display());
}
