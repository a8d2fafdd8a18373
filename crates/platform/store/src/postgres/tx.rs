//! One transaction on PostgreSQL.
//!
//! Statements of a batch are sent together and answered together, and the last batch together with its COMMIT: an act
//! costs two round trips, not six. A transaction that is dropped sends its ROLLBACK before the connection returns to the
//! pool.

use super::{
    ANSWER,
    errors::{is_epoch_moved, write_error},
    fence::Fence,
    values,
};
use crate::{
    StoreError,
    engine::{Answer, Held, Statement},
    sql,
};
use deadpool_postgres::Object;
use futures_util::{FutureExt, TryStreamExt, future::Either, pin_mut, poll};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// BEGIN goes out with the first statement.
    Fresh,
    Open,
    Failed,
    Ended,
}

/// What follows a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Commit,
}

#[derive(Debug)]
pub(crate) struct PostgresTx {
    /// Gone when nothing is heard of it any more: it does not go back to the others.
    client: Option<Object>,
    state: State,
    acts: Arc<AtomicU64>,
    committed: Arc<watch::Sender<u64>>,
    fence: Arc<Fence>,
    /// How long one answer is waited for.
    answer: Duration,
}

impl PostgresTx {
    pub(super) const fn new(
        client: Object,
        fence: Arc<Fence>,
        acts: Arc<AtomicU64>,
        committed: Arc<watch::Sender<u64>>,
    ) -> Self {
        Self { client: Some(client), state: State::Fresh, acts, committed, fence, answer: ANSWER }
    }

    pub(crate) const fn wait_for(&mut self, answer: Duration) {
        self.answer = answer;
    }

    pub(crate) async fn run(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, StoreError> {
        if self.state == State::Failed {
            return Err(StoreError::Ended);
        }
        let result = match tokio::time::timeout(self.answer, self.pipeline(batch, Then::GoOn)).await {
            Ok(result) => result,
            Err(_) => self.unheard(),
        };
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    /// Nobody answered: the connection is closed, which ends what it held.
    fn unheard<T>(&mut self) -> Result<T, StoreError> {
        drop(self.client.take().map(Object::take));
        Err(StoreError::unwritable("the database does not answer"))
    }

    /// The last batch, which holds the question whether the epoch still stands, and the COMMIT, in one round trip.
    ///
    /// INVARIANT: where a statement fails at the server, the transaction is aborted, and the COMMIT behind it rolls back;
    /// behind one that was not sent goes no COMMIT.
    pub(crate) async fn run_and_commit(mut self, batch: &[Statement]) -> Result<Held, StoreError> {
        if matches!(self.state, State::Failed | State::Ended) {
            return Err(StoreError::Ended);
        }
        let result = match tokio::time::timeout(self.answer, self.pipeline(batch, Then::Commit)).await {
            Ok(result) => result,
            Err(_) => self.unheard(),
        };
        match result {
            Ok(_) => {
                self.state = State::Ended;
                self.acts.fetch_add(1, Ordering::Relaxed);
                self.committed.send_modify(|count| *count += 1);
                Ok(Held::Yes)
            }
            Err(error) => {
                self.state = State::Failed;
                if is_epoch_moved(&error) { Ok(Held::Moved) } else { Err(error) }
            }
        }
    }

    async fn pipeline(&mut self, batch: &[Statement], then: Then) -> Result<Vec<Answer>, StoreError> {
        let client = self.client.as_ref().ok_or(StoreError::Ended)?;
        let mut prepared = Vec::with_capacity(batch.len());
        for one in batch {
            let statement = client.prepare_cached(one.sql).await.map_err(write_error)?;
            if statement.params().len() != one.params.len() {
                let why = "the statement takes another number of parameters";
                return Err(StoreError::Param { position: one.params.len(), why });
            }
            prepared.push((statement, &one.params));
        }
        if then == Then::Commit {
            self.fence.check()?;
        }
        let fresh = std::mem::replace(&mut self.state, State::Open) == State::Fresh;
        let begin = async { if fresh { client.batch_execute(sql::BEGIN).await } else { Ok(()) } };
        pin_mut!(begin);
        // INVARIANT: a request is sent when its future is first polled; polling in order sends in order.
        let begun = poll!(&mut begin);
        let mut pending = Vec::with_capacity(batch.len());
        for (statement, params) in &prepared {
            let mut answer = Box::pin(answer(client, statement, params));
            pending.push(match poll!(&mut answer) {
                // It was not sent: the server knows of no failure, and a COMMIT behind it would keep the rest.
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(done)) => Either::Left(done),
                Poll::Pending => Either::Right(answer),
            });
        }
        let commit = async { if then == Then::Commit { client.batch_execute(sql::COMMIT).await } else { Ok(()) } };
        pin_mut!(commit);
        let committed = poll!(&mut commit);
        match begun {
            Poll::Ready(done) => done,
            Poll::Pending => begin.await,
        }
        .map_err(write_error)?;
        let mut answers = Vec::with_capacity(batch.len());
        for one in pending {
            answers.push(match one {
                Either::Left(done) => done,
                Either::Right(answer) => answer.await?,
            });
        }
        match committed {
            Poll::Ready(done) => done,
            Poll::Pending => commit.await,
        }
        .map_err(write_error)?;
        Ok(answers)
    }

    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        self.run(&[]).await?;
        let client = self.client.as_ref().ok_or(StoreError::Ended)?;
        client.batch_execute(sql).await.map_err(|error| {
            self.state = State::Failed;
            write_error(error)
        })
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        match self.state {
            State::Failed | State::Ended => return Err(StoreError::Ended),
            State::Fresh => return Ok(()),
            State::Open => {}
        }
        self.fence.check()?;
        let client = self.client.as_ref().ok_or(StoreError::Ended)?;
        match tokio::time::timeout(self.answer, client.batch_execute(sql::COMMIT)).await {
            Ok(done) => done.map_err(write_error)?,
            Err(_) => return self.unheard(),
        }
        self.state = State::Ended;
        self.acts.fetch_add(1, Ordering::Relaxed);
        self.committed.send_modify(|count| *count += 1);
        Ok(())
    }
}

async fn answer(
    client: &Object,
    statement: &tokio_postgres::Statement,
    params: &[crate::Value],
) -> Result<Answer, StoreError> {
    let stream = client.query_raw(statement, params).await.map_err(write_error)?;
    pin_mut!(stream);
    let mut rows = Vec::new();
    while let Some(raw) = stream.try_next().await.map_err(write_error)? {
        rows.push(values::row(&raw)?);
    }
    Ok(Answer { rows, changed: stream.rows_affected().unwrap_or(0) })
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        if let Some(client) = self.client.as_ref().filter(|_| matches!(self.state, State::Open | State::Failed)) {
            // One poll sends it; whoever uses the connection next is served after it.
            drop(client.batch_execute(sql::ROLLBACK).now_or_never());
        }
    }
}
