//! Events of class `counted`: strangers' refusals and static files, one event for each source, act and minute.
//!
//! Refuses to grow with what strangers send: past a number of sources, the rest of the minute is one line.

use crate::{Outcome, Store, StoreError, event::Draft};
use authority::{Caller, Target};
use model::{EventId, Timestamp};
use serde_json::json;
use std::{
    borrow::Cow,
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Lines of one minute: more sources than this are counted together.
const LINES_MAX: usize = 10_000;
const MINUTE_MS: i64 = 60_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Line {
    source: Option<IpAddr>,
    action: &'static str,
    target: Target,
    outcome: Outcome,
    /// Of a sign-in that failed: by which way it was tried.
    method: Option<&'static str>,
    minute: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Counted(Mutex<HashMap<Line, (Caller, u64)>>);

impl Store {
    /// Counts one; the event is written when its minute is over.
    pub fn count(&self, caller: &Caller, action: &'static str, target: &Target, outcome: Outcome) {
        self.count_by(caller, (action, None), target, outcome);
    }

    /// Counts a sign-in of a stranger that failed. Its event says by which way it was tried, from which address, and with
    /// which device first.
    pub fn count_sign_in(&self, caller: &Caller, action: &'static str, target: &Target, method: &'static str) {
        self.count_by(caller, (action, Some(method)), target, Outcome::Denied);
    }

    fn count_by(
        &self,
        caller: &Caller,
        (action, method): (&'static str, Option<&'static str>),
        target: &Target,
        outcome: Outcome,
    ) {
        let minute = self.clock.now().as_ms().div_euclid(MINUTE_MS);
        let mut line = Line { source: caller.origin.ip, action, target: target.clone(), outcome, method, minute };
        let mut caller = caller.clone();
        let mut lines = self.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= LINES_MAX && !lines.contains_key(&line) {
            line.source = None;
            line.target = Target::new(target.tenant.clone(), "others");
            caller.origin = authority::Origin::default();
        }
        // As the line will say it.
        self.tallies.add(action, (&caller, &line.target), outcome, &serde_json::Value::Null);
        lines.entry(line).or_insert((caller, 0)).1 += 1;
    }

    /// Writes the lines of minutes that are over; every line when the node stops.
    pub(crate) async fn write_counted(&self, until: Timestamp) -> Result<(), StoreError> {
        let minute = until.as_ms().div_euclid(MINUTE_MS);
        let due: Vec<(Line, (Caller, u64))> = {
            let mut lines = self.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.extract_if(|line, _| line.minute < minute).collect()
        };
        if due.is_empty() {
            return Ok(());
        }
        let at = self.clock.now();
        let drafts: Vec<Draft<'_>> = due.iter().map(|(line, (caller, count))| line.draft(caller, *count, at)).collect();
        let written = self.write_events(&drafts, None).await;
        if written.is_err() {
            // Counted in metrics instead: strangers may not fill memory while the record is unwritable.
            tracing::warn!(lines = due.len(), "refusals of strangers could not be recorded");
        }
        written
    }
}

impl Line {
    fn detail(&self, count: u64) -> serde_json::Value {
        let mut detail = json!({ "count": count, "minute": Timestamp::from_ms(self.minute * MINUTE_MS) });
        if let (Some(method), Some(fields)) = (self.method, detail.as_object_mut()) {
            fields.insert("method".to_owned(), method.into());
        }
        detail
    }

    fn draft<'a>(&'a self, caller: &'a Caller, count: u64, at: Timestamp) -> Draft<'a> {
        Draft {
            id: EventId::generate(),
            at,
            caller,
            target: &self.target,
            action: self.action,
            durability: "counted",
            exception: None,
            outcome: self.outcome,
            detail: Cow::Owned(self.detail(count)),
            why: None,
            about: None,
        }
    }
}
