//! Warnings of what ends: 30, 7 and 1 days before, each to its owner first; when nobody has taken it on after a stated
//! time, to the next person up. Each warning is an event of its own, so that an auditor sees who was told when.
//!
//! Never twice for the same thing, threshold and person. Who chose a date within a threshold is not warned of it.

use super::{
    acts::{AckNotice, SeeNotice, WarnExpiry},
    endings::{Ending, Rung, Thing},
    sql,
};
use crate::{Error, Watch};
use authority::{AppRef, Caller, Permit, Role, Who};
use model::{AppId, EventId, Group, PersonId, Problem, ProblemKind, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use store::{Notice, Outcome, StoreError, params};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// Days before what an app left is deleted at which its people are told first, and last. It goes after both, and no grace
/// is shorter than the first.
pub const REMOVAL_FIRST_DAYS: u32 = 7;
pub(super) const REMOVAL_LAST_DAYS: u32 = 1;
/// Days before the end at which is warned, and how long whoever was warned has to take it on before the next person up
/// is asked. `docs/operators.md` states them.
const THRESHOLDS: [(u32, Duration); 3] = [
    (30, DAY.saturating_mul(7)),
    (REMOVAL_FIRST_DAYS, DAY.saturating_mul(2)),
    (REMOVAL_LAST_DAYS, HOUR.saturating_mul(6)),
];

/// What was warned of last.
#[derive(Debug, Clone, Copy)]
struct Before {
    days: i64,
    rung: Rung,
    warned_at: Timestamp,
    acked: bool,
}

/// A warning that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    days: u32,
    from: Rung,
}

/// Which warning is due now, if one is.
fn due(ending: &Ending, before: Option<Before>, now: Timestamp) -> Option<Due> {
    let left = ending.ends_at.since(now);
    let (days, patience) = THRESHOLDS.into_iter().rev().find(|(days, _)| left <= DAY * *days)?;
    match before {
        Some(before) if before.days <= i64::from(days) => {
            let waited = !before.acked && !now.is_within(patience, before.warned_at);
            let next = Rung::ALL.into_iter().find(|rung| *rung > before.rung)?;
            waited.then_some(Due { days: u32::try_from(before.days).unwrap_or(days), from: next })
        }
        Some(_) | None => {
            let known = ending.ends_at.minus(DAY * days) <= ending.since;
            (!known).then_some(Due { days, from: Rung::Owner })
        }
    }
}

/// A warning, as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct Warning {
    /// The event of the warning; its page and `notices ack` take it.
    pub event: EventId,
    pub thing: String,
    pub what: String,
    pub ends_at: Timestamp,
    pub days: i64,
    pub warned_at: Timestamp,
    /// Who was asked: its owner, its team, the operators.
    pub asked: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked_at: Option<Timestamp>,
}

impl Warning {
    /// What it is about; nothing for what this version does not know.
    #[must_use]
    pub fn about(&self) -> Option<Thing> {
        Thing::parse(&self.thing)
    }
}

