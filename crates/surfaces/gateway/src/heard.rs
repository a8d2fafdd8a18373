//! What comes over a connection of HTTP/1.1 before hyper has read it: the head of each request, whole or as much of it as
//! may be kept.
//!
//! hyper takes one of two lengths away before anyone can see both, and answers a head that is too large by itself, without
//! what would make it smaller. Not a second parser: it looks for the end of a head, and in one whose body is chunked, which
//! browsers do not send, for the words of a length. Refuses to keep more of a head than hyper would.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Of a head that is too large, so much is read, and forgotten: what a browser can send, and then some.
const FORGOTTEN_MAX: usize = 768 << 10;
/// Under what hyper reads, for the end that a head is given when it is cut.
const ROOM: usize = 16;

/// A head as it was heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    cut: bool,
}

impl Head {
    /// It was too large: hyper has read the beginning of it alone.
    pub(crate) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Of one whose body is chunked: whether it gives a length, too. So does one of which the coding was not heard.
    pub(crate) fn names_length(&self) -> bool {
        let lower = self.bytes.to_ascii_lowercase();
        let names = |what: &[u8]| lower.windows(what.len()).any(|window| window == what);
        !names(b"\ntransfer-encoding") || names(b"\ncontent-length")
    }
}

#[derive(Debug, Default)]
struct Hearing {
    head: Head,
    /// Where the head ends, if its end came.
    end: Option<usize>,
    /// Bytes of the body that are still to come.
    body: u64,
}

impl Hearing {
    fn hear(&mut self, bytes: &[u8], most: usize) {
        let passed = bytes.len().min(usize::try_from(self.body).unwrap_or(usize::MAX));
        self.body -= passed as u64;
        let mut new = bytes.get(passed..).unwrap_or_default();
        let head = &mut self.head.bytes;
        if head.is_empty() {
            // Empty lines before a request count for nothing (RFC 9112, section 2.2).
            let begin = new.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(new.len());
            new = new.get(begin..).unwrap_or_default();
        }
        let heard = head.len().saturating_sub(2);
        let room = most.saturating_sub(head.len());
        head.extend_from_slice(new.get(..room).unwrap_or(new));
        self.end = self.end.or_else(|| end(head.get(heard..).unwrap_or_default()).map(|at| heard + at));
    }
}

/// The head that comes next, heard as it comes.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    hearing: Arc<Mutex<Hearing>>,
    most: usize,
}

impl Heard {
    /// `most`: bytes of a head that hyper reads.
    pub(crate) fn new(most: usize) -> Self {
        Self { hearing: Arc::default(), most: most.saturating_sub(ROOM) }
    }

