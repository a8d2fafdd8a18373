//! How many rounds a test takes that attacks at random, and the choices that it makes: the same ones each time.

/// As many as `cargo xtask long` says, or `few`.
#[must_use]
pub fn rounds(few: u32) -> u32 {
    #[expect(clippy::disallowed_methods, reason = "the one place where tests learn how long they may take")]
    let said = std::env::var("BAILIWICK_TEST_ROUNDS").ok();
    said.and_then(|said| said.parse().ok()).unwrap_or(few)
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
