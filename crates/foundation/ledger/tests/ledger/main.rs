//! The log from the outside: grown in batches, proved, exported, damaged in every way, verified.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod edits;
mod export;
mod fixture;
mod live;
mod memory;
mod proofs;
mod tree;
