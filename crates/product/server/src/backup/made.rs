//! Backups that the server makes into its depot (`[backup] to`): by its schedule, or when an operator says so. Each begins
//! and ends with an event, whatever became of it; then what is no longer to be kept is deleted.
//!
//! Refuses to leave half of one: nothing stands under a name before all of it does. What cannot be deleted makes no backup
//! fail that is there.

use super::{CONFIGURATION, CreateBackup, DATA, ENDING, config_archive, keep, stream};
use crate::{Bailiwick, config::BackupPlan};
use authority::{Act, Caller, Rule, Target, rules};
use model::{EventId, Problem, ProblemKind, TenantId, Timestamp, manifest::Job};
use seal::Recipient;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use store::{Depot, DepotError, Event, EventFilter, Outcome};
use tokio_util::io::StreamReader;
use utoipa::ToSchema;

/// After a failure, long before the next by schedule. Each further one in a row doubles it, so often at most: some five
/// hours.
const AGAIN_AFTER: Duration = Duration::from_secs(600);
const DOUBLED_MAX: u32 = 5;
/// No backup takes as long: what was begun before was left by a process that was killed.
const BEGUN_WITHIN: Duration = Duration::from_secs(86_400);
/// Names that are told, of each kind: of those from the future, and of those that could not be deleted.
const SHOWN: usize = 10;
/// So many that ended are looked at for the last one of the data.
const LOOKED_AT: u32 = 32;
/// The job that makes them.
pub(crate) const JOB: &str = "backup";

/// What goes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Parts {
    #[default]
    Both,
    Config,
    Data,
}

/// What was made.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    to: String,
    file: Option<String>,
    bytes: u64,
    configuration: Option<String>,
    #[serde(flatten)]
    thinned: Thinned,
    ms: u64,
}

/// What became of those that were there before.
#[derive(Debug, Default, Serialize)]
struct Thinned {
    deleted: Vec<String>,
    /// No longer to be kept, and still there: the next backup tries it again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undeleted: Vec<String>,
    /// Why, as the code of a problem; or why it is not known what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Names of days that are still to come, which nothing here has made: neither counted nor deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ahead: Vec<String>,
}

impl Thinned {
    /// The first reason is told: it is most likely that of the others, too.
    fn failed(&mut self, error: &DepotError) {
        if self.code.is_none() {
            let what = "backups that are no longer to be kept cannot be deleted";
            tracing::warn!(error = error as &dyn std::error::Error, "{what}");
            self.code = Some(error.problem().code);
        }
    }
}

/// Record how a backup ended.
#[derive(Debug, Clone)]
struct BackupDone {
    tenant: TenantId,
}

impl Act for BackupDone {
    const RULE: &'static Rule = &rules::BACKUP_DONE;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "platform")
    }
}

