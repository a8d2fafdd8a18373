//! What an app left is deleted at the end of its grace: on which day, and whether that has come.
//!
//! Refuses to let anything go of which nobody was warned a week and a day before, whatever kept it from being warned of in
//! time: a server that was down, a grace that was made shorter, a clock that was set ahead, a mail server that took nothing.
//! The day is later then. While there is no way to tell anybody, nothing goes.

use super::{
    endings::{Ending, Thing},
    sql,
    warn::{REMOVAL_FIRST_DAYS, REMOVAL_LAST_DAYS, is_of},
};
use crate::{Error, Removal, Watch};
use model::{AppId, PersonId, Timestamp};
use serde_json::Value;
use std::time::Duration;
use store::{StoreError, params};

const DAY: Duration = Duration::from_secs(86_400);
/// How long before the day people are warned first, and last.
const FIRST: Duration = DAY.saturating_mul(REMOVAL_FIRST_DAYS);
const LAST: Duration = DAY.saturating_mul(REMOVAL_LAST_DAYS);
/// Whoever hears of it later than this before the day can hardly act.
const HEARD: Duration = Duration::from_secs(6 * 3_600);
/// A warning that is late by less moves no day; nor does an end that is.
const LATE: Duration = Duration::from_secs(3_600);

/// The day on which something is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    at: Timestamp,
    /// Its people were told that it is the next one.
    told: bool,
}

/// From the end of the grace, and the day and threshold that people were told of last.
fn day(at: Timestamp, told: Option<(Timestamp, i64)>, now: Timestamp) -> Day {
    let ahead =
        |day: Timestamp, by: Duration| if now.plus(by.saturating_sub(LATE)) <= day { day } else { now.plus(by) };
    // An earlier day was that of a grace that is over: somebody has kept it since, or it became longer.
    match told.filter(|(day, _)| *day >= at) {
        None => Day { at: ahead(at, FIRST), told: false },
        Some((day, days)) if days > i64::from(REMOVAL_LAST_DAYS) => Day { at: ahead(day, LAST), told: false },
        // Nobody could act on it while no server ran, nobody heard of it in time, or the clock was set ahead: told anew.
        Some((day, _)) if now > day.plus(LATE) => Day { at: ahead(day, LAST), told: false },
        Some((day, _)) => Day { at: day, told: true },
    }
}

impl Watch {
    /// Apps that may be removed now: somebody heard of their day.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ripe(&self) -> Result<Vec<AppId>, Error> {
        let mut ripe = Vec::new();
        if !self.channels.are_there() {
            return Ok(ripe);
        }
        let now = self.clock.now();
        for removal in self.names.removals().into_iter().filter(|removal| removal.at <= now) {
            let day = self.day_of(&removal, now).await?;
            if day.told && day.at <= now && self.is_heard(&removal.app, day.at).await? {
                ripe.push(removal.app);
            }
        }
        Ok(ripe)
    }

    pub(super) async fn removals_ending(&self, now: Timestamp, until: Timestamp) -> Result<Vec<Ending>, StoreError> {
        let mut found = Vec::new();
        // Of what does not go, nobody is warned.
        if !self.channels.are_there() {
            return Ok(found);
        }
        for removal in self.names.removals().into_iter().filter(|removal| removal.at <= now.plus(FIRST)) {
            let ends_at = self.day_of(&removal, now).await?.at;
            if ends_at <= now || ends_at > until {
                continue;
            }
            let row = self.store.read_one(sql::DEPLOYER, params![&self.tenant, &removal.app]).await?;
            let owner = row.map(|row| row.opt_text(0).map(|id| id.map(PersonId::new))).transpose()?.flatten();
            let team = self.team_of(&removal.app);
            // Nobody chose the day: everybody is warned of it.
            let since = Timestamp::from_ms(0);
            found.push(Ending { thing: Thing::Removal(removal.app), ends_at, since, owner, team });
        }
        Ok(found)
    }

    /// Whether a warning of the last day reached anybody who could still act.
    async fn is_heard(&self, app: &AppId, day: Timestamp) -> Result<bool, StoreError> {
        let resource = format!("expiry/{}", Thing::Removal(app.clone()));
        let since = day.minus(LAST * 2);
        let rows = self.store.read(sql::REACHED, params![&self.tenant, resource, since, day.minus(HEARD)]).await?;
        for row in &rows {
            let detail: Value = serde_json::from_str(row.text(0)?).unwrap_or_default();
            if is_of(&detail, day, REMOVAL_LAST_DAYS) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn day_of(&self, removal: &Removal, now: Timestamp) -> Result<Day, StoreError> {
        let thing = Thing::Removal(removal.app.clone()).to_string();
        let row = self.store.read_one(sql::TOLD_LAST, params![&self.tenant, thing]).await?;
        let told = row.map(|row| Ok::<_, StoreError>((row.time(0)?, row.int(1)?))).transpose()?;
        Ok(day(removal.at, told, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: u32) -> Timestamp {
        "2026-11-28T12:00:00Z".parse::<Timestamp>().unwrap().plus(DAY * days)
    }

    #[test]
    fn nothing_goes_of_which_nobody_was_warned() {
        let later = |days, told| Day { at: at(days), told };
        // As it should be: a week before, a day before, and then.
        assert_eq!(day(at(30), None, at(23)), later(30, false));
        assert_eq!(day(at(30), None, at(23).plus(LATE / 2)), later(30, false), "a little late moves no day");
        assert_eq!(day(at(30), Some((at(30), 7)), at(29)), later(30, false));
        assert_eq!(day(at(30), Some((at(30), 1)), at(29)), later(30, true));
        assert_eq!(day(at(30), Some((at(30), 1)), at(30).plus(LATE)), later(30, true), "a little late is in time");
        // Told in time, and then nobody saw the day come.
        assert_eq!(day(at(30), Some((at(30), 1)), at(31)), later(32, false));
        assert_eq!(day(at(30), Some((at(30), 1)), at(60)), later(61, false));
        // The first warning was missed: a week from now. The last one was: a day from now.
        assert_eq!(day(at(30), None, at(40)), later(47, false));
        assert_eq!(day(at(30), Some((at(47), 7)), at(41)), later(47, false));
        assert_eq!(day(at(30), Some((at(47), 7)), at(60)), later(61, false));
        assert_eq!(day(at(30), Some((at(61), 1)), at(61)), later(61, true));
        // A grace that was made shorter takes back no day that was told; one that begins anew is told of anew.
        assert_eq!(day(at(10), Some((at(30), 7)), at(24)), later(30, false));
        assert_eq!(day(at(90), Some((at(30), 1)), at(83)), later(90, false));
    }
}