    fn hearing<T>(&self, with: impl FnOnce(&mut Hearing) -> T) -> T {
        with(&mut self.hearing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hear(&self, bytes: &[u8]) {
        self.hearing(|hearing| hearing.hear(bytes, self.most));
    }

    /// How many bytes more of a head may be read, while it is one that is read.
    fn room(&self) -> Option<usize> {
        self.hearing(|hearing| {
            let is_head = hearing.body == 0 && hearing.end.is_none();
            is_head.then(|| self.most.saturating_sub(hearing.head.bytes.len()))
        })
    }

    /// The last bytes of it, in which its end may begin.
    fn last(&self) -> Vec<u8> {
        self.hearing(|hearing| hearing.head.bytes.iter().rev().take(2).rev().copied().collect())
    }

    /// The head is cut off; by which bytes it ends for hyper.
    fn cut(&self) -> &'static [u8] {
        self.hearing(|hearing| {
            hearing.head.cut = true;
            let line = hearing.head.bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            match (line, line.last()) {
                (b"", _) => &b"\r\n"[..],
                (_, Some(b'\r')) => b"\n\r\n",
                (line, _) if line.contains(&b':') => b"\r\n\r\n",
                _ => b":\r\n\r\n",
            }
        })
    }

    /// A request begins whose body is so long: gives its head out. What came behind both is of the next one.
    pub(crate) fn begin(&self, length: u64) -> Head {
        self.hearing(|hearing| {
            let Hearing { mut head, end, .. } = std::mem::take(hearing);
            let rest = head.bytes.split_off(end.unwrap_or(head.bytes.len()));
            hearing.body = length;
            hearing.hear(&rest, self.most);
            head
        })
    }
}

/// Where a head ends: behind its first empty line.
fn end(bytes: &[u8]) -> Option<usize> {
    let at = |what: &[u8]| bytes.windows(what.len()).position(|window| window == what).map(|at| at + what.len());
    [at(b"\n\r\n"), at(b"\n\n")].into_iter().flatten().min()
}

/// A stream whose incoming bytes are heard, and whose heads are cut off where they grow too large.
pub(crate) struct Listened<S> {
    stream: S,
    heard: Heard,
    forgetting: Option<Forgetting>,
}

/// The rest of a head that was cut: its last bytes, in which its end may begin, and how many came.
#[derive(Default)]
struct Forgetting {
    last: Vec<u8>,
    bytes: usize,
    ended: bool,
}

impl<S> Listened<S> {
    pub(crate) const fn new(stream: S, heard: Heard) -> Self {
        Self { stream, heard, forgetting: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> Listened<S> {
    /// Reads what is left of the head, so that its sender is there for the answer; then ends it.
    fn forget(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, heard, forgetting } = self;
        let forgetting = forgetting.get_or_insert_with(|| Forgetting { last: heard.last(), ..Forgetting::default() });
        while !forgetting.ended {
            let mut space = [0; 8 << 10];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
            let new = read.filled();
            forgetting.bytes += new.len();
            if new.is_empty() || forgetting.bytes > FORGOTTEN_MAX {
                return Poll::Ready(Err(io::Error::other("a head has no end")));
            }
            forgetting.last.extend_from_slice(new);
            forgetting.ended = end(&forgetting.last).is_some();
            let done = forgetting.last.len().saturating_sub(2);
            forgetting.last.drain(..done);
        }
        let cut = heard.cut();
        if buffer.remaining() < cut.len() {
            return Poll::Ready(Err(io::Error::other("a head cannot be ended")));
        }
        buffer.put_slice(cut);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match this.heard.room() {
            // Its answer ends the connection: nothing that follows is a request.
            _ if this.forgetting.as_ref().is_some_and(|forgetting| forgetting.ended) => Poll::Pending,
            Some(0) => this.forget(context, buffer),
            Some(room) if room < buffer.remaining() => {
                let mut read = ReadBuf::new(buffer.initialize_unfilled_to(room));
                ready!(Pin::new(&mut this.stream).poll_read(context, &mut read))?;
                let new = read.filled();
                this.heard.hear(new);
                let bytes = new.len();
                buffer.advance(bytes);
                Poll::Ready(Ok(()))
            }
            Some(_) | None => {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
                this.heard.hear(buffer.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listened<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn heard(parts: &[&str]) -> Heard {
        let heard = Heard::new(64 << 10);
        parts.iter().for_each(|part| heard.hear(part.as_bytes()));
        heard
    }

    #[test]
    fn a_head_with_two_lengths_is_heard_whatever_their_order() {
        for (text, both) in [
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 5\r\n\r\n0\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n20\r\ncontent-length: 5\r\n", false),
            ("POST / HTTP/1.1\r\nX-Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("\r\n\r\nPOST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 5\n\n", true),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", true),
        ] {
            assert_eq!(heard(&[text]).begin(u64::MAX).names_length(), both, "{text}");
            let bytes: Vec<&str> = text.split("").collect();
            assert_eq!(heard(&bytes).begin(u64::MAX).names_length(), both, "byte by byte: {text}");
        }
    }

    #[test]
    fn the_head_behind_a_body_or_another_request_is_heard_too() {
        let (one, two) = ("POST / HTTP/1.1\r\ncontent-length: 100000\r\n\r\n", "POST /2 HTTP/1.1\r\n\r\n");
        let body = "x".repeat(100_000);
        for parts in [[one, &body, two], [one, &body[..9], &[&body[9..], two].concat()]] {
            let heard = heard(&parts[..1]);
            assert_eq!(heard.begin(100_000).bytes, one.as_bytes());
            parts[1..].iter().for_each(|part| heard.hear(part.as_bytes()));
            assert_eq!(heard.begin(0).bytes, two.as_bytes());
        }
        let piped = heard(&[&[two, one, "abc"].concat()]);
        assert_eq!(piped.begin(0).bytes, two.as_bytes());
        assert_eq!(piped.begin(3).bytes, one.as_bytes());
        assert_eq!(piped.begin(0), Head::default());
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_cut_and_ended() {
        let begin = "GET / HTTP/1.1\r\na: b\r\n";
        for (at, ended) in [
            (begin.len(), ""),
            (begin.len() - 1, "\n"),
            (begin.len() - 2, "\r\n"),
            (begin.len() - 5, ":\r\n"),
            (begin.len() - 6, ""),
        ] {
            let heard = Heard::new(at + ROOM);
            let rest = "y".repeat(100_000);
            let sent = format!("{begin}{rest}: 1\r\n\r\nGET /not HTTP/1.1\r\n\r\n");
            let (mut client, server) = tokio::io::duplex(1 << 10);
            let sending = tokio::spawn(async move { client.write_all(sent.as_bytes()).await.map(|()| client) });
            let (mut listened, mut read) = (Listened::new(server, heard.clone()), Vec::new());
            while !read.ends_with(b"\n\r\n") {
                assert!(listened.read_buf(&mut read).await.unwrap() > 0);
            }
            assert_eq!(String::from_utf8(read).unwrap(), format!("{}{ended}\r\n", &begin[..at]));
            let head = heard.begin(0);
            assert!(head.is_cut() && head.bytes == begin.as_bytes()[..at]);
            drop(sending.await.unwrap().unwrap());
        }
    }
}