/// `20261128T023800Z`: sorts by time, and stands in a name anywhere.
pub fn stamp(now: Timestamp) -> String {
    now.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Whether it was to hold the data: one of the configuration alone is not what the schedule is for.
fn is_of_data(done: &Event) -> bool {
    let Ok(body) = done.json() else { return false };
    let said = |name: &str| body.get("detail").and_then(|detail| detail.get(name));
    if done.outcome == "failed" {
        return said("parts") != Some(&json!(Parts::Config));
    }
    said("file").is_some_and(|file| !file.is_null())
}

/// How long after the last of so many failures in a row it is tried again.
fn again_after(failures: usize) -> Duration {
    let doubled = u32::try_from(failures.saturating_sub(1)).map_or(DOUBLED_MAX, |more| more.min(DOUBLED_MAX));
    AGAIN_AFTER.saturating_mul(1 << doubled)
}

/// When the next one is due, after one that ended: by schedule, or sooner after failures.
fn due(schedule: &Job, last: Timestamp, failures: usize) -> Option<Timestamp> {
    let again = (failures > 0).then(|| last.plus(again_after(failures)));
    catalog::next_time(schedule, last).into_iter().chain(again).min()
}

/// Deletes files of backups that nobody finishes any more: they are in no list, and `keep` does not see them.
fn sweep(depot: &Depot, now: Timestamp) -> Result<(), DepotError> {
    let before = keep::in_utc(now.minus(BEGUN_WITHIN));
    for unfinished in depot.unfinished()? {
        let begun = [DATA, CONFIGURATION].iter().find_map(|kind| keep::made_at(&unfinished.name, kind));
        if begun.is_some_and(|begun| begun < before) {
            // It takes room, and is in nobody's way: no backup fails for it.
            if let Err(error) = depot.discard(&unfinished) {
                let what = "what a backup left unfinished cannot be deleted";
                tracing::warn!(error = &error as &dyn std::error::Error, file = unfinished.name, depot = %depot, "{what}");
            }
        }
    }
    Ok(())
}

/// Deletes what is no longer to be kept, but never what was just made: that is whole and there, whatever becomes of this.
async fn thin(plan: &BackupPlan, depot: &Depot, made: &[&str], now: Timestamp) -> Thinned {
    let mut thinned = Thinned::default();
    let there = match depot.list().await {
        Ok(there) => there,
        Err(error) => {
            thinned.failed(&error);
            return thinned;
        }
    };
    let names: Vec<&str> = there.iter().map(|one| one.name.as_str()).collect();
    for kind in [DATA, CONFIGURATION] {
        let mut undeleted = Vec::new();
        for name in plan.keep.surplus(&names, kind, now).into_iter().filter(|name| !made.contains(name)) {
            match depot.delete(name).await {
                Ok(()) => thinned.deleted.push(name.to_owned()),
                Err(error) => {
                    thinned.failed(&error);
                    undeleted.push(name.to_owned());
                }
            }
        }
        thinned.undeleted.extend(undeleted.into_iter().take(SHOWN));
        thinned.ahead.extend(keep::ahead(&names, kind, now).into_iter().take(SHOWN).map(str::to_owned));
    }
    if !thinned.ahead.is_empty() {
        tracing::warn!(depot = %depot, ahead = ?thinned.ahead, "backups are named after days to come: look who writes there");
    }
    thinned
}

fn unplanned() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "backup.unplanned",
        "the server does not know where backups go",
        "`[backup]` of the configuration says where to and for whom",
        "write `[backup]` with `to` and `recipient`, or make one into a folder with `--to DIR --recipient age1…`",
    )
}

impl Bailiwick {
    pub(crate) fn backup_depot(&self) -> Result<(&BackupPlan, Depot), Problem> {
        let plan = self.config.backup.as_ref().ok_or_else(unplanned)?;
        Ok((plan, Depot::open(&plan.to).map_err(|error| error.problem())?))
    }

    /// Makes one, with an event at its beginning and one at its end.
    pub(crate) async fn back_up(self: &Arc<Self>, caller: &Caller, parts: Parts) -> Result<(Made, EventId), Problem> {
        let say = |error: catalog::Error| Problem::from(&error);
        let act = CreateBackup { tenant: self.tenant.clone() };
        // What may be done changes just when the first one is due: the first operator is added.
        let begin = self.store.again(|| async {
            let permit = self.permit(caller, act.clone()).await?;
            let (plan, depot) = self.backup_depot()?;
            let detail = json!({ "to": depot.to_string(), "parts": parts, "recipient": plan.recipient.to_string() });
            self.store.record(permit, Outcome::Allowed, detail).await?;
            Ok::<_, catalog::Error>((plan, depot))
        });
        let (plan, depot) = begin.await.map_err(say)?;
        let begun = self.clock.now();
        // Whatever becomes of it, there is an event at its end: the next one goes by that.
        let made = crate::jobs::survived(JOB, self.make(plan, &depot, parts, begun)).await;
        let (outcome, detail) = match &made {
            Ok(made) => (Outcome::Allowed, json!(made)),
            Err(problem) => (Outcome::Failed, json!({ "to": depot.to_string(), "parts": parts, "code": problem.code })),
        };
        let (system, done) = (Caller::system(JOB), BackupDone { tenant: self.tenant.clone() });
        let end = self.store.again(|| async {
            let permit = self.permit(&system, done.clone()).await?;
            Ok::<_, catalog::Error>(self.store.record(permit, outcome, detail.clone()).await?.event)
        });
        let event = end.await.map_err(say)?;
        made.map(|made| (made, event))
    }

    /// Configuration and policies of this machine, as a backup.
    pub(crate) fn packed_configuration(&self, recipient: &Recipient) -> Result<Vec<u8>, Problem> {
        config_archive(&self.folder, &self.config_file, recipient, &self.maker, Vec::new())
    }

