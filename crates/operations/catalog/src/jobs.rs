//! When the jobs of apps are due: five-field cron in the job's own time zone, from now on; nothing is made up for.

pub(crate) mod sql;

use crate::Catalog;
use authority::AppRef;
use croner::Cron;
use model::{Timestamp, manifest::Job};
use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

/// When each job runs next, by app and name.
#[derive(Debug, Default)]
pub(crate) struct Timetable {
    next: Mutex<HashMap<(AppRef, String), Entry>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    job: Job,
    at: Option<Timestamp>,
}

impl Timetable {
    /// Brings the table up to what is live, and takes out what is due at `now`.
    fn due(&self, live: Vec<(AppRef, String, Job)>, now: Timestamp) -> Vec<(AppRef, String, Timestamp)> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = HashMap::new();
        let mut due = Vec::new();
        for (app, name, job) in live {
            let key = (app, name);
            let entry = match next.remove(&key) {
                Some(entry) if entry.job == job => entry,
                _ => Entry { at: next_after(&job, now), job },
            };
            let entry = match entry.at {
                Some(at) if at <= now => {
                    due.push((key.0.clone(), key.1.clone(), at));
                    Entry { at: next_after(&entry.job, now), ..entry }
                }
                _ => entry,
            };
            kept.insert(key, entry);
        }
        *next = kept;
        due
    }
}

impl Catalog {
    pub(crate) fn due_jobs(&self, timetable: &Timetable, now: Timestamp) -> Vec<(AppRef, String, Timestamp)> {
        let apps = self.apps.all();
        let mut live = Vec::new();
        for app in self.serving() {
            let record = apps.get(&app.id).and_then(|record| record.envs.get(&app.env));
            let Some(release) = record.and_then(|record| record.live.as_ref()) else { continue };
            for (name, job) in &release.manifest.jobs {
                live.push((app.clone(), name.clone(), job.clone()));
            }
        }
        timetable.due(live, now)
    }
}

/// The first moment after `now`; none for a schedule that never comes, or a zone that is not known.
fn next_after(job: &Job, now: Timestamp) -> Option<Timestamp> {
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

    #[test]
    fn a_job_is_due_once_for_each_time() {
        let timetable = Timetable::default();
        let app = AppRef { id: model::AppId::new("a"), env: model::Env::Prod };
        let live = || vec![(app.clone(), "hourly".to_owned(), job("0 * * * *", "UTC"))];
        assert_eq!(timetable.due(live(), at("2026-01-01T00:30:00Z")), vec![]);
        let due = timetable.due(live(), at("2026-01-01T01:00:01Z"));
        assert_eq!(due, vec![(app.clone(), "hourly".to_owned(), at("2026-01-01T01:00:00Z"))]);
        assert_eq!(timetable.due(live(), at("2026-01-01T01:00:02Z")), vec![]);
    }
}
