//! `[apps]`: what becomes of apps that nobody keeps.

use super::Reader;
use std::{ops::RangeInclusive, time::Duration};
use watch::REMOVAL_FIRST_DAYS;

const KEY: &str = "apps.grace";
const FORM: &str = "`\"30d\"`, or `\"never\"`";
/// Everybody is warned before; after ten years, nobody remembers.
const DAYS: RangeInclusive<u32> = REMOVAL_FIRST_DAYS..=3_650;
const DAY: Duration = Duration::from_secs(86_400);

/// From the last date of an app to the end of its data; none where that is a person's to say.
pub(super) fn grace(reader: &mut Reader) -> Option<Duration> {
    let Some(text) = reader.take::<String>(KEY, FORM) else { return Some(catalog::GRACE) };
    if text == "never" {
        return None;
    }
    let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) else {
        reader.wrong(KEY, "it is no number of days", format!("write it as {FORM}"));
        return None;
    };
    if !DAYS.contains(&days) {
        let why = "people are warned seven days before, and nobody remembers an app after ten years";
        reader.wrong(KEY, why, "give 7 to 3650 days, or `\"never\"`");
        return None;
    }
    Some(DAY * days)
}
