//! The catalog's suite: hostile archives, gates, decisions by today's rules, jobs and lifecycle, on both databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[macro_use]
mod house;

mod archives;
mod decisions;
mod digests;
mod engines;
mod gates;
mod jobs;
mod lifecycle;
mod receipts;
mod waivers;
