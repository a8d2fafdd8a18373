//! What `cargo xtask long` gives a test: how many rounds of attacks, for how long, against which other version. And the
//! choices that it makes at random: the same ones each time.

use std::{path::PathBuf, time::Duration};

/// As many as `cargo xtask long` says, or `few`.
#[must_use]
pub fn rounds(few: u32) -> u32 {
    said("BAILIWICK_TEST_ROUNDS").and_then(|said| said.parse().ok()).unwrap_or(few)
}

/// How long a test takes that `cargo xtask long` gives a time; without it, `None`.
#[must_use]
pub fn soak_for() -> Option<Duration> {
    said("BAILIWICK_TEST_SOAK_MINUTES")?.parse().ok().map(|minutes: u64| Duration::from_secs(minutes * 60))
}

/// The program of the version before, where `cargo xtask long` has built it.
#[must_use]
pub fn version_before() -> Option<PathBuf> {
    said("BAILIWICK_TEST_BEFORE").map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "the one place where tests learn what they are given")]
fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|said| !said.is_empty())
}

/// Numbers that look random and are the same in every run (xorshift64*, Vigna 2016); no secret is made of them.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Less than `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        usize::try_from(number).unwrap_or_default() % sides.max(1)
    }
}
