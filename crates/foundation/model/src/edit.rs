//! A change of one file that a finding offers: which bytes, and what stands in their place. Refuses to be applied where
//! the file is not the one that it was made for.

use serde::{Deserialize, Serialize};

/// The bytes of `file` from `start` to `end` become `text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Path inside the bundle, with `/`.
    pub file: String,
    /// In bytes from the beginning of the file as it stands.
    pub start: usize,
    /// The first byte that stays; equal to `start` when nothing goes.
    pub end: usize,
    pub text: String,
}

impl Edit {
    #[must_use]
    pub fn replace(file: impl Into<String>, range: std::ops::Range<usize>, text: impl Into<String>) -> Self {
        Self { file: file.into(), start: range.start, end: range.end, text: text.into() }
    }

    #[must_use]
    pub fn insert(file: impl Into<String>, at: usize, text: impl Into<String>) -> Self {
        Self::replace(file, at..at, text)
    }

    /// Whether both touch the same place of one file, so that the second means another one once the first is made.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.file == other.file && self.start <= other.end && other.start <= self.end
    }
}

/// `bytes` of `file` after the edits that are of this file. `None`: two of them meet, or one lies outside.
#[must_use]
pub fn edited(file: &str, bytes: &[u8], edits: &[Edit]) -> Option<Vec<u8>> {
    let mut own: Vec<&Edit> = edits.iter().filter(|edit| edit.file == file).collect();
    own.sort_by_key(|edit| edit.start);
    let met = own.iter().zip(own.iter().skip(1)).any(|(one, next)| one.meets(next));
    if met {
        return None;
    }
    let (mut out, mut from) = (Vec::with_capacity(bytes.len()), 0);
    for edit in own {
        out.extend_from_slice(bytes.get(from..edit.start)?);
        out.extend_from_slice(edit.text.as_bytes());
        from = edit.end;
        bytes.get(edit.start..edit.end)?;
    }
    out.extend_from_slice(bytes.get(from..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_made_together_or_not_at_all() {
        let edits = [Edit::insert("a", 5, "!"), Edit::replace("a", 0..1, "H"), Edit::replace("b", 0..9, "")];
        assert_eq!(edited("a", b"hello", &edits).unwrap(), b"Hello!");
        assert_eq!(edited("c", b"same", &edits).unwrap(), b"same");
        for wrong in [
            vec![Edit::replace("a", 0..2, ""), Edit::replace("a", 1..3, "")],
            vec![Edit::insert("a", 2, "x"), Edit::insert("a", 2, "y")],
            vec![Edit::replace("a", 3..9, "")],
            vec![Edit { file: "a".into(), start: 4, end: 2, text: String::new() }],
            vec![Edit::insert("a", 6, "")],
        ] {
            assert_eq!(edited("a", b"hello", &wrong), None, "{wrong:?}");
        }
    }
}
