//! Randomness, and comparison that takes the same time wherever two values differ.
//!
//! Refuses to go on without randomness: the process ends rather than use a guessable key.

use aws_lc_rs::{constant_time, rand};

/// `N` bytes from the operating system's generator, through aws-lc.
///
/// Ends the process if the system has no randomness to give: nothing made without it would be safe.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    if rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}
