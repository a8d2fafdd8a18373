//! Small bodies cross between the two runtimes whole: what of a response's body is there already goes with its head, and
//! a request's small body is waited for a moment before an instance is made for it. Else each piece wakes both sides.

use crate::body::{Body, BoxError, full};
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Taken ahead at most: more is a download, which streams.
const AHEAD_BYTES: usize = 64 << 10;
/// A request's body that is waited for: forms and JSON documents.
const SMALL_BYTES: u64 = 16 << 10;
/// Who takes longer to send it is not waited for; the instance reads it as it comes.
const MOMENT: Duration = Duration::from_millis(50);

/// Reads what can be read without waiting.
pub(crate) fn read_ahead(mut body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    // Nobody needs waking: whoever reads on registers anew.
    let mut nobody = Context::from_waker(Waker::noop());
    let (mut ready, mut bytes) = (VecDeque::new(), 0);
    while bytes < AHEAD_BYTES {
        match Pin::new(&mut body).poll_frame(&mut nobody) {
            Poll::Pending => break,
            Poll::Ready(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                bytes += data.len();
                ready.push_back(data);
                if body.is_end_stream() {
                    return whole(ready, bytes);
                }
            }
            Poll::Ready(Some(Err(error))) => return Ahead { ready, then: Err(Some(error)) }.boxed_unsync(),
            Poll::Ready(None) => return whole(ready, bytes),
        }
    }
    Ahead { ready, then: Ok(body) }.boxed_unsync()
}

/// Waits a moment for a body whose length is known to be small.
pub(crate) async fn gather(mut body: Body) -> Body {
    if !body.size_hint().exact().is_some_and(|bytes| (1..=SMALL_BYTES).contains(&bytes)) {
        return body;
    }
    let (mut ready, mut bytes, mut broken) = (VecDeque::new(), 0, None);
    let reading = async {
        while !body.is_end_stream() {
            match body.frame().await {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    bytes += data.len();
                    ready.push_back(data);
                }
                Some(Err(error)) => {
                    broken = Some(error);
                    break;
                }
                None => break,
            }
        }
    };
    let came = tokio::time::timeout(MOMENT, reading).await.is_ok();
    match broken {
        Some(error) => Ahead { ready, then: Err(Some(error)) }.boxed_unsync(),
        None if came => whole(ready, bytes),
        None => Ahead { ready, then: Ok(body) }.boxed_unsync(),
    }
}

fn whole(mut ready: VecDeque<Bytes>, bytes: usize) -> Body {
    if ready.len() <= 1 {
        return full(ready.pop_front().unwrap_or_default());
    }
    let mut joined = BytesMut::with_capacity(bytes);
    ready.iter().for_each(|piece| joined.extend_from_slice(piece));
    full(joined.freeze())
}

/// The pieces that were there, then the rest of the body, or the error that ended it.
struct Ahead {
    ready: VecDeque<Bytes>,
    then: Result<Body, Option<BoxError>>,
}

impl http_body::Body for Ahead {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(piece) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut self.then {
            Ok(rest) => Pin::new(rest).poll_frame(context),
            Err(error) => Poll::Ready(error.take().map(Err)),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.then.as_ref().map_or_else(Option::is_none, http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.ready.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let rest = self.then.as_ref().map_or_else(|_| SizeHint::default(), http_body::Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ready));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(ready));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream::{self, StreamExt as _};
    use http_body_util::StreamBody;

    fn pieces(
        pieces: &[&'static str],
    ) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static {
        stream::iter(
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect::<Vec<_>>(),
        )
    }

    #[tokio::test]
    async fn what_is_there_is_whole_and_its_length_known() {
        let body = read_ahead(BodyExt::boxed_unsync(StreamBody::new(pieces(&["ab", "c"]))));
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
        let empty = read_ahead(BodyExt::boxed_unsync(StreamBody::new(pieces(&[]))));
        assert_eq!(empty.size_hint().exact(), Some(0));
    }

    #[tokio::test]
    async fn what_must_be_waited_for_streams_on() {
        let (send, receive) = tokio::sync::mpsc::unbounded_channel::<Result<Frame<Bytes>, BoxError>>();
        let later = stream::unfold(receive, |mut receive| async { Some((receive.recv().await?, receive)) });
        let body = read_ahead(BodyExt::boxed_unsync(StreamBody::new(pieces(&["ab"]).chain(later).boxed())));
        assert!(!body.is_end_stream() && body.size_hint().exact().is_none());
        send.send(Ok(Frame::data(Bytes::from_static(b"c")))).unwrap();
        drop(send);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }

    #[tokio::test]
    async fn what_breaks_keeps_what_came_before_and_breaks() {
        let broken = stream::iter([Err::<Frame<Bytes>, BoxError>("broken".into())]);
        let mut body = read_ahead(BodyExt::boxed_unsync(StreamBody::new(pieces(&["ab"]).chain(broken))));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert!(body.frame().await.unwrap().is_err());
        assert!(body.frame().await.is_none() && body.is_end_stream());
    }

    #[tokio::test]
    async fn a_download_is_not_taken_ahead() {
        let endless = stream::repeat_with(|| Ok::<_, BoxError>(Frame::data(Bytes::from(vec![0; 4096]))));
        let body = read_ahead(BodyExt::boxed_unsync(StreamBody::new(endless)));
        assert!(!body.is_end_stream() && body.size_hint().lower() == AHEAD_BYTES as u64);
    }

    /// A body that says how long it is.
    struct Announced<B>(B, u64);

    impl<B: http_body::Body<Data = Bytes, Error = BoxError> + Unpin> http_body::Body for Announced<B> {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Pin::new(&mut self.0).poll_frame(context)
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.1)
        }
    }

    #[tokio::test]
    async fn a_small_request_is_waited_for_and_a_slow_one_is_not() {
        let (send, receive) = tokio::sync::mpsc::unbounded_channel::<Result<Frame<Bytes>, BoxError>>();
        let later = || stream::unfold((), |()| async { std::future::pending::<Option<_>>().await });
        let coming = stream::unfold(receive, |mut receive| async { Some((receive.recv().await?, receive)) }).boxed();
        let sending = async {
            tokio::task::yield_now().await;
            send.send(Ok(Frame::data(Bytes::from_static(b"abc")))).unwrap();
            drop(send);
        };
        let (body, ()) = tokio::join!(gather(BodyExt::boxed_unsync(Announced(StreamBody::new(coming), 3))), sending);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");

        let slow = Announced(StreamBody::new(pieces(&["ab"]).chain(later()).boxed()), 3);
        let mut body = gather(BodyExt::boxed_unsync(slow)).await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert!(tokio::time::timeout(MOMENT, body.frame()).await.is_err(), "the rest has not come");

        let broken = stream::iter([Err::<Frame<Bytes>, BoxError>("broken".into())]);
        let broken = Announced(StreamBody::new(pieces(&["ab"]).chain(broken)), 3);
        assert!(gather(BodyExt::boxed_unsync(broken)).await.collect().await.is_err());
    }
}
