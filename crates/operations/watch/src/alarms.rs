//! Alarms: what operators must know at once. Each node looks at itself, and at the log, every few seconds.
//!
//! An alarm is an event, and is told as one; while the record cannot be written, or is in doubt, it is sent from memory,
//! without waiting for a row. A second copy within an hour is counted, not sent.

mod known;

pub(super) use known::said;

use super::{
    acts::RaiseAlarm,
    channels::{Channel, Failed},
    sql,
    words::People,
};
use crate::{Error, Part, Parts, Watch};
use authority::{Caller, Role};
use futures_util::future::join_all;
use known::{LOG, Of, SEQUENCER, alarm};
use ledger::EventProof;
use model::{EventId, Timestamp};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use store::{FreeWrite, Notice, NoticeKind, Record, Table, params};

const JOB: &str = "alarms";
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// A second copy of an alarm within this is counted, not sent.
const QUIET_FOR: Duration = Duration::from_secs(3_600);
/// Each event has its place in the log within a second.
const SEQUENCED_WITHIN: Duration = Duration::from_secs(30);
/// Entries that are proved at each sample, besides the newest.
const SAMPLES: usize = 8;
/// Looks between two samples of the log.
const SAMPLE_EVERY: u64 = 20;
const COUNT_COPY: FreeWrite = FreeWrite::new(Table::Alarms, sql::COUNT_COPY);

/// What is wrong now, on this node.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<BTreeMap<&'static str, Ill>>);

#[derive(Debug, Clone, Copy, Default)]
struct Ill {
    looks: u32,
    told_at: Option<Timestamp>,
    /// It was well since it was told last.
    new: bool,
    well: bool,
    /// The record did not take it when it was offered last.
    unrecorded: bool,
}

impl Alarms {
    /// Takes what was seen; gives what is to be told of: new since the last look, or wrong for another hour.
    fn seen(&self, ill: &BTreeSet<&'static str>, now: Timestamp) -> Vec<&'static str> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, known) in all.iter_mut().filter(|(name, _)| !ill.contains(*name)) {
            known.looks = 0;
            known.well = true;
        }
        let mut tell = Vec::new();
        for name in ill {
            let known = all.entry(name).or_default();
            known.looks = known.looks.saturating_add(1);
            if known.looks < alarm(name).looks {
                continue;
            }
            known.new |= std::mem::take(&mut known.well) || known.told_at.is_none();
            let again = known.told_at.is_none_or(|told| !now.is_within(QUIET_FOR, told));
            if known.new || again {
                tell.push(*name);
            }
        }
        tell
    }

    /// Whether the record stopped taking it only now.
    fn fails_now(&self, name: &'static str, raised: &Result<Raised, Error>) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(name).or_default();
        let before = std::mem::replace(&mut known.unrecorded, raised.is_err());
        known.unrecorded && !before
    }

    fn told(&self, name: &'static str, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(name).or_default();
        known.new = false;
        known.told_at = Some(now);
    }

    /// When it was told, from memory alone.
    fn quiet(&self, name: &'static str, now: Timestamp) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).and_then(|known| known.told_at).is_some_and(|told| now.is_within(QUIET_FOR, told))
    }

    /// It was told before, by this node or by whoever wrote the row: the hour begins anew where memory knows of none.
    fn counted(&self, name: &'static str, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(name).or_default();
        known.new = false;
        // A moment that lies ahead is of a clock that was set back since.
        if known.told_at.is_none_or(|told| told > now) {
            known.told_at = Some(now);
        }
    }
}

/// Looks until the server is gone.
pub async fn watch_for_alarms<P: Parts>(watch: Weak<Watch>, parts: Weak<P>) {
    let caller = Caller::system(JOB);
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut look = 0_u64;
    let mut broken = false;
    loop {
        every.tick().await;
        let (Some(watch), Some(parts)) = (watch.upgrade(), parts.upgrade()) else { return };
        if look.is_multiple_of(SAMPLE_EVERY) {
            broken = watch.log_is_broken().await;
        }
        look += 1;
        watch.look_for_alarms(&caller, &*parts, broken).await;
        parts.looked(JOB);
    }
}

impl Watch {
    async fn look_for_alarms(&self, caller: &Caller, parts: &impl Parts, broken: bool) {
        let mut ill: BTreeSet<&'static str> = parts.ill().await.into_iter().map(Part::name).collect();
        if broken {
            ill.insert(LOG);
        }
        if self.sequencer_lags().await {
            ill.insert(SEQUENCER);
        }
        let now = self.clock.now();
        for name in self.alarms.seen(&ill, now) {
            match self.raised(caller, parts, name, now).await {
                Some(Raised::Told) => self.alarms.told(name, now),
                Some(Raised::Counted) => self.alarms.counted(name, now),
                // From memory: at most once an hour, as often as the node was not started anew.
                None if self.alarms.quiet(name, now) => self.alarms.counted(name, now),
                None if self.tell_operators(name).await => self.alarms.told(name, now),
                None => {}
            }
        }
    }

