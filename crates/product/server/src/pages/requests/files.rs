//! Which files of a release differ: a reviewer sees at once that three lines of a style changed, or all of the code.

use crate::pages::parts::counted;
use catalog::{FileChange, Length};

/// So many are named; the others are counted.
const SHOWN: usize = 40;

/// One file, and what became of it.
pub(in crate::pages) struct FileLine {
    /// `added`, `removed`, `changed`.
    pub(in crate::pages) kind: &'static str,
    pub(in crate::pages) path: String,
    /// How long it is, or was and is.
    pub(in crate::pages) says: String,
}

/// Those of a request.
#[derive(Default)]
pub(in crate::pages) struct Files {
    pub(in crate::pages) lines: Vec<FileLine>,
    pub(in crate::pages) more: usize,
}

impl Files {
    pub(super) fn new(changed: impl ExactSizeIterator<Item = (String, FileChange)>) -> Self {
        let more = changed.len().saturating_sub(SHOWN);
        Self { lines: changed.take(SHOWN).map(|(path, change)| line(path, change)).collect(), more }
    }

    /// `3 files`.
    pub(in crate::pages) fn counted(&self) -> String {
        counted((self.lines.len() + self.more) as u64, "file")
    }
}

fn line(path: String, change: FileChange) -> FileLine {
    let (kind, says) = match change {
        FileChange::Added(length) => ("added", long(length)),
        FileChange::Removed(length) => ("removed", long(length)),
        FileChange::Changed { before, now } => ("changed", both(before, now)),
    };
    FileLine { kind, path, says }
}

fn long(length: Length) -> String {
    match length.lines {
        Some(lines) => counted(lines as u64, "line"),
        None => counted(length.bytes as u64, "byte"),
    }
}

fn both(before: Length, now: Length) -> String {
    let (before, now) = (long(before), long(now));
    if before == now { format!("{now} as before") } else { format!("{before} before, {now} now") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_how_long_it_is_and_was() {
        let text = |lines| Length { bytes: 9, lines: Some(lines) };
        let picture = Length { bytes: 1_024, lines: None };
        let changes = [
            FileChange::Added(text(1)),
            FileChange::Removed(picture),
            FileChange::Changed { before: text(3), now: text(4) },
            FileChange::Changed { before: text(4), now: text(4) },
        ];
        let files = Files::new(changes.into_iter().map(|change| ("a".to_owned(), change)));
        let said: Vec<_> = files.lines.iter().map(|line| (line.kind, line.says.as_str())).collect();
        assert_eq!(
            said,
            [
                ("added", "1 line"),
                ("removed", "1024 bytes"),
                ("changed", "3 lines before, 4 lines now"),
                ("changed", "4 lines as before")
            ]
        );
        let many = Files::new(
            (0..SHOWN + 2).map(|at| (at.to_string(), FileChange::Added(picture))).collect::<Vec<_>>().into_iter(),
        );
        assert_eq!((many.lines.len(), many.more, many.counted().as_str()), (SHOWN, 2, "42 files"));
    }
}
