//! Whether the server can serve, part by part: the truth behind `/readyz`.

use crate::{Bailiwick, recover};
use futures_util::FutureExt;
use model::{Problem, ProblemKind};
use std::time::Duration;
use store::JournalState;
use tokio::sync::watch;

/// How long memory may be behind the database before the server is not ready: what is committed now needs a moment.
const BEHIND_MAX: Duration = Duration::from_secs(2);

/// What serving needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Record,
    Feed,
    Engine,
    Lease,
    Cuts,
    Continuity,
}

impl Part {
    pub(crate) const ALL: [Self; 6] =
        [Self::Record, Self::Feed, Self::Engine, Self::Lease, Self::Cuts, Self::Continuity];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Feed => "feed",
            Self::Engine => "engine",
            Self::Lease => "lease",
            Self::Cuts => "cuts",
            Self::Continuity => "continuity",
        }
    }
}

/// One part, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
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

fn not_ready(what: &str, why: &str, fix: &str) -> Problem {
    Problem::new(ProblemKind::Unavailable, "server.not_ready", what, why, fix)
}

impl Bailiwick {
    /// Every part that serving needs.
    pub(crate) async fn checks(&self) -> Vec<Check> {
        let mut checks = Vec::with_capacity(Part::ALL.len());
        for part in Part::ALL {
            let problem = match part {
                Part::Record => self.store.check_writable().await.err().map(|error| error.problem()),
                Part::Feed => self.feed_problem().await,
                Part::Engine => self.engine_problem(),
                Part::Lease => self.lease_problem(),
                Part::Cuts => self.cuts_problem(),
                Part::Continuity => self.is_recovering().then(recover::recovering),
            };
            checks.push(Check { name: part.name(), problem });
        }
        checks
    }

    /// Memory has everything that the database has.
    async fn feed_problem(&self) -> Option<Problem> {
        let position = match self.store.feed_position(&self.tenant).await {
            Ok(position) => position,
            Err(error) => return Some(error.problem()),
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
        (!self.gateway.lease().holds()).then(|| {
            let what = "this node may not serve";
            not_ready(what, "its lease in the database ran out", "look whether the database can be reached")
        })
    }

    /// Nothing that was taken away waits for its record.
    fn cuts_problem(&self) -> Option<Problem> {
        let JournalState { waiting, in_memory, damaged } = self.store.journal_state();
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
