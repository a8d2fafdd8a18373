//! When the jobs of apps are due: five-field cron in the job's own time zone.
//!
//! A time that passed while no node ran is made up for when one does, once for each job, and not after a day.

pub(crate) mod sql;

use crate::Catalog;
use authority::AppRef;
use croner::Cron;
use model::{Timestamp, manifest::Job};
use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Later than this nobody expects a run any more.
const MADE_UP_FOR: Duration = Duration::from_secs(86_400);

/// One job of one app.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JobRef {
    pub(crate) app: AppRef,
    pub(crate) job: String,
}

/// A job as it is live, and since when its app is.
#[derive(Debug, Clone)]
pub(crate) struct LiveJob {
    pub(crate) of: JobRef,
    pub(crate) job: Job,
    pub(crate) since: Timestamp,
}

/// When each job runs next.
#[derive(Debug, Default)]
pub(crate) struct Timetable {
    next: Mutex<HashMap<JobRef, Entry>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    job: Job,
    at: Option<Timestamp>,
}

impl Timetable {
    /// Whether every one of these has its entry.
    pub(crate) fn knows(&self, live: &[LiveJob]) -> bool {
        let next = self.next();
        live.iter().all(|live| next.contains_key(&live.of))
    }

    /// Makes entries for those that have none: due from their last run on, or from when their app went live. So what
    /// was missed while no node ran is due at once, once for each job.
    pub(crate) fn learn(&self, live: &[LiveJob], last: &HashMap<JobRef, Timestamp>, now: Timestamp) {
        let mut next = self.next();
        for live in live {
            let since = last.get(&live.of).copied().unwrap_or(live.since).max(live.since).min(now);
            let at = next_after(&live.job, since.max(now.minus(MADE_UP_FOR)));
            next.entry(live.of.clone()).or_insert_with(|| Entry { at, job: live.job.clone() });
        }
    }

    /// Brings the table up to what is live, and takes out what is due at `now`.
    pub(crate) fn due(&self, live: Vec<LiveJob>, now: Timestamp) -> Vec<(JobRef, Timestamp)> {
        let mut next = self.next();
        let mut kept = HashMap::new();
        let mut due = Vec::new();
        for LiveJob { of, job, .. } in live {
            let entry = match next.remove(&of) {
                Some(entry) if entry.job == job => entry,
                _ => Entry { at: next_after(&job, now), job },
            };
            let entry = match entry.at {
                Some(at) if at <= now => {
                    due.push((of.clone(), at));
                    Entry { at: next_after(&entry.job, now), ..entry }
                }
                _ => entry,
            };
            kept.insert(of, entry);
        }
        *next = kept;
        due
    }

    fn next(&self) -> MutexGuard<'_, HashMap<JobRef, Entry>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog {
    pub(crate) fn live_jobs(&self) -> Vec<LiveJob> {
        let apps = self.apps.all();
        let mut live = Vec::new();
        for app in self.serving() {
            let Some(record) = apps.get(&app.id).and_then(|record| record.envs.get(&app.env)) else { continue };
            let Some(release) = &record.live else { continue };
            for (name, job) in &release.manifest.jobs {
                let of = JobRef { app: app.clone(), job: name.clone() };
                live.push(LiveJob { of, job: job.clone(), since: record.changed_at });
            }
        }
        live
    }
}

/// The first moment after `now`; none for a schedule that never comes, or a zone that is not known.
#[must_use]
pub fn next_after(job: &Job, now: Timestamp) -> Option<Timestamp> {
    let zone = jiff::tz::TimeZone::get(&job.zone).ok()?;
    let cron = Cron::from_str(&job.schedule).ok()?;
    let next = cron.find_next_occurrence(&now.to_jiff().to_zoned(zone), false).ok()?;
    Some(Timestamp::from(next.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn job(schedule: &str, zone: &str) -> Job {
        Job { schedule: schedule.to_owned(), zone: zone.to_owned(), line: 1 }
    }

    #[test]
    fn a_weekday_morning_in_berlin_follows_summer_time() {
        let mornings = job("0 8 * * 1-5", "Europe/Berlin");
        assert_eq!(next_after(&mornings, at("2026-10-23T06:00:00Z")), Some(at("2026-10-26T07:00:00Z")));
        assert_eq!(next_after(&mornings, at("2026-11-23T06:59:59Z")), Some(at("2026-11-23T07:00:00Z")));
        assert_eq!(next_after(&mornings, at("2026-11-23T07:00:00Z")), Some(at("2026-11-24T07:00:00Z")));
    }

    #[test]
    fn what_never_comes_is_never_due() {
        assert_eq!(next_after(&job("0 8 30 2 *", "UTC"), at("2026-01-01T00:00:00Z")), None);
        assert_eq!(next_after(&job("0 8 * * *", "Nowhere/Town"), at("2026-01-01T00:00:00Z")), None);
    }

    fn hourly(since: &str) -> LiveJob {
        let app = AppRef { id: model::AppId::new("a"), env: model::Env::Prod };
        LiveJob { of: JobRef { app, job: "hourly".to_owned() }, job: job("0 * * * *", "UTC"), since: at(since) }
    }

    #[test]
    fn a_job_is_due_once_for_each_time() {
        let timetable = Timetable::default();
        let live = || vec![hourly("2026-01-01T00:10:00Z")];
        assert!(!timetable.knows(&live()));
        timetable.learn(&live(), &HashMap::new(), at("2026-01-01T00:30:00Z"));
        assert!(timetable.knows(&live()));
        assert_eq!(timetable.due(live(), at("2026-01-01T00:30:00Z")), vec![]);
        let due = timetable.due(live(), at("2026-01-01T01:00:01Z"));
        assert_eq!(due, vec![(live()[0].of.clone(), at("2026-01-01T01:00:00Z"))]);
        assert_eq!(timetable.due(live(), at("2026-01-01T01:00:02Z")), vec![]);
    }

    #[test]
    fn what_was_missed_is_due_once_and_what_is_too_old_never() {
        let of = hourly("2026-01-01T00:10:00Z").of;
        for (since, last, now, first) in [
            (
                "2026-01-01T00:10:00Z",
                Some("2026-01-01T05:00:00Z"),
                "2026-01-01T09:30:00Z",
                Some("2026-01-01T06:00:00Z"),
            ),
            (
                "2026-01-01T08:10:00Z",
                Some("2026-01-01T05:00:00Z"),
                "2026-01-01T09:30:00Z",
                Some("2026-01-01T09:00:00Z"),
            ),
            ("2026-01-01T08:10:00Z", None, "2026-01-01T08:59:59Z", None),
            ("2026-01-01T08:10:00Z", None, "2026-01-09T09:30:00Z", Some("2026-01-08T10:00:00Z")),
            ("2026-01-01T08:10:00Z", Some("2026-01-01T09:00:00Z"), "2026-01-01T09:30:00Z", None),
        ] {
            let timetable = Timetable::default();
            let last: HashMap<JobRef, Timestamp> = last.into_iter().map(|last| (of.clone(), at(last))).collect();
            timetable.learn(&[hourly(since)], &last, at(now));
            let due: Vec<Timestamp> =
                timetable.due(vec![hourly(since)], at(now)).into_iter().map(|due| due.1).collect();
            assert_eq!(due, first.map(at).into_iter().collect::<Vec<_>>(), "{since} {last:?} {now}");
            assert_eq!(timetable.due(vec![hourly(since)], at(now)), vec![]);
        }
    }
}