impl Watch {
    /// Makes every warning that is due; how many.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub async fn warn_due(&self, caller: &Caller) -> Result<usize, Error> {
        let now = self.clock.now();
        let horizon = now.plus(DAY * THRESHOLDS.iter().map(|(days, _)| *days).max().unwrap_or_default());
        let mut warned = 0;
        for ending in self.endings(now, horizon).await? {
            let before = self.warned_before(&ending.thing.to_string(), ending.ends_at).await?;
            if let Some(due) = due(&ending, before, now) {
                warned += usize::from(self.warn(caller, &ending, due, now).await?);
            }
        }
        Ok(warned)
    }

    async fn warned_before(&self, thing: &str, ends_at: Timestamp) -> Result<Option<Before>, StoreError> {
        let row = self.store.read_one(sql::EXPIRY, params![&self.tenant, thing, ends_at]).await?;
        row.map(|row| {
            let acked = row.opt_time(4)?.is_some();
            Ok(Before { days: row.int(0)?, rung: Rung::of(row.int(1)?), warned_at: row.time(2)?, acked })
        })
        .transpose()
    }

    /// Warns the first rung on which there is somebody who was not told yet.
    async fn warn(&self, caller: &Caller, ending: &Ending, due: Due, now: Timestamp) -> Result<bool, Error> {
        let thing = ending.thing.to_string();
        let told = self.told_already(&thing, ending.ends_at, due.days).await?;
        let mut rungs = Rung::ALL.into_iter().filter(|rung| *rung >= due.from);
        let found = rungs.find_map(|rung| {
            let people: BTreeSet<PersonId> = self.on_rung(ending, rung).difference(&told).cloned().collect();
            (!people.is_empty()).then_some((rung, people))
        });
        // Nobody there is told all the same: the webhook is, and the page of notices has it.
        let (rung, people) = found.unwrap_or((Rung::Operators, BTreeSet::new()));
        let act = WarnExpiry { tenant: self.tenant.clone(), about: thing.clone() };
        let permit = self.permit(caller, act).await?;
        let made = async {
            let (_, mut tx) = self.store.write(permit).await?;
            let event = tx.event().clone();
            let row = params![&self.tenant, &thing, ending.ends_at, due.days, rung.number(), &event, now];
            if tx.execute(sql::WARN, row).await? == 0 {
                return Ok(false);
            }
            tx.execute(sql::FORGET_EARLIER, params![&self.tenant, &thing, ending.ends_at]).await?;
            let detail = json!({
                "thing": thing, "ends_at": ending.ends_at, "days": due.days, "rung": rung.number(), "told": people,
            });
            tx.commit(detail, None).await.map(|_| true)
        };
        match made.await {
            Ok(made) => Ok(made),
            // Authority moved meanwhile: the next look makes it.
            Err(StoreError::Moved { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Who was told of this thing and date at this threshold, on whatever rung.
    async fn told_already(&self, thing: &str, ends_at: Timestamp, days: u32) -> Result<BTreeSet<PersonId>, StoreError> {
        let since = ends_at.minus(DAY * (days + 1));
        let resource = format!("expiry/{thing}");
        let rows = self.store.read(sql::TOLD, params![&self.tenant, resource, since]).await?;
        let mut told = BTreeSet::new();
        for row in &rows {
            let detail: Value = serde_json::from_str(row.text(0)?).unwrap_or_default();
            if is_of(&detail, ends_at, days) {
                told.extend(people_in(&detail));
            }
        }
        Ok(told)
    }

    /// Warnings that nobody has taken on.
    pub(crate) async fn open_warnings(&self) -> Result<Vec<Warning>, StoreError> {
        let rows = self.store.read(sql::OPEN, params![&self.tenant, self.clock.now()]).await?;
        let removals = self.names.removals();
        // Somebody keeps it since.
        let kept = |app: &AppId| removals.iter().all(|removal| removal.app != *app);
        let is_over = |warning: &Warning| matches!(warning.about(), Some(Thing::Removal(app)) if kept(&app));
        let mut warnings = rows
            .iter()
            .map(|row| {
                let thing = row.text(0)?.to_owned();
                Ok(Warning {
                    what: Thing::parse(&thing).map_or_else(|| thing.clone(), |thing| self.named_thing(&thing)),
                    thing,
                    ends_at: row.time(1)?,
                    days: row.int(2)?,
                    asked: Rung::of(row.int(3)?).says(),
                    warned_at: row.time(4)?,
                    event: EventId::new(row.text(5)?),
                    acked_by: None,
                    acked_at: None,
                })
            })
            .collect::<Result<Vec<Warning>, StoreError>>()?;
        warnings.retain(|warning| !is_over(warning));
        Ok(warnings)
    }

    /// One warning, for those who were told of it or could be.
    ///
    /// # Errors
    /// None that the caller may see; one that is over.
    pub async fn see_warning(&self, permit: Permit<SeeNotice>) -> Result<Warning, Error> {
        let (caller, event) = (permit.caller().clone(), EventId::new(permit.act().about.as_str()));
        self.store.access(permit, Outcome::Allowed, Value::Null)?;
        self.warning(&caller, &event).await
    }

    async fn warning(&self, caller: &Caller, event: &EventId) -> Result<Warning, Error> {
        let row = self.store.read_one(sql::ONE, params![&self.tenant, event]).await?;
        let row = row.ok_or_else(|| unknown(event))?;
        let notice = Notice::read(&row, 0)?;
        let (thing, ends_at) = (super::words::text(&notice, "thing"), super::words::time(&notice, "ends_at"));
        // Whether there is such a warning is only for those whom it concerns.
        if !self.concerns(caller, &notice, thing).await? {
            return Err(unknown(event));
        }
        let row = self.store.read_one(sql::EXPIRY, params![&self.tenant, thing, ends_at]).await?;
        let row = row.ok_or_else(|| over(event))?;
        let acked_by = row.opt_text(3)?.map(str::to_owned);
        Ok(Warning {
            event: EventId::new(row.text(5)?),
            what: Thing::parse(thing).map_or_else(|| thing.to_owned(), |thing| self.named_thing(&thing)),
            thing: thing.to_owned(),
            ends_at,
            days: row.int(0)?,
            warned_at: row.time(2)?,
            asked: Rung::of(row.int(1)?).says(),
            acked_by: acked_by.map(|by| self.names.actor(&by).unwrap_or(by)),
            acked_at: row.opt_time(4)?,
        })
    }

    /// Whoever was told, answers for it, or is an operator; and this machine.
    async fn concerns(&self, caller: &Caller, notice: &Notice, thing: &str) -> Result<bool, StoreError> {
        let Some(person) = caller.person() else { return Ok(matches!(caller.who, Who::Machine { .. })) };
        if self.with_role(Role::Operator).contains(person) || people_in(&notice.detail).contains(person) {
            return Ok(true);
        }
        Ok(match Thing::parse(thing) {
            Some(Thing::App(AppRef { id, .. }) | Thing::Removal(id)) => {
                self.team_of(&id).is_some_and(|team| self.members(&team).contains(person))
            }
            Some(Thing::Secret { id, env }) => {
                let row = self.store.read_one(sql::SECRET_OWNER, params![&self.tenant, &id, env]).await?;
                let owner = row.map(|row| row.text(0).map(str::to_owned)).transpose()?.unwrap_or_default();
                let (owner, team) = self.who_keeps(&id, &owner);
                owner.as_ref() == Some(person) || team.is_some_and(|team| self.members(&team).contains(person))
            }
            Some(Thing::Role { person: theirs, .. }) => theirs == *person,
            Some(Thing::Waiver { app, code }) => {
                let row = self.store.read_one(sql::WAIVER_TEAM, params![&self.tenant, app, code]).await?;
                let team = row.map(|row| row.text(0).map(Group::new)).transpose()?;
                team.is_some_and(|team| self.members(&team).contains(person))
            }
            Some(Thing::Certificate(_)) | None => false,
        })
    }

    /// Takes a warning on: nobody else is asked at this threshold. Taking it on twice is no change.
    ///
    /// # Errors
    /// When it is not the caller's, is over, or cannot be written.
    pub async fn take_on(&self, permit: Permit<AckNotice>) -> Result<Warning, Error> {
        let caller = permit.caller().clone();
        // INVARIANT: only whom it concerns takes it on, wherever the act has the warning from.
        let warning = self.warning(&caller, &permit.act().warning.event).await?;
        if warning.acked_at.is_some() {
            return Ok(warning);
        }
        let by = caller.chain().join(" ");
        let (_, mut tx) = self.store.write(permit).await?;
        let row = params![&self.tenant, &warning.thing, warning.ends_at, by.as_str(), tx.now()];
        if tx.execute(sql::ACK, row).await? == 1 {
            let detail = json!({ "thing": warning.thing, "ends_at": warning.ends_at, "days": warning.days });
            let at = tx.now();
            tx.commit(detail, None).await?;
            return Ok(Warning { acked_by: Some(self.names.actor(&by).unwrap_or(by)), acked_at: Some(at), ..warning });
        }
        drop(tx);
        self.warning(&caller, &warning.event).await
    }
}

/// Whether it warned of this date, at this threshold.
pub(super) fn is_of(detail: &Value, ends_at: Timestamp, days: u32) -> bool {
    detail.get("days") == Some(&json!(days)) && detail.get("ends_at") == Some(&json!(ends_at))
}

/// Who a warning was for.
pub(super) fn people_in(detail: &Value) -> BTreeSet<PersonId> {
    let told = detail.get("told").and_then(Value::as_array);
    told.into_iter().flatten().filter_map(Value::as_str).map(PersonId::new).collect()
}

pub(super) fn unknown(event: impl std::fmt::Display) -> Error {
    let what = format!("there is no warning `{event}` for you");
    let why = "it is about something that others answer for, or there never was one";
    Error::Refused(Problem::new(
        ProblemKind::NotFound,
        "notice.unknown",
        what,
        why,
        "open the link in the mail that warned you; operators and auditors see all with `bailiwick notices list`",
    ))
}

fn over(event: &EventId) -> Error {
    let what = format!("the warning `{event}` is over");
    let why = "what it is about has another date since, or is gone";
    Error::Refused(Problem::new(ProblemKind::Gone, "notice.over", what, why, "there is nothing to do"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(days: u64, since_days_ago: u64) -> Ending {
        Ending {
            thing: Thing::Certificate("x".to_owned()),
            ends_at: start().plus(DAY * u32::try_from(days).unwrap()),
            since: start().minus(DAY * u32::try_from(since_days_ago).unwrap()),
            owner: None,
            team: None,
        }
    }

    fn start() -> Timestamp {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    fn before(days: i64, rung: Rung, ago: Duration, acked: bool) -> Option<Before> {
        Some(Before { days, rung, warned_at: start().minus(ago), acked })
    }

    #[test]
    fn each_threshold_once_and_the_next_person_after_a_time() {
        let due_at = |days, before| due(&ending(days, 60), before, start());
        assert_eq!(due_at(31, None), None);
        for (days, told) in [(30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0, 1)] {
            assert_eq!(due_at(days, None), Some(Due { days: told, from: Rung::Owner }), "{days}");
        }
        assert_eq!(due_at(29, before(30, Rung::Owner, DAY * 6, false)), None, "there is time");
        assert_eq!(due_at(23, before(30, Rung::Owner, DAY * 7, false)), Some(Due { days: 30, from: Rung::Team }));
        assert_eq!(due_at(16, before(30, Rung::Team, DAY * 7, false)), Some(Due { days: 30, from: Rung::Operators }));
        assert_eq!(due_at(9, before(30, Rung::Operators, DAY * 7, false)), None, "there is nobody above");
        assert_eq!(due_at(23, before(30, Rung::Owner, DAY * 7, true)), None, "it was taken on");
        assert_eq!(due_at(7, before(30, Rung::Operators, DAY, true)), Some(Due { days: 7, from: Rung::Owner }), "anew");
        assert_eq!(due_at(1, before(1, Rung::Owner, HOUR * 6, false)), Some(Due { days: 1, from: Rung::Team }));
    }

    #[test]
    fn whoever_chose_a_near_date_knows_it() {
        assert_eq!(due(&ending(20, 0), None, start()), None, "20 days were chosen today");
        assert_eq!(due(&ending(7, 13), None, start()), Some(Due { days: 7, from: Rung::Owner }));
        assert_eq!(due(&ending(30, 0), None, start()), None, "exactly 30 days");
        assert_eq!(due(&ending(30, 1), None, start()), Some(Due { days: 30, from: Rung::Owner }));
    }
}
