//! A response on its way from an instance to the caller: its head is checked, its body counted and, when the
//! instance is ended, broken off.

use crate::{
    body::{Body, BoxError},
    stopped::Stopped,
};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header::CONTENT_LENGTH, response::Parts};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

/// More than any honest app sets; proxies refuse more.
const HEADERS: usize = 128;
const HEADER_BYTES: usize = 32 << 10;
/// Names that mean something between the house and the engine; never an app's to set.
pub(crate) const OWN_PREFIX: &str = "bailiwick-";
const UNCAUGHT: &str = "bailiwick-uncaught";

/// What an instance answered.
pub(crate) enum Answer {
    Response(Parts),
    /// The engine's own: the handler threw.
    Uncaught,
}

pub(crate) fn read_head(mut head: Parts) -> Result<Answer, Stopped> {
    if head.headers.contains_key(UNCAUGHT) {
        return Ok(Answer::Uncaught);
    }
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if head.headers.len() > HEADERS || bytes > HEADER_BYTES {
        let what = format!("at most {HEADERS} headers of {} KiB together", HEADER_BYTES >> 10);
        return Err(Stopped::Output { what });
    }
    remove_own(&mut head.headers);
    Ok(Answer::Response(head))
}

pub(crate) fn remove_own(headers: &mut HeaderMap) {
    let own: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with(OWN_PREFIX)).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

/// How a body ended, told to its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    Whole,
    /// The caller dropped it.
    Abandoned,
    TooLong,
    /// The guest ended it before the length that it had announced.
    Broken,
}

/// The two wires between a body and its instance.
pub(crate) struct Wires {
    /// Tells how the body ended.
    pub(crate) ended: oneshot::Sender<BodyEnd>,
    /// Tells that the instance was ended, and why; sent before the instance is dropped.
    pub(crate) cut: oneshot::Receiver<Stopped>,
    pub(crate) counted: Arc<AtomicU64>,
    pub(crate) most_bytes: u64,
}

pub(crate) fn respond(head: Parts, body: WasiBody, method: &Method, wires: Wires) -> Response<Body> {
    let bodiless = method == Method::HEAD
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RESET_CONTENT);
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let Wires { ended, cut, counted, most_bytes } = wires;
    let whole_at = if bodiless { Some(0) } else { announced };
    let body = Watched { inner: Some(body), cut: Some(cut), ended: Some(ended), counted, most_bytes, whole_at };
    Response::from_parts(head, body.boxed_unsync())
}

struct Watched {
    inner: Option<WasiBody>,
    cut: Option<oneshot::Receiver<Stopped>>,
    ended: Option<oneshot::Sender<BodyEnd>>,
    counted: Arc<AtomicU64>,
    most_bytes: u64,
    /// Bytes after which nothing more can come, when that is known. A server stops reading there.
    whole_at: Option<u64>,
}

impl Watched {
    fn end(&mut self, end: BodyEnd) {
        self.inner = None;
        if let Some(ended) = self.ended.take() {
            // The instance may be gone already.
            let _ = ended.send(end);
        }
    }

    fn was_cut(&mut self, context: &mut Context<'_>) -> Option<Stopped> {
        match Pin::new(self.cut.as_mut()?).poll(context) {
            Poll::Pending => None,
            Poll::Ready(told) => {
                self.cut = None;
                told.ok()
            }
        }
    }

    fn failed(&mut self, end: BodyEnd, why: Stopped) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.end(end);
        Poll::Ready(Some(Err(Box::new(why))))
    }

    fn is_whole(&self) -> bool {
        self.whole_at.is_some_and(|whole| self.counted.load(Relaxed) >= whole)
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(why) = self.was_cut(context) {
                return self.failed(BodyEnd::Abandoned, why);
            }
            let Some(inner) = self.inner.as_mut() else { return Poll::Ready(None) };
            match Pin::new(inner).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are an app's means of nothing that is needed here.
                    let Ok(data) = frame.into_data() else { continue };
                    let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    if self.counted.fetch_add(size, Relaxed).saturating_add(size) > self.most_bytes {
                        let what = format!("its body has more than {} MiB", self.most_bytes >> 20);
                        return self.failed(BodyEnd::TooLong, Stopped::Output { what });
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Poll::Ready(Some(Err(_))) => return self.failed(BodyEnd::Broken, Stopped::Incomplete),
                Poll::Ready(None) => {
                    // An instance that was ended closes its body as if it were whole; `cut` was told before.
                    if let Some(why) = self.was_cut(context) {
                        return self.failed(BodyEnd::Abandoned, why);
                    }
                    self.end(BodyEnd::Whole);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none() || self.is_whole()
    }

    fn size_hint(&self) -> SizeHint {
        let counted = self.counted.load(Relaxed);
        self.whole_at.map_or_else(SizeHint::default, |whole| SizeHint::with_exact(whole.saturating_sub(counted)))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let end = if self.is_end_stream() { BodyEnd::Whole } else { BodyEnd::Abandoned };
        self.end(end);
    }
}
