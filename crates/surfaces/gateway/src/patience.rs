//! How long an answer is held for whoever does not take it: an app's place is not theirs to keep.
//!
//! Refuses to wait for a connection that takes no byte, and for a stream of HTTP/2 whose client gives no room, however
//! lively the rest of its connection is.

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep, sleep_until},
};

/// Bytes of a stream's answer that are handed over at once. hyper takes a piece whole as soon as there is room for any of
/// it: how far a client has come is known to within one.
const PIECE_BYTES: usize = 64 << 10;

/// A connection that ends when it takes nothing of what is written to it for so long.
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Since a write was not taken.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(crate) const fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waiting: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        ready!(self.waiting.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Since when a piece of a stream's answer waits to be taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handed(Arc<Mutex<Option<Instant>>>);

impl Handed {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Comes to its end when a piece was not taken for so long.
    pub(crate) async fn untaken(&self, patience: Duration) {
        loop {
            let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let until = since.unwrap_or_else(Instant::now) + patience;
            if Instant::now() >= until {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// The same answer; of each piece it is known until when it was taken, which is when the next is asked for.
    pub(crate) fn watched(self, body: Body) -> Body {
        Body::new(Watched { body, rest: Bytes::new(), handed: self })
    }
}

struct Watched {
    body: Body,
    /// Of what it gave, what is not handed over yet.
    rest: Bytes,
    handed: Handed,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.handed.set(None);
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.handed.set(None);
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        self.handed.set(Some(Instant::now()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (of, rest) = (self.body.size_hint(), u64::try_from(self.rest.len()).unwrap_or(u64::MAX));
        let mut hint = SizeHint::new();
        hint.set_lower(of.lower().saturating_add(rest));
        if let Some(upper) = of.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        places::Room,
        serve::{Abrupt, Came, Listening, one, two},
    };
    use http::{Request, Response, StatusCode};
    use http_body_util::BodyExt;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use std::{convert::Infallible, net::SocketAddr};
    use tokio::{io::AsyncWriteExt, sync::oneshot};
    use tokio_util::sync::CancellationToken;

    impl Abrupt for tokio::io::DuplexStream {
        fn end(self) {}
    }

    /// An answer without end, and what says that it was given up.
    fn endless() -> (Body, oneshot::Receiver<()>) {
        let (held, given_up) = oneshot::channel::<()>();
        let pieces = futures_util::stream::repeat_with(move || {
            let _held = &held;
            Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 16 << 10]))
        });
        (Body::from_stream(pieces), given_up)
    }

    fn impatient() -> Listening {
        Listening { patience: Duration::from_millis(50), ..Listening::default() }
    }

    fn came() -> Came {
        Came { peer: SocketAddr::from(([127, 0, 0, 1], 1)), room: Room::Ordinary, certified: None }
    }

    #[tokio::test]
    async fn a_large_answer_is_handed_over_in_pieces_and_whole() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(3 * PIECE_BYTES + 7).collect();
        let mut body = Handed::default().watched(Body::from(bytes.clone()));
        let mut taken = Vec::new();
        while !http_body::Body::is_end_stream(&body) {
            assert_eq!(http_body::Body::size_hint(&body).exact().unwrap(), (bytes.len() - taken.len()) as u64);
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES, "{}", piece.len());
            taken.extend_from_slice(&piece);
        }
        assert_eq!(taken, bytes);
    }

    #[tokio::test]
    async fn whoever_takes_nothing_of_an_answer_is_not_waited_for() {
        let (mut client, server) = tokio::io::duplex(64 << 10);
        let (body, given_up) = endless();
        let body = Arc::new(Mutex::new(Some(body)));
        let answer = move |_request, _peer| {
            let body = body.lock().unwrap().take().unwrap();
            async move { Response::new(body) }
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(one(server, came(), impatient(), stop, answer));
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(given_up.await.is_err(), "the answer was dropped");
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_stream_without_room_is_not_waited_for_and_the_others_go_on() {
        let (client, server) = tokio::io::duplex(1 << 20);
        let (body, given_up) = endless();
        let body = Arc::new(Mutex::new(Some(body)));
        let answer = move |_request, _peer| {
            let body = body.lock().unwrap().take().unwrap_or_default();
            async move { Response::new(body) }
        };
        let stop = CancellationToken::new();
        tokio::spawn(two(server, came(), impatient(), stop, answer));
        let io = TokioIo::new(client);
        let executor = TokioExecutor::new();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let asked = || Request::get("http://x/").body(Body::empty()).unwrap();
        // Its head is read, and nothing of its body.
        let unread = sender.send_request(asked()).await.unwrap();
        assert!(given_up.await.is_err(), "the answer was dropped");
        assert_eq!(sender.send_request(asked()).await.unwrap().status(), StatusCode::OK);
        drop(unread);
    }
}
