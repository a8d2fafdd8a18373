//! Durations, sizes and rates as the manifest writes them (`30d`, `64MiB`, `60/min per user`), and as people read them.

use super::{LimitBy, RateLimit};
use std::time::Duration;

const UNITS_OF_TIME: &[(&str, u64, &str)] = &[
    ("d", 86_400_000, "day"),
    ("h", 3_600_000, "hour"),
    ("min", 60_000, "minute"),
    ("s", 1000, "second"),
    ("ms", 1, "millisecond"),
];

const UNITS_OF_SIZE: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// What can be said of a text that is not a measure: how one is written.
pub(super) const DURATION_SHAPE: &str = "a whole number and `d`, `h`, `min`, `s` or `ms`, such as `30d`";
pub(super) const SIZE_SHAPE: &str = "a whole number and `KiB`, `MiB` or `GiB`, such as `64MiB`";
pub(super) const RATE_SHAPE: &str = "N/(s|min|h) per (user|address|app|route), such as `60/min per user`";

/// More than a node answers in an hour.
const RATE_MAX: u32 = 10_000_000;

/// Number and unit; the number has no sign, no leading zero, no fraction.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    if number.len() > 1 && number.starts_with('0') {
        return None;
    }
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let (_, unit_ms, _) = UNITS_OF_TIME.iter().find(|(name, ..)| *name == unit)?;
    number.checked_mul(*unit_ms).map(Duration::from_millis)
}

pub(super) fn size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let (_, unit_bytes) = UNITS_OF_SIZE.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*unit_bytes)
}

pub(super) fn rate(text: &str) -> Option<RateLimit> {
    let mut parts = text.split_ascii_whitespace();
    let (amount, per, by) = (parts.next()?, parts.next()?, parts.next()?);
    let (count, unit) = amount.split_once('/')?;
    let (count, rest) = split(count)?;
    let count = u32::try_from(count).ok().filter(|count| (1..=RATE_MAX).contains(count))?;
    let per_secs = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => return None,
    };
    let by = match by {
        "user" => LimitBy::User,
        "address" => LimitBy::Address,
        "app" => LimitBy::App,
        "route" => LimitBy::Route,
        _ => return None,
    };
    let whole = per == "per" && rest.is_empty() && parts.next().is_none();
    whole.then(|| RateLimit { count, per: Duration::from_secs(per_secs), by })
}

/// `30 days`, `1 hour`, `50 milliseconds`.
pub(super) fn duration_words(span: Duration) -> String {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let fits = UNITS_OF_TIME.iter().find(|(_, unit_ms, _)| ms >= *unit_ms && ms.is_multiple_of(*unit_ms));
    let (unit_ms, word) = fits.map_or((1, "millisecond"), |(_, unit_ms, word)| (*unit_ms, *word));
    let number = ms / unit_ms;
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// `64 MiB`.
pub(super) fn size_words(size_bytes: u64) -> String {
    let fits = UNITS_OF_SIZE.iter().find(|(_, unit)| size_bytes >= *unit && size_bytes.is_multiple_of(*unit));
    let (name, unit) = fits.copied().unwrap_or(("B", 1));
    format!("{} {name}", size_bytes / unit)
}

/// As the manifest writes it: `5s`.
pub(super) fn duration_text(span: Duration) -> String {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let fits = UNITS_OF_TIME.iter().find(|(_, unit_ms, _)| ms >= *unit_ms && ms.is_multiple_of(*unit_ms));
    let (unit, unit_ms) = fits.map_or(("ms", 1), |(unit, unit_ms, _)| (*unit, *unit_ms));
    format!("{}{unit}", ms / unit_ms)
}

/// As the manifest writes it: `64MiB`.
pub(super) fn size_text(size_bytes: u64) -> String {
    size_words(size_bytes).replace(' ', "")
}

impl RateLimit {
    /// `60 requests a minute per user`.
    #[must_use]
    pub fn words(&self) -> String {
        let per = match self.per.as_secs() {
            1 => "a second",
            60 => "a minute",
            _ => "an hour",
        };
        let requests = if self.count == 1 { "request" } else { "requests" };
        format!("{} {requests} {per} per {}", self.count, by_words(self.by))
    }
}

pub(super) const fn by_words(by: LimitBy) -> &'static str {
    match by {
        LimitBy::User => "user",
        LimitBy::Address => "address",
        LimitBy::App => "app",
        LimitBy::Route => "route",
    }
}
