//! What this node put into the record since it started, by act, app and outcome: what metrics are made of, so that they
//! and the record count the same.
//!
//! Refuses people: a tally knows apps, never who asked.

use crate::{Outcome, Store, StoreError, engine::GroupEnd, event::app, params, sql};
use authority::{Caller, Target};
use model::{AppId, EventId};
use serde_json::Value as Json;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError, atomic::Ordering},
};

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counts {
    /// The act's name.
    pub action: String,
    pub app: Option<AppId>,
    pub outcome: Outcome,
}

/// How often, and how many bytes their answers had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub events: u64,
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tallies(Mutex<HashMap<Counts, Tally>>);

impl Tallies {
    pub(crate) fn add(&self, action: &str, (caller, target): (&Caller, &Target), outcome: Outcome, detail: &Json) {
        let bytes = detail.get("bytes").and_then(Json::as_u64).unwrap_or(0);
        let counts = Counts { action: action.to_owned(), app: app(caller, target).cloned(), outcome };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = all.entry(counts).or_default();
        tally.events += 1;
        tally.bytes = tally.bytes.saturating_add(bytes);
    }
}

impl Store {
    /// What was recorded since this node started, in order of act, app and outcome.
    #[must_use]
    pub fn tallies(&self) -> Vec<(Counts, Tally)> {
        let all = self.tallies.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = all.iter().map(|(counts, tally)| (counts.clone(), *tally)).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Whether an act could be recorded now: writes, and takes it back; after an act that could not be, commits, since
    /// nothing less shows that the next one could.
    ///
    /// # Errors
    /// What an act would be refused with.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        if self.access.is_stuck() {
            return Err(StoreError::unwritable("the record of requests cannot be written"));
        }
        let mut tx = self.engine.begin().await?;
        let nobody = EventId::generate();
        tx.execute(sql::TRY_RUN, params![nobody.as_str(), self.clock.now()]).await?;
        tx.execute(sql::UNTRY_RUN, params![nobody.as_str()]).await?;
        if self.refusing.load(Ordering::Acquire) {
            tx.commit(GroupEnd::Join).await?;
            self.refusing.store(false, Ordering::Release);
        }
        Ok(())
    }
}
