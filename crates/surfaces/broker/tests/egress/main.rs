//! Attempts to leave an app by every way but the granted one, against real sockets on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod bodies;
mod calls;
mod house;
mod matrix;
mod redirects;
mod secrets;
mod surface;
mod upstream;
