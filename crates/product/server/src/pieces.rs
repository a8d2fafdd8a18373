//! Bytes on their way from code that blocks to whoever takes them, piece by piece. Off the async threads.

use bytes::Bytes;
use std::io::{self, Write};
use tokio::sync::mpsc;

/// Bytes that go out at once.
const PIECE_BYTES: usize = 64 << 10;

/// Hands over what is written to it; waits while nobody takes it, and fails once nobody will.
pub(crate) struct Pieces {
    to: mpsc::Sender<io::Result<Bytes>>,
    held: Vec<u8>,
}

impl Pieces {
    pub(crate) const fn new(to: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { to, held: Vec::new() }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.held));
        if piece.is_empty() {
            return Ok(());
        }
        self.to.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
