//! Whether the server can serve, part by part: the truth behind `/readyz`.

use crate::{Bailiwick, recover};
use ::watch::Part;
use futures_util::FutureExt;
use model::{Problem, ProblemKind, Timestamp};
use std::{sync::OnceLock, time::Duration};
use store::{JournalState, StoreError};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How long memory may be behind the database before the server is not ready: what is committed now needs a moment.
const BEHIND_MAX: Duration = Duration::from_secs(2);

/// For all that the database is asked together: whoever watches this server waits for the answer.
const ANSWER: Duration = Duration::from_secs(2);

/// A clock that is behind the record by more than this was set back.
pub(crate) const CLOCK_BACK_MAX: Duration = Duration::from_secs(5);

/// One part, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) part: Part,
    pub(crate) problem: Option<Problem>,
}

/// How far memory has followed the change feed.
#[derive(Debug)]
pub(crate) struct Followed(watch::Sender<u64>);

impl Default for Followed {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Followed {
    pub(crate) fn reached(&self, position: u64) {
        self.0.send_replace(position);
    }

    async fn wait(&self, position: u64) -> bool {
        let mut reached = self.0.subscribe();
        tokio::time::timeout(BEHIND_MAX, reached.wait_for(|at| *at >= position)).await.is_ok_and(|found| found.is_ok())
    }
}

/// When the newest event was made that was there at the start.
#[derive(Debug, Default)]
pub(crate) struct Newest(OnceLock<Timestamp>);

fn silent() -> Problem {
    let why = format!("it was asked, and nothing came back within {} seconds", ANSWER.as_secs());
    not_ready("the database is silent", &why, "look whether PostgreSQL runs, and whether the way to it is open")
}

fn not_ready(what: &str, why: &str, fix: &str) -> Problem {
    Problem::new(ProblemKind::Unavailable, "server.not_ready", what, why, fix)
}

impl Bailiwick {
    /// Every part that serving needs.
    pub(crate) async fn checks(&self) -> Vec<Check> {
        let mut checks = Vec::with_capacity(Part::ALL.len());
        let until = Instant::now() + ANSWER;
        for part in Part::ALL {
            let problem = match part {
                Part::Record => self.record_problem(until).await,
                Part::Feed => self.feed_problem(until).await,
                Part::Engine => self.engine_problem(),
                Part::Lease => self.lease_problem(),
                Part::Cuts => self.cuts_problem(),
                Part::Continuity => self.is_recovering().then(recover::recovering),
                Part::Clock => self.clock_problem(),
            };
            checks.push(Check { part, problem });
        }
        checks
    }

    async fn record_problem(&self, until: Instant) -> Option<Problem> {
        match timeout_at(until, self.store.check_writable()).await {
            Ok(checked) => checked.err().map(|error| error.problem()),
            Err(_) => Some(silent()),
        }
    }

    /// Memory has everything that the database has.
    async fn feed_problem(&self, until: Instant) -> Option<Problem> {
        let position = match timeout_at(until, self.store.feed_position(&self.tenant)).await {
            Ok(Ok(position)) => position,
            Ok(Err(error)) => return Some(error.problem()),
            Err(_) => return Some(silent()),
        };
        (!self.followed.wait(position).await).then(|| {
            let what = "memory is behind the database";
            not_ready(what, "changes are not followed, or not fast enough", "look at the end of the server's log")
        })
    }

    fn engine_problem(&self) -> Option<Problem> {
        match self.sandbox.ready().now_or_never() {
            Some(Ok(())) => None,
            Some(Err(error)) => {
                let what = "the engine could not be compiled";
                Some(not_ready(
                    what,
                    &error.to_string(),
                    "empty the folder `cache` in the data folder, and start again",
                ))
            }
            None => {
                let what = "the engine is being compiled";
                Some(not_ready(what, "that happens after each new version", "wait some seconds"))
            }
        }
    }

    fn lease_problem(&self) -> Option<Problem> {
        if self.store.is_outdated() {
            return Some(StoreError::Outdated.problem());
        }
        (!self.gateway.lease().holds()).then(|| {
            let what = "this node may not serve";
            not_ready(what, "its lease in the database ran out", "look whether the database can be reached")
        })
    }

    /// Remembers what the record says of the time, before anything is added to it.
    pub(crate) async fn note_newest(&self) -> Result<(), Problem> {
        if let Some(newest) = self.store.newest_event().await.map_err(|error| error.problem())? {
            self.newest.0.get_or_init(|| newest);
        }
        Ok(())
    }

    /// Time goes on from what was known at the last start, or what has ended would count again.
    pub(crate) fn clock_problem(&self) -> Option<Problem> {
        let (newest, now) = (self.newest.0.get()?, self.clock.now());
        (newest.since(now) > CLOCK_BACK_MAX).then(|| {
            Problem::new(
                ProblemKind::Unavailable,
                "clock.behind",
                format!("this server's clock says {now}, and the record has an event of {newest}"),
                "the clock was set back, or it was ahead before; what has ended by the record's time may count again",
                format!(
                    "set this machine's clock, on PostgreSQL the database's, by NTP, then start the server again; where it is right, it was ahead before, and this ends at {newest}"
                ),
            )
        })
    }

    /// Nothing that was taken away waits for its record.
    fn cuts_problem(&self) -> Option<Problem> {
        let JournalState { waiting, in_memory, damaged, away } = self.store.journal_state();
        if waiting > 0 {
            let why = match in_memory {
                0 => "the record cannot be written; they hold, and the journal keeps them over a restart".to_owned(),
                lost => format!(
                    "the record cannot be written, and the journal did not take {lost} of them: a restart would bring back what they cut"
                ),
            };
            return Some(Problem::new(
                ProblemKind::Unavailable,
                "cuts.waiting",
                format!("{waiting} cuts are not in the record yet"),
                why,
                "make room on the disk, or bring the database back: they are written by themselves then",
            ));
        }
        if away {
            return Some(Problem::new(
                ProblemKind::Unavailable,
                "cuts.away",
                "the journal of cuts is not where it was opened",
                "`cuts.journal` was removed or replaced while the server ran; what is switched off while nothing can be recorded would come back with a restart",
                "put it back, or start the server again while the record can be written: that makes a new one",
            ));
        }
        (damaged > 0).then(|| {
            Problem::new(
                ProblemKind::Unavailable,
                "cuts.damaged",
                format!("{damaged} blocks of the journal of cuts hold something that is no entry"),
                "the machine stopped while it was written, or someone changed it; a cut may be lost",
                "look in the record for what was switched off last, and switch it off again",
            )
        })
    }
}
