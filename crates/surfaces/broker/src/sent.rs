//! The body of a request on its way out: counted, held to the promised length, searched for placeholders.
//!
//! Refuses a body that is too large, that is not as long as was promised, or in which a placeholder stands. What is
//! refused breaks the connection; why is left where the call finds it.

use crate::{
    body::{Body, BoxError},
    placeholder::{Found, Watch},
    refusal,
};
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use model::Problem;
use std::{
    pin::Pin,
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll, ready},
};

/// A body up to this size is kept, so that a redirect can send it again.
const REPLAY_MAX: usize = 64 << 10;

/// Why a body was stopped; empty while it was not.
pub(crate) type Why = Arc<OnceLock<Problem>>;

/// What was sent so far of a body that may be sent again.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<KeptBytes>);

#[derive(Debug, Default)]
struct KeptBytes {
    bytes: BytesMut,
    too_large: bool,
    whole: bool,
}

impl Kept {
    fn add(&self, chunk: &Bytes) {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if kept.too_large || kept.bytes.len() + chunk.len() > REPLAY_MAX {
            kept.too_large = true;
            kept.bytes.clear();
        } else {
            kept.bytes.extend_from_slice(chunk);
        }
    }

    fn end(&self) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).whole = true;
    }

    /// The whole body, if it was sent to its end and is small.
    pub(crate) fn again(&self) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (kept.whole && !kept.too_large).then(|| Bytes::copy_from_slice(&kept.bytes))
    }
}

pub(crate) struct Sent {
    inner: Body,
    watch: Watch,
    promised: Option<u64>,
    most: u64,
    seen: u64,
    ended: bool,
    why: Why,
    kept: Arc<Kept>,
}

impl Sent {
    /// `promised` is the length that goes into the head; `most` the limit.
    pub(crate) fn new(inner: Body, promised: Option<u64>, most: u64, why: Why, kept: Arc<Kept>) -> Self {
        let ended = promised == Some(0);
        if ended {
            kept.end();
        }
        Self { inner, watch: Watch::default(), promised, most, seen: 0, ended, why, kept }
    }

    fn stop<T>(&mut self, problem: Problem) -> Poll<Option<Result<T, BoxError>>> {
        self.ended = true;
        Poll::Ready(Some(Err(self.why.get_or_init(|| problem).clone().into())))
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        while !this.ended {
            let chunk = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => chunk,
                    // Trailers are not passed on.
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None if this.promised.is_some_and(|promised| promised != this.seen) => {
                    return this.stop(refusal::length());
                }
                None => {
                    this.ended = true;
                    this.kept.end();
                    let rest = this.watch.end();
                    return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
                }
            };
            this.seen = this.seen.saturating_add(chunk.len() as u64);
            if this.seen > this.most {
                return this.stop(refusal::too_large("the request", this.most));
            }
            if this.promised.is_some_and(|promised| this.seen > promised) {
                return this.stop(refusal::length());
            }
            this.kept.add(&chunk);
            if this.promised == Some(this.seen) {
                // Whoever writes a body of known length need not ask for its end.
                this.kept.end();
            }
            match this.watch.chunk(chunk) {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                Err(Found) => return this.stop(refusal::placeholder("the body of a request")),
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.watch.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.promised {
            Some(promised) if self.seen == 0 => SizeHint::with_exact(promised),
            Some(_) | None => SizeHint::default(),
        }
    }
}