    /// `None`: the record does not take it.
    async fn raised(&self, caller: &Caller, parts: &impl Parts, name: &'static str, now: Timestamp) -> Option<Raised> {
        if parts.is_recovering() {
            return None;
        }
        let raised = self.raise(caller, name, now).await;
        // Said once: it is offered again every few seconds.
        if self.alarms.fails_now(name, &raised)
            && let Err(error) = &raised
        {
            tracing::warn!(alarm = name, %error, "an alarm is not on the record");
        }
        raised.ok()
    }

    /// As an event, which tells by itself.
    async fn raise(&self, caller: &Caller, name: &'static str, now: Timestamp) -> Result<Raised, Error> {
        let node = match alarm(name).of {
            Of::Node => self.store.node(),
            Of::Platform => "",
        };
        let key = if node.is_empty() { name.to_owned() } else { format!("{name}@{node}") };
        let before = self.store.read_one(sql::ALARM, params![&self.tenant, &key]).await?;
        let (told_at, copies) = match before {
            Some(row) => (Some(row.time(0)?), row.uint(1)?),
            None => (None, 0),
        };
        if told_at.is_some_and(|told| now.is_within(QUIET_FOR, told)) {
            self.store.housekeeping().execute(COUNT_COPY, params![&self.tenant, &key]).await?;
            return Ok(Raised::Counted);
        }
        let act = RaiseAlarm { tenant: self.tenant.clone(), about: key.clone() };
        let permit = self.permit(caller, act).await?;
        let (_, mut tx) = self.store.write(permit).await?;
        let row = params![&self.tenant, &key, now, now.minus(QUIET_FOR), now.plus(QUIET_FOR)];
        if tx.execute(sql::TELL_ALARM, row).await? == 0 {
            return Ok(Raised::Counted);
        }
        tx.commit(json!({ "alarm": name, "node": node, "copies": copies }), None).await?;
        Ok(Raised::Told)
    }

    /// Without a row, to whoever memory knows: the record cannot take it. Whether anybody was reached.
    async fn tell_operators(&self, name: &'static str) -> bool {
        let notice = Notice {
            event: EventId::generate(),
            kind: NoticeKind::Alarm,
            action: "alarm.raise".to_owned(),
            app: None,
            env: None,
            resource: format!("alarm/{name}@{}", self.store.node()),
            by: None,
            exception: None,
            detail: json!({ "alarm": name, "node": self.store.node(), "copies": 0 }),
            at: self.clock.now(),
        };
        let words = self.words(&notice, People::ById);
        let id = format!("{}.alarm", notice.event);
        let mut reached = false;
        if let Some(mail) = &self.channels.mail {
            let operators = self.with_role(Role::Operator);
            let people = operators.iter().filter_map(|id| self.identity.person(id));
            let sent = people.map(|person| {
                let (id, words) = (format!("{id}.{}", person.id), &words);
                async move { mail.send(&person.email, &id, words).await }
            });
            let sent: Vec<Result<(), Failed>> = join_all(sent).await;
            for sent in sent {
                reached |= took(name, Channel::Mail, sent);
            }
        }
        if let Some(webhook) = &self.channels.webhook {
            let sent = webhook.send(&id, self.clock.now(), &words.json(&notice)).await;
            reached |= took(name, Channel::Webhook, sent);
        }
        reached
    }

    async fn sequencer_lags(&self) -> bool {
        let oldest = self.store.read_one(sql::UNSEQUENCED, params![&self.tenant]).await.ok().flatten();
        let oldest = oldest.and_then(|row| row.time(0).ok());
        oldest.is_some_and(|oldest| !self.clock.now().is_within(SEQUENCED_WITHIN, oldest))
    }

