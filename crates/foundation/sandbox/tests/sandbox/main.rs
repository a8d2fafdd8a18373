//! The sandbox through its front door: real apps on the real engine, each limit met by an app that runs into it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod cache;
mod components;
mod conformance;
mod echo;
mod ending;
mod limits;
mod loading;
mod requests;
mod streams;
mod support;
