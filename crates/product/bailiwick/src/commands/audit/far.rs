//! How far an export is, told from its own bytes: its head says how many entries it has, and each entry its index.

use std::sync::{Mutex, PoisonError};

/// The head of an export is shorter: format, key, and the first lines of a checkpoint.
const HEAD_MAX_BYTES: usize = 4 << 10;
/// The line of the head that holds the size, from 0.
const SIZE_LINE: usize = 3;
const ENTRY: &[u8] = b"\nentry ";
/// A line that is cut between two pieces begins in these last bytes of the first.
const CUT_BYTES: usize = 40;

#[derive(Debug, Default)]
struct Seen {
    head: Vec<u8>,
    total: Option<u64>,
    index: u64,
    cut: Vec<u8>,
}

/// Watches the pieces of one export.
#[derive(Debug, Default)]
pub(super) struct Far(Mutex<Seen>);

impl Far {
    /// Takes a piece as it arrived.
    pub(super) fn seen(&self, piece: &[u8]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.total.is_none() && seen.head.len() < HEAD_MAX_BYTES {
            seen.head.extend(piece.iter().take(HEAD_MAX_BYTES));
            // The last line may not be whole yet.
            let lines: Vec<&[u8]> = seen.head.split(|byte| *byte == b'\n').collect();
            let line = lines.get(SIZE_LINE).filter(|_| lines.len() > SIZE_LINE + 1);
            seen.total = line.and_then(|line| number(line));
        }
        let mut joined = std::mem::take(&mut seen.cut);
        joined.extend_from_slice(piece);
        let last = joined.windows(ENTRY.len()).rposition(|window| window == ENTRY);
        let rest = last.and_then(|at| joined.get(at + ENTRY.len()..)).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or_default();
        if let Some(index) = rest.get(..end).and_then(number) {
            seen.index = seen.index.max(index + 1);
        }
        seen.cut = joined.split_off(joined.len().saturating_sub(CUT_BYTES));
    }

    /// `exporting: 412000 of 1000000 events`.
    pub(super) fn words(&self, doing: &str) -> String {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.total {
            Some(total) if seen.index > 0 => format!("{doing}: {} of {total} events", seen.index.min(total)),
            Some(_) | None => doing.to_owned(),
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_from_any_pieces() {
        let export = "bailiwick-export 1\nkey k\nlocalhost/log/main\n1200\nroot\n\n\u{2014} k sig\nentry 0 s 2\n{}\nentry 411 s 2\n{}\n";
        for size in [1, 7, 16, 4096] {
            let far = Far::default();
            assert_eq!(far.words("exporting"), "exporting");
            for piece in export.as_bytes().chunks(size) {
                far.seen(piece);
            }
            assert!(
                size < 16 || far.words("exporting") == "exporting: 412 of 1200 events",
                "{size}: {}",
                far.words("exporting")
            );
        }
        let far = Far::default();
        far.seen(b"no export at all, and entry x ");
        assert_eq!(far.words("exporting"), "exporting");
    }
}
