//! What a guest prints, cut into lines and bounded, on its way to the [`Door`].
//!
//! The engine writes `0x1e` and JSON; other languages write plain lines.

use crate::{
    door::{Door, Level, LogLine},
    positions::Positions,
};
use bytes::Bytes;
use serde::Deserialize;
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// What one request may print: enough for any honest log, too little to fill a disk.
const REQUEST_BYTES: usize = 64 << 10;
/// One line; the rest of a longer one is cut off.
const LINE_BYTES: usize = 16 << 10;
/// What a guest may hand over in one write.
const WRITE_BYTES: usize = 64 << 10;
/// Marks a line that is a JSON entry of the engine.
const ENTRY_MARK: u8 = 0x1e;

/// Where lines go.
pub(crate) trait Lines: Send + Sync {
    fn line(&self, line: LogLine);
}

impl Lines for Arc<dyn Door> {
    fn line(&self, line: LogLine) {
        self.log(line);
    }
}

struct State {
    left: usize,
    cut: bool,
    partial: Vec<u8>,
    last_error: Option<String>,
}

/// The log of one instance; clones share it.
#[derive(Clone)]
pub(crate) struct Log {
    lines: Arc<dyn Lines>,
    positions: Arc<Positions>,
    state: Arc<Mutex<State>>,
}

#[derive(Deserialize)]
struct Entry {
    level: Level,
    text: String,
    at: Option<String>,
}

impl Log {
    pub(crate) fn new(lines: Arc<dyn Lines>, positions: Arc<Positions>) -> Self {
        let state = State { left: REQUEST_BYTES, cut: false, partial: Vec::new(), last_error: None };
        Self { lines, positions, state: Arc::new(Mutex::new(state)) }
    }

    /// The text of the last entry of level `error`.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.lock().last_error.clone()
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut state = self.lock();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if state.cut {
                return;
            }
            let (content, whole) = part.strip_suffix(b"\n").map_or((part, false), |content| (content, true));
            let room = LINE_BYTES.saturating_sub(state.partial.len()).min(content.len());
            state.partial.extend(content.iter().take(room));
            if whole {
                self.flush(&mut state);
            }
        }
    }

    /// Hands on what stands there without an end of line.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if !state.partial.is_empty() {
            self.flush(&mut state);
        }
    }

    fn flush(&self, state: &mut State) {
        let line = std::mem::take(&mut state.partial);
        // An empty line counts too, or a million of them would be free.
        let cost = line.len().max(1);
        if cost > state.left {
            state.cut = true;
            let text = format!("this request printed more than {} KiB; the rest is not kept", REQUEST_BYTES >> 10);
            self.lines.line(LogLine { level: Level::Warn, text, at: None });
            return;
        }
        state.left -= cost;
        let entry = self.entry(&line);
        if entry.level == Level::Error {
            state.last_error = Some(entry.text.clone());
        }
        self.lines.line(entry);
    }

    fn entry(&self, line: &[u8]) -> LogLine {
        let parsed = line.strip_prefix(&[ENTRY_MARK]).and_then(|json| serde_json::from_slice::<Entry>(json).ok());
        match parsed {
            Some(Entry { level, text, at }) => {
                LogLine { level, text: self.positions.map_text(&text), at: at.map(|at| self.positions.map_text(&at)) }
            }
            None => LogLine { level: Level::Log, text: String::from_utf8_lossy(line).into_owned(), at: None },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Log {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        Self::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Log {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Self::write(&self, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<LogLine>>);
    impl Lines for Kept {
        fn line(&self, line: LogLine) {
            self.0.lock().unwrap().push(line);
        }
    }

    fn printed(writes: &[&[u8]]) -> Vec<LogLine> {
        let kept = Arc::new(Kept::default());
        let log = Log::new(Arc::clone(&kept) as Arc<dyn Lines>, Arc::default());
        writes.iter().for_each(|bytes| log.write(bytes));
        log.close();
        std::mem::take(&mut *kept.0.lock().unwrap())
    }

    #[test]
    fn entries_and_plain_lines_arrive_whole_whatever_the_writes() {
        let lines =
            printed(&[b"\x1e{\"level\":\"warn\",", b"\"text\":\"a\\nb\",\"at\":\"x.js:1:2\"}\npl", b"ain\nrest"]);
        assert_eq!(lines[0], LogLine { level: Level::Warn, text: "a\nb".into(), at: Some("x.js:1:2".into()) });
        assert_eq!(lines[1].text, "plain");
        assert_eq!((lines[2].text.as_str(), lines[2].level), ("rest", Level::Log));
    }

    #[test]
    fn a_flood_ends_with_one_notice() {
        let lines = printed(&vec![&b"0123456789abcdef\n"[..]; 10_000]);
        assert!(lines.len() < 5_000);
        assert!(lines.last().unwrap().text.contains("the rest is not kept"));
        assert_eq!(printed(&vec![&b"\n"[..]; 100_000]).len(), REQUEST_BYTES + 1);
    }

    #[test]
    fn a_long_line_is_cut_and_broken_entries_are_plain() {
        assert_eq!(printed(&[&[b'x'; 40_000], b"\n"])[0].text.len(), LINE_BYTES);
        assert_eq!(printed(&[b"\x1e{broken\n"])[0].level, Level::Log);
        assert_eq!(printed(&[b"\xff\xfe\n"])[0].text, "\u{fffd}\u{fffd}");
    }
}
