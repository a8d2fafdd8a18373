//! Whether the server can serve, part by part: the truth behind `/readyz`.

use crate::Bailiwick;
use ::watch::Part;
use futures_util::FutureExt;
use model::{Problem, ProblemKind, Timestamp};
use std::{sync::OnceLock, time::Duration};
use store::{JournalState, StoreError};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep_until, timeout_at},
};

/// How long memory may be behind the database before the server is not ready: what is committed now needs a moment.
const BEHIND_MAX: Duration = Duration::from_secs(2);

/// For all that the database is asked together: whoever watches this server waits for the answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Between two looks at the database: a look writes, and anybody may ask for one.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A clock that is behind the record by more than this was set back.
pub(crate) const CLOCK_BACK_MAX: Duration = Duration::from_secs(5);

/// One part, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) part: Part,
    pub(crate) problem: Option<Problem>,
}

/// What is remembered for it.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    pub(crate) followed: Followed,
    newest: Newest,
    looks: Looks,
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
struct Newest(OnceLock<Timestamp>);

/// One look at the database at a time, for all who ask meanwhile.
#[derive(Debug, Default)]
struct Looks(Mutex<Option<Look>>);

#[derive(Debug)]
struct Look {
    began: Instant,
    /// Nothing, when whoever looked went away before the end.
    ended: Option<(Instant, Found)>,
}

/// What is wrong with what the database is asked for.
#[derive(Debug, Clone, Default)]
struct Found {
    record: Option<Problem>,
    feed: Option<Problem>,
}

impl Look {
    /// Good news is never older than the question. Bad news may have begun before it, so that nobody waits for a silent
    /// database twice.
    fn answers(&self, asked: Instant) -> Option<Found> {
        let (at, found) = self.ended.as_ref()?;
        let ill = found.record.is_some() || found.feed.is_some();
        (self.began >= asked || (ill && *at >= asked)).then(|| found.clone())
    }
}

impl Looks {
    /// The answer of another's look, or of this one.
    async fn share(&self, look: impl Future<Output = Found>) -> Found {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some(last) = &*last {
            if let Some(found) = last.answers(asked) {
                return found;
            }
            sleep_until(last.began + LOOK_EVERY).await;
        }
        let began = Instant::now();
        *last = Some(Look { began, ended: None });
        let found = look.await;
        *last = Some(Look { began, ended: Some((Instant::now(), found.clone())) });
        found
    }
}

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
        let Found { mut record, mut feed } = self.ready.looks.share(self.look()).await;
        for part in Part::ALL {
            let problem = match part {
                Part::Record => record.take(),
                Part::Feed => feed.take(),
                Part::Engine => self.engine_problem(),
                Part::Lease => self.lease_problem(),
                Part::Cuts => self.cuts_problem(),
                Part::Continuity => self.recovery(),
                Part::Clock => self.clock_problem(),
            };
            checks.push(Check { part, problem });
        }
        checks
    }

    async fn look(&self) -> Found {
        let until = Instant::now() + ANSWER;
        Found { record: self.record_problem(until).await, feed: self.feed_problem(until).await }
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
        (!self.ready.followed.wait(position).await).then(|| {
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
            self.ready.newest.0.get_or_init(|| newest);
        }
        Ok(())
    }

    /// Time goes on from what was known at the last start, or what has ended would count again.
    pub(crate) fn clock_problem(&self) -> Option<Problem> {
        let (newest, now) = (self.ready.newest.0.get()?, self.clock.now());
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
                if waiting == 1 {
                    "one cut is not in the record yet".to_owned()
                } else {
                    format!("{waiting} cuts are not in the record yet")
                },
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{future::join_all, poll};
    use std::{
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering},
    };
    use tokio::{sync::Notify, task::yield_now};

    fn ill() -> Found {
        Found { record: Some(silent()), feed: None }
    }

    #[tokio::test]
    async fn however_many_ask_there_is_one_look_at_a_time_and_few_of_them() {
        let (looks, under_way, begun) = (Looks::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        let look = || async {
            begun.fetch_add(1, Ordering::Relaxed);
            assert_eq!(under_way.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
            yield_now().await;
            under_way.fetch_sub(1, Ordering::Relaxed);
            Found::default()
        };
        let began = Instant::now();
        let answers = join_all((0..1_000).map(|_| looks.share(look()))).await;
        assert_eq!(answers.len(), 1_000);
        // The first, and one that began after all had asked.
        let before = begun.load(Ordering::Relaxed);
        assert!(before <= 2, "{before}");
        looks.share(look()).await;
        assert_eq!(begun.load(Ordering::Relaxed), before + 1, "who asks later gets a look of their own");
        assert!(began.elapsed() >= LOOK_EVERY, "not at once");
    }

    #[tokio::test]
    async fn good_news_is_never_older_than_the_question_and_bad_news_is_shared_as_it_comes() {
        let looks = Looks::default();
        assert!(looks.share(async { Found::default() }).await.record.is_none());
        assert!(looks.share(async { ill() }).await.record.is_some(), "it fell ill since");
        let (begun, go_on) = (Notify::new(), Notify::new());
        let first = looks.share(async {
            begun.notify_one();
            go_on.notified().await;
            ill()
        });
        let second = async {
            begun.notified().await;
            let mut asking = pin!(looks.share(async { Found::default() }));
            assert!(poll!(asking.as_mut()).is_pending());
            go_on.notify_one();
            asking.await
        };
        let (first, second) = tokio::join!(first, second);
        assert!(first.record.is_some() && second.record.is_some(), "nobody waits for a silent database twice");
    }

    #[tokio::test]
    async fn who_goes_away_in_the_middle_keeps_nobody_waiting() {
        let looks = Looks::default();
        {
            let mut gone = pin!(looks.share(std::future::pending()));
            assert!(poll!(gone.as_mut()).is_pending());
        }
        assert!(looks.share(async { Found::default() }).await.record.is_none());
    }
}