    /// Proves the newest entry and some at random: an event that was changed is found sooner or later, without reading a
    /// million. What cannot be read now says nothing.
    async fn log_is_broken(&self) -> bool {
        let Ok(Some(head)) = self.store.checkpoint(&self.tenant).await else { return false };
        let Ok(key) = self.store.log_verifier(&self.tenant) else { return false };
        let size = head.checkpoint().size();
        if size == 0 {
            return false;
        }
        let random = (0..SAMPLES).map(|_| u64::from_le_bytes(seal::random_bytes()) % size);
        for index in std::iter::once(size - 1).chain(random) {
            let Ok(found) = self.store.events_by_index(&self.tenant, index, index + 1).await else { continue };
            let Some(event) = found.into_iter().next() else { return true };
            let record = Record::new(Arc::clone(&self.store), self.tenant.clone());
            let (key, head) = (key.clone(), head.clone());
            let proof = move || EventProof::new(&key, &head, index, &event.into(), &record);
            let broken = match tokio::task::spawn_blocking(proof).await {
                Ok(Err(
                    ledger::Error::ProofFails
                    | ledger::Error::Entry { .. }
                    | ledger::Error::TilesDiffer { .. }
                    | ledger::Error::TileMissing { .. }
                    | ledger::Error::TileMalformed { .. },
                )) => true,
                Ok(Ok(_) | Err(_)) | Err(_) => false,
            };
            if broken {
                return true;
            }
        }
        false
    }
}

/// Whether somebody was told; if not, the log of the server is what is left.
fn took(alarm: &str, channel: Channel, sent: Result<(), Failed>) -> bool {
    match sent {
        Ok(()) => true,
        Err(Failed { why, .. }) => {
            tracing::warn!(alarm, channel = channel.as_str(), why, "an alarm was not taken");
            false
        }
    }
}

/// What became of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raised {
    Told,
    /// It was told within the hour.
    Counted,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Timestamp {
        "2026-11-28T12:00:00Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(minutes * 60))
    }

    #[test]
    fn it_is_told_when_it_stays_and_again_each_hour() {
        let (alarms, ill, well) = (Alarms::default(), BTreeSet::from(["record"]), BTreeSet::new());
        assert_eq!(alarms.seen(&ill, at(0)), [""; 0]);
        assert_eq!(alarms.seen(&well, at(0)), [""; 0], "a moment is no alarm");
        assert_eq!(alarms.seen(&ill, at(1)), [""; 0]);
        assert_eq!(alarms.seen(&ill, at(1)), [""; 0]);
        assert_eq!(alarms.seen(&ill, at(1)), ["record"]);
        assert_eq!(alarms.seen(&ill, at(2)), ["record"], "until it was told");
        alarms.told("record", at(2));
        assert_eq!(alarms.seen(&ill, at(50)), [""; 0]);
        assert_eq!(alarms.seen(&ill, at(63)), ["record"], "still");
    }

    /// What is told at the third of three looks.
    fn third(alarms: &Alarms, ill: &BTreeSet<&'static str>, minute: u64) -> Vec<&'static str> {
        alarms.seen(ill, at(minute));
        alarms.seen(ill, at(minute));
        alarms.seen(ill, at(minute))
    }

    #[test]
    fn a_copy_within_the_hour_comes_once() {
        let (alarms, ill, well) = (Alarms::default(), BTreeSet::from(["feed"]), BTreeSet::new());
        assert_eq!(third(&alarms, &ill, 0), ["feed"]);
        alarms.told("feed", at(0));
        assert_eq!(alarms.seen(&well, at(5)), [""; 0]);
        assert_eq!(third(&alarms, &ill, 6), ["feed"], "it came again");
        assert!(alarms.quiet("feed", at(6)));
        alarms.counted("feed", at(6));
        assert_eq!(third(&alarms, &ill, 7), [""; 0]);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nothing() {
        let (alarms, ill) = (Alarms::default(), BTreeSet::from(["feed"]));
        alarms.told("feed", at(1_440));
        assert_eq!(third(&alarms, &ill, 0), ["feed"]);
        assert!(!alarms.quiet("feed", at(0)));
        // Another node had told of it just before.
        alarms.counted("feed", at(0));
        assert!(alarms.quiet("feed", at(0)));
        assert_eq!(third(&alarms, &ill, 1), [""; 0]);
    }

    #[test]
    fn that_the_record_does_not_take_it_is_said_once_until_it_does() {
        let alarms = Alarms::default();
        let offered = |ok: bool| if ok { Ok(Raised::Told) } else { Err(Error::Store(store::StoreError::Closed)) };
        let said = [false, false, true, false].map(|ok| alarms.fails_now("record", &offered(ok)));
        assert_eq!(said, [true, false, false, true]);
    }

    #[test]
    fn what_was_told_before_a_restart_is_counted_once() {
        let (alarms, ill) = (Alarms::default(), BTreeSet::from(["cuts"]));
        assert_eq!(third(&alarms, &ill, 0), ["cuts"]);
        alarms.counted("cuts", at(0));
        assert_eq!(third(&alarms, &ill, 1), [""; 0]);
        assert_eq!(third(&alarms, &ill, 60), ["cuts"]);
    }
}
