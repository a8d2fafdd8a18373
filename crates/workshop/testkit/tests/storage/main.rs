//! What lies outside the database: bundles, tiles, backups; in a folder, and in a real S3-compatible server with faults.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod backups;
mod content;
mod depot;
mod parts;
