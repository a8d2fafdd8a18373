//! How many backups are kept: the last few, and the newest of each of so many days, weeks and months (UTC). The newest of
//! all always stays.
//!
//! Refuses to delete what is not named as ours, and to believe a name of a day to come: whoever may write there could
//! crowd out every genuine backup with such names.

use jiff::{
    civil::{DateTime, ISOWeekDate},
    tz::TimeZone,
};
use model::Timestamp;
use serde::Deserialize;
use std::{collections::BTreeSet, time::Duration};

/// Clocks of two machines may differ by this; a later name was made by none of ours.
const AHEAD_MAX: Duration = Duration::from_secs(86_400);

/// Rules; what any of them keeps is kept. Without any, everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    pub last: usize,
    pub daily: usize,
    pub weekly: usize,
    pub monthly: usize,
}

/// As the names of backups say it.
pub(crate) fn in_utc(at: Timestamp) -> DateTime {
    at.to_jiff().to_zoned(TimeZone::UTC).datetime()
}

/// `NAME-20261128T023800Z.backup`, whose time is in its name.
pub(crate) fn made_at(name: &str, kind: &str) -> Option<DateTime> {
    let stamp = name.strip_prefix(kind)?.strip_suffix(super::ENDING)?.strip_suffix('Z')?;
    DateTime::strptime("%Y%m%dT%H%M%S", stamp).ok()
}

/// The same, unless it says a day to come.
pub(crate) fn made_before(name: &str, kind: &str, now: Timestamp) -> Option<DateTime> {
    let latest = in_utc(now.plus(AHEAD_MAX));
    made_at(name, kind).filter(|at| *at <= latest)
}

/// Backups of one kind whose names say a day to come.
pub(crate) fn ahead<'a>(names: &[&'a str], kind: &str, now: Timestamp) -> Vec<&'a str> {
    let is_ahead = |name: &&str| made_at(name, kind).is_some() && made_before(name, kind, now).is_none();
    names.iter().copied().filter(is_ahead).collect()
}

impl Keep {
    /// Which of these are to be deleted: backups of one kind.
    #[must_use]
    pub fn surplus<'a>(&self, names: &[&'a str], kind: &str, now: Timestamp) -> Vec<&'a str> {
        let mut dated: Vec<(DateTime, &str)> =
            names.iter().filter_map(|name| Some((made_before(name, kind, now)?, *name))).collect();
        dated.sort_unstable();
        dated.reverse();
        if *self == Self::default() {
            return Vec::new();
        }
        let mut kept: BTreeSet<&str> = dated.iter().take(self.last.max(1)).map(|(_, name)| *name).collect();
        kept.extend(newest_of_each(&dated, self.daily, |at| (at.year(), at.month(), at.day())));
        kept.extend(newest_of_each(&dated, self.weekly, |at| {
            let week = ISOWeekDate::from(at.date());
            (week.year(), week.week())
        }));
        kept.extend(newest_of_each(&dated, self.monthly, |at| (at.year(), at.month())));
        let mut surplus: Vec<&str> = dated.iter().map(|(_, name)| *name).filter(|name| !kept.contains(name)).collect();
        surplus.sort_unstable();
        surplus
    }
}

/// The newest of each of the last `count` spans in which there is one; `dated` has the newest first.
fn newest_of_each<'a, S: PartialEq>(
    dated: &[(DateTime, &'a str)],
    count: usize,
    span: impl Fn(&DateTime) -> S,
) -> Vec<&'a str> {
    let mut newest: Vec<(S, &str)> = Vec::new();
    for (at, name) in dated {
        let span = span(at);
        if newest.last().is_none_or(|(last, _)| *last != span) {
            newest.push((span, name));
        }
    }
    newest.into_iter().take(count).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-28T02:00:00Z".parse().unwrap()
    }

    fn surplus(keep: Keep, stamps: &[&str]) -> Vec<String> {
        let names: Vec<String> = stamps.iter().map(|stamp| format!("bailiwick-{stamp}Z.backup")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let cut = |name: &&str| name.trim_start_matches("bailiwick-").trim_end_matches("Z.backup").to_owned();
        keep.surplus(&names, "bailiwick-", now()).iter().map(cut).collect()
    }

    #[test]
    fn each_rule_keeps_its_own_and_the_newest_always_stays() {
        let stamps = [
            "20260915T020000",
            "20261010T020000",
            "20261102T020000",
            "20261108T020000",
            "20261109T020000",
            "20261109T140000",
            "20261110T020000",
        ];
        assert_eq!(surplus(Keep::default(), &stamps), [""; 0], "nothing said, nothing deleted");
        assert_eq!(surplus(Keep { last: 2, ..Keep::default() }, &stamps), stamps[..5]);
        assert_eq!(
            surplus(Keep { daily: 2, ..Keep::default() }, &stamps),
            [&stamps[..5], &[]].concat(),
            "the second of a day is that day's"
        );
        // The 8th of November is a Sunday: its week is that of the 2nd.
        assert_eq!(
            surplus(Keep { weekly: 2, ..Keep::default() }, &stamps),
            [stamps[0], stamps[1], stamps[2], stamps[4], stamps[5]]
        );
        assert_eq!(surplus(Keep { monthly: 3, ..Keep::default() }, &stamps), stamps[2..6]);
        assert_eq!(surplus(Keep { daily: 9, ..Keep::default() }, &["20260915T020000"]), [""; 0]);
    }

    #[test]
    fn what_is_not_ours_is_never_surplus() {
        let keep = Keep { last: 1, ..Keep::default() };
        let names = [
            "bailiwick-notes.backup",
            "other.backup",
            "bailiwick-20261101T000000Z.backup.old",
            "configuration-20261101T000000Z.backup",
        ];
        assert_eq!(keep.surplus(&names, "bailiwick-", now()), [""; 0]);
    }

    #[test]
    fn names_of_days_to_come_neither_count_nor_are_deleted() {
        let rules = [Keep { last: 1, ..Keep::default() }, Keep { last: 1, daily: 2, weekly: 2, monthly: 2 }];
        let genuine = "20261127T020000";
        for keep in rules {
            let mut stamps = vec![genuine, "20261129T020001"];
            stamps.extend(["20990101T000000", "20990102T000000", "20990303T000000"]);
            assert_eq!(surplus(keep, &stamps), [""; 0], "{keep:?}");
        }
        let names = ["bailiwick-20261129T020000Z.backup", "bailiwick-20990101T000000Z.backup", "other.backup"];
        assert_eq!(ahead(&names, "bailiwick-", now()), names[1..2]);
    }
}