    async fn make(&self, plan: &BackupPlan, depot: &Depot, parts: Parts, at: Timestamp) -> Result<Made, Problem> {
        let say = |error: DepotError| {
            tracing::error!(error = &error as &dyn std::error::Error, "a backup was not made");
            error.problem()
        };
        sweep(depot, at).map_err(say)?;
        let stamp = stamp(at);
        let (mut file, mut bytes, mut configuration) = (None, 0, None);
        if parts != Parts::Data {
            let name = format!("{CONFIGURATION}{stamp}{ENDING}");
            let packed = self.packed_configuration(&plan.recipient)?;
            depot.put(&name, packed).await.map_err(say)?;
            configuration = Some(name);
        }
        if parts != Parts::Config {
            let name = format!("{DATA}{stamp}{ENDING}");
            let pieces = stream(self, plan.recipient.clone()).await?;
            bytes = depot.put_from(&name, StreamReader::new(pieces)).await.map_err(say)?;
            file = Some(name);
        }
        let made: Vec<&str> = [&file, &configuration].into_iter().flatten().map(String::as_str).collect();
        let thinned = thin(plan, depot, &made, self.clock.now()).await;
        let ms = u64::try_from(self.clock.now().since(at).as_millis()).unwrap_or(u64::MAX);
        Ok(Made { to: depot.to_string(), file, bytes, configuration, thinned, ms })
    }

    /// Makes one if one is due by schedule. What was missed while no server ran is made up for, once.
    pub(crate) async fn back_up_when_due(self: &Arc<Self>) -> Result<(), Problem> {
        let Some(schedule) = self.config.backup.as_ref().and_then(|plan| plan.schedule.as_ref()) else {
            return Ok(());
        };
        let now = self.clock.now();
        let action = Some(rules::BACKUP_DONE.name.to_owned());
        let filter = EventFilter { action, limit: Some(LOOKED_AT), ..EventFilter::default() };
        let done = self.store.events(&self.tenant, &filter).await.map_err(|error| error.problem())?;
        let of_data = || done.iter().filter(|done| is_of_data(done));
        let failures = of_data().take_while(|done| done.outcome == "failed").count();
        let due = match of_data().next() {
            Some(last) => due(schedule, last.at, failures),
            // Never yet, or long ago: at once, so that one is there, and whoever planned it sees that it works.
            None => Some(now),
        };
        if due.is_none_or(|due| due > now) {
            return Ok(());
        }
        self.back_up(&Caller::system(JOB), Parts::Both).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::DepotPlace;

    #[test]
    fn each_failure_in_a_row_is_waited_for_longer_up_to_some_hours() {
        let minutes = |failures| again_after(failures).as_secs() / 60;
        assert_eq!([1, 2, 3, 6, 32].map(minutes), [10, 20, 40, 320, 320]);
    }

    #[test]
    fn no_failure_puts_the_next_by_schedule_off() {
        let hourly = Job { schedule: "0 * * * *".to_owned(), zone: "UTC".to_owned(), line: 0 };
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let due = |failures| due(&hourly, "2026-11-23T12:05:00Z".parse().unwrap(), failures);
        assert_eq!(due(0), at("2026-11-23T13:00:00Z"));
        assert_eq!(due(1), at("2026-11-23T12:15:00Z"));
        assert_eq!(due(6), at("2026-11-23T13:00:00Z"));
    }

    #[test]
    fn what_a_killed_process_left_is_deleted_once_nobody_can_be_at_it() {
        let folder = tempfile::tempdir().unwrap();
        let depot = Depot::open(&DepotPlace::Folder(folder.path().to_owned())).unwrap();
        let stay = ["bailiwick-20261123T110000Z.backup#1", "bailiwick-20261121T110000Z.backup", "notes#1"];
        for name in
            stay.iter().chain(&["bailiwick-20261121T110000Z.backup#1", "configuration-20261122T110000Z.backup#7"])
        {
            std::fs::write(folder.path().join(name), "half").unwrap();
        }
        // One that cannot be deleted holds up none.
        std::fs::create_dir(folder.path().join("bailiwick-20261120T110000Z.backup#3")).unwrap();
        sweep(&depot, "2026-11-23T12:00:00Z".parse().unwrap()).unwrap();
        std::fs::remove_dir(folder.path().join("bailiwick-20261120T110000Z.backup#3")).unwrap();
        let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<String> = left.map(|name| name.into_string().unwrap()).collect();
        left.sort_unstable();
        let mut stay = stay.map(str::to_owned);
        stay.sort_unstable();
        assert_eq!(left, stay);
    }
}
