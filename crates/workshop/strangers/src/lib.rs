//! Every parser that meets a stranger's bytes, as one function each: bytes in, a panic when a promise is broken.
//!
//! `fuzz/fuzz_targets` hands them to libFuzzer for hours, `tests/replay.rs` the corpus and its mutations in every run.
//! What is promised stands in each function; that nothing panics and nothing runs away is promised by all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken promise stops the run at once"
)]

mod bundle;
mod calls;
mod record;
mod requests;
mod tokens;

/// One parser.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its corpus lies in `fuzz/corpus/NAME`.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "manifest", run: bundle::manifest },
    Target { name: "archive", run: bundle::archive },
    Target { name: "scan", run: bundle::scan },
    Target { name: "machine_proof", run: tokens::machine_proof },
    Target { name: "tokens", run: tokens::tokens },
    Target { name: "export", run: record::export },
    Target { name: "proof", run: record::proof },
    Target { name: "checkpoint", run: record::checkpoint },
    Target { name: "tile", run: record::tile },
    Target { name: "connection", run: requests::connection },
    Target { name: "cookies", run: requests::cookies },
    Target { name: "destination", run: calls::destination },
    Target { name: "egress_headers", run: calls::headers_out },
    Target { name: "query", run: calls::query },
    Target { name: "attach", run: calls::attach },
];

/// The target of that name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> fn(&[u8]) {
    TARGETS.iter().find(|target| target.name == name).expect("a known target").run
}

pub use record::{golden_checkpoint, golden_proof};
