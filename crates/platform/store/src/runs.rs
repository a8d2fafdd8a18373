//! Runs of nodes: one that did not end cleanly leaves a `gap` event with its range.
//!
//! What the buffer of `access` events held at a crash is lost; the record says from when to when. It is told by the next
//! start, of the same name or (SQLite: one process at a time) of any; and by the other nodes, of one that does not come
//! back. Such a one may only have been cut off, and write what it held later: the record said that it may lack it.
//!
//! INVARIANT: what was noted before `flushed_at` is in the record. So only whoever empties the buffer moves it on, and
//! whoever has told a gap up to there.

use crate::{FreeWrite, Outcome, Row, Store, StoreError, Table, engine::Statement, event::Draft, params, sql};
use authority::{Caller, Target};
use model::{EventId, TenantId, Timestamp};
use serde_json::{Value as Json, json};
use std::{borrow::Cow, sync::PoisonError, time::Duration};

/// So long without a lease, and a node is lost: a lease lasts two seconds, and one that starts again tells of itself.
const LOST_AFTER: Duration = Duration::from_secs(60);

const START: FreeWrite = FreeWrite::new(Table::Runs, sql::START_RUN);
const END: FreeWrite = FreeWrite::new(Table::Runs, sql::END_RUN);

/// A run that did not end, as its row says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OpenRun {
    node: String,
    started: Timestamp,
    flushed: Timestamp,
}

impl OpenRun {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { node: row.text(0)?.to_owned(), started: row.time(1)?, flushed: row.time(2)? })
    }

    fn gap(&self, until: Timestamp) -> Json {
        json!({ "class": "access", "from": self.flushed, "until": until })
    }
}

/// The run of a node without a lease, and since when it has been seen without.
#[derive(Debug)]
pub(crate) struct Unleased {
    run: OpenRun,
    since: Timestamp,
}

impl Store {
    /// `began` is the moment of the start, however late it can be recorded: the buffer has been filled since then.
    pub(crate) async fn start_run(&self, began: Timestamp) -> Result<(), StoreError> {
        let (own, others): (Vec<_>, Vec<_>) =
            self.open_runs().await?.into_iter().partition(|run| run.node == self.node);
        if !self.is_shared() {
            // Whoever had the file before is gone, whatever its name was: this process has it.
            for run in &others {
                self.close_run(run, began).await?;
            }
        }
        // The last: what fails is tried again, and would take an own run for one that crashed.
        let row = params![self.node.as_str(), began];
        match own.first() {
            // One commit: there is no moment at which neither run has a row to tell of it.
            Some(run) => self.tell_gap(&self.node, run.gap(began), Some(Statement::new(START.sql(), row))).await,
            None => self.housekeeping().execute(START, row).await.map(drop),
        }
    }

    pub(crate) async fn end_run(&self, began: Timestamp) -> Result<(), StoreError> {
        self.housekeeping().execute(END, params![self.node.as_str(), began, self.clock.now()]).await.map(drop)
    }

    /// Tells of runs whose node is lost, for good as it seems: for whoever leads, time and again.
    ///
    /// # Errors
    /// As a read, as a write.
    pub async fn tell_lost_runs(&self) -> Result<(), StoreError> {
        if !self.is_shared() {
            return Ok(());
        }
        let nodes = self.other_nodes().await?;
        let has_lease =
            |node: &str| node == self.node || nodes.iter().any(|other| other.node == node && !other.ran_out);
        let unleased = self.open_runs().await?.into_iter().filter(|run| !has_lease(&run.node)).collect();
        let now = self.clock.now();
        for run in self.lost(unleased, now) {
            tracing::warn!(node = run.node, "a node is lost: the record may lack what it had not written yet");
            self.close_run(&run, now).await?;
        }
        Ok(())
    }

    /// Of these, those that have been without a lease for long enough.
    fn lost(&self, unleased: Vec<OpenRun>, now: Timestamp) -> Vec<OpenRun> {
        let mut seen = self.unleased.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |run: &OpenRun| {
            let same = |before: &&Unleased| before.run.node == run.node && before.run.started == run.started;
            // A clock that was set back begins the wait anew.
            seen.iter().find(same).map_or(now, |before| before.since.min(now))
        };
        let unleased: Vec<Unleased> = unleased.into_iter().map(|run| Unleased { since: since(&run), run }).collect();
        let lost =
            unleased.iter().filter(|one| now.since(one.since) >= LOST_AFTER).map(|one| one.run.clone()).collect();
        *seen = unleased;
        lost
    }

    async fn open_runs(&self) -> Result<Vec<OpenRun>, StoreError> {
        self.read(sql::OPEN_RUNS, &[]).await?.iter().map(OpenRun::read).collect()
    }

    /// Says what another's run may have lost, and that this is said.
    async fn close_run(&self, run: &OpenRun, until: Timestamp) -> Result<(), StoreError> {
        let end = Statement::new(END.sql(), params![run.node.as_str(), run.started, until]);
        self.tell_gap(&run.node, run.gap(until), Some(end)).await
    }

    /// Says what the record of this node lacks.
    pub(crate) async fn write_gap(&self, detail: Json) -> Result<(), StoreError> {
        self.tell_gap(&self.node, detail, None).await
    }

    /// Says what the record lacks of a node, with one statement more in the same commit.
    async fn tell_gap(&self, node: &str, detail: Json, more: Option<Statement>) -> Result<(), StoreError> {
        let caller = Caller::system("record");
        let target = Target::new(TenantId::main(), format!("node/{node}"));
        let gap = Draft {
            id: EventId::generate(),
            at: self.clock.now(),
            caller: &caller,
            target: &target,
            action: "record.gap",
            durability: "use",
            exception: None,
            outcome: Outcome::Failed,
            detail: Cow::Owned(detail),
            why: None,
            about: None,
        };
        self.write_event(gap, more).await
    }
}
