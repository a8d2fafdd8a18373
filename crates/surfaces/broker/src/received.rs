//! The body of an answer on its way in: counted, searched for the secret that went out, stopped by a cut.
//!
//! Refuses a body that is too large or takes too long. Holds all that lives as long as the call: its connection, its
//! place among the calls under way, its event.

use crate::{body::BoxError, connect::Line, record::Entry, refusal, secrets::Scrub, sent::Why};
use bytes::Bytes;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use model::Problem;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{sync::OwnedSemaphorePermit, time::Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// What an answer's body needs besides its bytes.
pub(crate) struct Holds {
    pub(crate) app: String,
    pub(crate) host: String,
    pub(crate) line: Line,
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) entry: Entry,
    pub(crate) scrub: Option<Box<dyn Scrub>>,
    pub(crate) cut: Pin<Box<WaitForCancellationFutureOwned>>,
    pub(crate) deadline: Pin<Box<Sleep>>,
    pub(crate) most: u64,
    pub(crate) why: Why,
}

pub(crate) struct Received {
    inner: Incoming,
    /// Gone once the body has ended.
    holds: Option<Holds>,
    bytes: u64,
}

impl Received {
    /// Ends the call at once when there is no body.
    pub(crate) fn new(inner: Incoming, holds: Holds) -> Self {
        let mut this = Self { inner, holds: Some(holds), bytes: 0 };
        if this.inner.is_end_stream() {
            this.end(None);
        }
        this
    }

    fn end(&mut self, problem: Option<&Problem>) {
        let Some(Holds { mut entry, scrub, line, place, .. }) = self.holds.take() else { return };
        entry.note("bytes", self.bytes);
        if let Some(hits) = scrub.map(|scrub| scrub.hits()).filter(|hits| *hits > 0) {
            entry.note("scrubbed", hits);
        }
        match problem {
            None => entry.done(),
            Some(problem) => entry.refuse(problem),
        }
        drop((line, place));
    }

    fn stop(&mut self, problem: Problem) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.end(Some(&problem));
        Poll::Ready(Some(Err(problem.into())))
    }

    /// What ends the body from outside it.
    fn interrupted(&mut self, cx: &mut Context<'_>) -> Option<Problem> {
        let holds = self.holds.as_mut()?;
        if holds.cut.as_mut().poll(cx).is_ready() {
            return Some(refusal::cut(&holds.app));
        }
        if holds.deadline.as_mut().poll(cx).is_ready() {
            return Some(refusal::timed_out(&holds.host, "did not finish its answer"));
        }
        holds.why.get().cloned()
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if let Some(problem) = this.interrupted(cx) {
                return this.stop(problem);
            }
            let Some(holds) = this.holds.as_mut() else { return Poll::Ready(None) };
            let chunk = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => chunk,
                    // Trailers are not passed on: nothing would search them.
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    tracing::debug!(host = holds.host, error = &error as &dyn std::error::Error, "answer broke off");
                    let problem = holds.why.get().cloned().unwrap_or_else(|| refusal::broken(&holds.host));
                    return this.stop(problem);
                }
                None => {
                    let rest = holds.scrub.as_mut().map(|scrub| scrub.end()).unwrap_or_default();
                    this.end(None);
                    return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
                }
            };
            this.bytes = this.bytes.saturating_add(chunk.len() as u64);
            if this.bytes > holds.most {
                let problem = refusal::too_large("the answer", holds.most);
                return this.stop(problem);
            }
            let chunk = match holds.scrub.as_mut() {
                Some(scrub) => scrub.chunk(chunk),
                None => chunk,
            };
            if this.inner.is_end_stream() && this.holds.as_ref().is_some_and(|holds| holds.scrub.is_none()) {
                // Whoever reads a body of known length need not ask for its end.
                this.end(None);
            }
            if !chunk.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.holds.is_none()
    }
}
