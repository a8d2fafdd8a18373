//! Time in words: how long ago, how soon. The exact time stands in `--json`.

use model::Timestamp;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Below this, 'just now' says as much as a number.
const NOW_MS: i64 = 5_000;
/// Beyond this many days a date says more than a count.
const DAYS_MAX: i64 = 400;

/// `just now`, `3 minutes ago`, `in 90 days`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let ms = at.as_ms() - now.as_ms();
    if ms.abs() < NOW_MS {
        return "just now".to_owned();
    }
    let (count, unit) = match ms.abs() {
        span if span < MINUTE_MS => (span / 1_000, "second"),
        span if span < HOUR_MS => (span / MINUTE_MS, "minute"),
        span if span < DAY_MS => (span / HOUR_MS, "hour"),
        span if span < DAYS_MAX * DAY_MS => (span / DAY_MS, "day"),
        _ => return day(at),
    };
    let words = counted(count, unit);
    if ms < 0 { format!("{words} ago") } else { format!("in {words}") }
}

/// `in 48 hours`: the nearest hour, up to three days; then as `relative`.
pub(crate) fn soon(at: Timestamp, now: Timestamp) -> String {
    let ms = at.as_ms() - now.as_ms();
    let hours = (ms + HOUR_MS / 2) / HOUR_MS;
    if (1..=72).contains(&hours) { format!("in {}", counted(hours, "hour")) } else { relative(at, now) }
}

/// `1 day`, `2 days`.
pub(crate) fn counted(count: i64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `2027-02-01`, UTC.
pub(crate) fn day(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d").to_string()
}

/// A moment as it is typed: RFC 3339, or a day, which begins at midnight, UTC.
///
/// # Errors
/// Anything else, with the forms that do.
pub(crate) fn typed(text: &str) -> Result<Timestamp, String> {
    let moment = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
    moment.map_err(|_| "a moment is written `2026-11-28T09:00:00Z`, or as a day, `2026-11-28`".to_owned())
}

/// `08:03:44.120`, UTC: for lists whose entries are of one day.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_jiff().strftime("%H:%M:%S%.3f").to_string()
}

/// `12 ms`, `1.2 s`: how long a thing took.
pub(crate) fn took(from: Timestamp, to: Timestamp) -> String {
    let ms = to.since(from).as_millis();
    if ms < 1_000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1_000, ms % 1_000 / 100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_end_is_told_by_the_hour() {
        let now = at("2026-11-03T12:00:00Z");
        for (end, words) in [
            ("2026-11-05T11:59:58Z", "in 48 hours"),
            ("2026-11-03T13:10:00Z", "in 1 hour"),
            ("2026-11-03T12:20:00Z", "in 20 minutes"),
            ("2026-11-09T12:00:00Z", "in 6 days"),
        ] {
            assert_eq!(soon(at(end), now), words);
        }
    }

    #[test]
    fn a_moment_or_a_day() {
        assert_eq!(typed("2026-11-03T12:00:00Z"), Ok(at("2026-11-03T12:00:00Z")));
        assert_eq!(typed("2026-11-03"), Ok(at("2026-11-03T00:00:00Z")));
        for text in ["yesterday", "", "2026-13-01", "2026-11-03T12:00"] {
            assert!(typed(text).unwrap_err().starts_with("a moment is written"), "{text}");
        }
    }

    #[test]
    fn words_for_every_distance() {
        let now = at("2026-11-03T12:00:00Z");
        for (moment, words) in [
            ("2026-11-03T11:59:58Z", "just now"),
            ("2026-11-03T12:00:04Z", "just now"),
            ("2026-11-03T11:59:30Z", "30 seconds ago"),
            ("2026-11-03T11:58:59Z", "1 minute ago"),
            ("2026-11-03T09:00:00Z", "3 hours ago"),
            ("2026-11-02T11:00:00Z", "1 day ago"),
            ("2027-02-01T12:00:00Z", "in 90 days"),
            ("2029-02-01T12:00:00Z", "2029-02-01"),
        ] {
            assert_eq!(relative(at(moment), now), words);
        }
    }

    #[test]
    fn spans() {
        let from = at("2026-11-03T12:00:00Z");
        assert_eq!(took(from, at("2026-11-03T12:00:00.012Z")), "12 ms");
        assert_eq!(took(from, at("2026-11-03T12:00:01.250Z")), "1.2 s");
        assert_eq!(took(at("2026-11-03T12:00:01Z"), from), "0 ms");
    }
}
