//! Bodies on their way through: a request's is bounded, a response's is judged piece by piece.

use crate::{SignIns, lease::Lease, live::Running};
use authority::{Act, Authority, Caller, Denied, Who};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use model::{Clock, Timestamp};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

/// The request's body is larger than it may be.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the request's body is too large")]
pub(crate) struct TooLarge;

/// The response may not go on: the app was cut, the caller lost the right to it, or this node may not serve.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the response was stopped")]
struct Broken;

/// A request's body, up to its limit. `over` says that it was more.
pub(crate) fn bounded(body: axum::body::Body, most_bytes: u64, over: Arc<AtomicBool>) -> sandbox::Body {
    if body.is_end_stream() {
        return sandbox::empty();
    }
    Bounded { body, left: most_bytes, over }.boxed_unsync()
}

struct Bounded {
    body: axum::body::Body,
    left: u64,
    over: Arc<AtomicBool>,
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = sandbox::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(u64::try_from(data.len()).unwrap_or(u64::MAX)) {
                Some(left) => self.left = left,
                None => {
                    self.over.store(true, Ordering::Release);
                    return Poll::Ready(Some(Err(TooLarge.into())));
                }
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether a caller still may: while the session goes on, and asked again when authority moved or a fact ran out.
pub(crate) struct Judged<A> {
    pub(crate) sign_ins: Arc<dyn SignIns>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) caller: Caller,
    pub(crate) act: A,
    pub(crate) epoch: u64,
    pub(crate) good_until: Timestamp,
    /// When session or token end.
    pub(crate) until: Timestamp,
}

/// Why an answer does not go on.
pub(crate) enum Over {
    CutOff,
    SignedOut,
    Denied(Box<Denied>),
}

impl<A: Act + Clone> Judged<A> {
    pub(crate) fn still_may(&mut self) -> Result<(), Over> {
        let now = self.clock.now();
        if !self.lease.holds() {
            return Err(Over::CutOff);
        }
        if now >= self.until {
            return Err(Over::SignedOut);
        }
        if let Who::Person { session, .. } = &self.caller.who
            && !self.sign_ins.goes_on(session)
        {
            return Err(Over::SignedOut);
        }
        let epoch = self.authority.epoch(&self.caller.tenant);
        if epoch == self.epoch && now < self.good_until {
            return Ok(());
        }
        let permit =
            self.authority.decide(&self.caller, self.act.clone()).map_err(|denied| Over::Denied(Box::new(denied)))?;
        self.epoch = permit.epoch();
        self.good_until = permit.good_until();
        Ok(())
    }
}

/// A response's body while its app is live and its caller may see it.
pub(crate) fn judged<B, A>(body: B, running: Running, judged: Judged<A>) -> axum::body::Body
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<sandbox::BoxError>,
    A: Act + Clone + Unpin,
{
    axum::body::Body::new(Outgoing { body: Some(body), running, judged })
}

struct Outgoing<B, A> {
    body: Option<B>,
    running: Running,
    judged: Judged<A>,
}

impl<B, A> http_body::Body for Outgoing<B, A>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<sandbox::BoxError>,
    A: Act + Clone + Unpin,
{
    type Data = Bytes;
    type Error = sandbox::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(body).poll_frame(context));
        // Looked at after the piece was made: it may have waited long.
        if matches!(frame, Some(Ok(_))) && (self.running.is_cut() || self.judged.still_may().is_err()) {
            self.running.breaks_off();
            self.body = None;
            return Poll::Ready(Some(Err(Broken.into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_ends_at_its_limit() {
        let over = Arc::new(AtomicBool::new(false));
        let body = bounded(axum::body::Body::from("12345"), 5, Arc::clone(&over));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "12345");
        assert!(!over.load(Ordering::Acquire));
        let pieces = futures_util::stream::iter(["123", "456"].map(Ok::<_, std::io::Error>));
        let body = bounded(axum::body::Body::from_stream(pieces), 5, Arc::clone(&over));
        assert!(body.collect().await.is_err() && over.load(Ordering::Acquire));
    }
}
