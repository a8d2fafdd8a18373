//! The credentials of one file, found once, and what is shown without them: other gates quote what a builder wrote.
//!
//! Refuses to show a part of a file in which they cannot be told one by one.

use crate::{Scanner, report::redacted, text::Text};
use std::ops::Range;

/// A beginning as short as this is a rule's own prefix, and no part of a value.
const QUOTED_MIN: usize = 10;

/// The credentials that stand in a file.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// None when nothing could be looked for: then nothing is shown either.
    values: Option<Vec<Value>>,
    /// In the bytes of the file, from top to bottom.
    places: Option<Vec<Range<usize>>>,
}

#[derive(Debug, Clone)]
struct Value {
    /// In small letters.
    value: String,
    /// What stands for it.
    shown: String,
}

impl Credentials {
    pub(crate) fn of(text: &Text<'_>, mut hits: Vec<Range<usize>>) -> Self {
        hits.sort_by_key(|hit| hit.start);
        let values = hits.iter().map(|hit| Value::of(text.bytes.get(hit.clone()).unwrap_or_default())).collect();
        let told = text.skipped.filter(|_| hits.len() <= Scanner::MAX_FINDINGS);
        let places = told.map(|skipped| hits.into_iter().map(|hit| hit.start + skipped..hit.end + skipped).collect());
        Self { values: Some(values), places }
    }

    /// Where they stand; `None` when they cannot be told one by one, since there are too many or the file is not UTF-8.
    #[must_use]
    pub fn places(&self) -> Option<&[Range<usize>]> {
        self.places.as_deref()
    }

    /// `text`, which says something about the file, without them. A value that was cut, or written in small letters, is
    /// found by its beginning.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        // Where nothing says what to hide, the release is stopped by `scan.broken` anyway.
        let Some(values) = &self.values else { return String::new() };
        values.iter().fold(text.to_owned(), |shown, value| value.hidden(&shown))
    }

    /// What stands in `part` of the file `source` itself, without them, also where the part begins or ends within one.
    #[must_use]
    pub fn part(&self, source: &[u8], part: Range<usize>) -> Option<String> {
        let (mut shown, mut from) = (String::new(), part.start);
        let all = self.values.iter().flatten().zip(self.places()?);
        for (value, at) in all.filter(|(_, at)| at.start < part.end && part.start < at.end) {
            shown.push_str(&String::from_utf8_lossy(source.get(from..at.start.max(from))?));
            shown.push_str(&value.shown);
            from = at.end.min(part.end);
        }
        shown.push_str(&String::from_utf8_lossy(source.get(from..part.end)?));
        Some(self.hide(&shown))
    }
}

impl Value {
    fn of(bytes: &[u8]) -> Self {
        let value = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        Self { value, shown: redacted(bytes).replace('`', "") }
    }

    /// So much of its beginning that it says something.
    fn beginning(&self) -> &str {
        let value = self.value.as_str();
        let least = (QUOTED_MIN..value.len()).find(|&at| value.is_char_boundary(at));
        value.get(..least.unwrap_or(value.len())).unwrap_or_default()
    }

    /// On one walk through the text, however often it stands there.
    fn hidden(&self, text: &str) -> String {
        let (beginning, lower) = (self.beginning(), text.to_ascii_lowercase());
        if beginning.is_empty() {
            return text.to_owned();
        }
        let (mut shown, mut from) = (String::with_capacity(text.len()), 0);
        while let Some(at) = lower.get(from..).and_then(|rest| rest.find(beginning)).map(|at| from + at) {
            let rest = lower.get(at..).unwrap_or_default();
            let same = rest.bytes().zip(self.value.bytes()).take_while(|(shown, kept)| shown == kept).count();
            shown.push_str(text.get(from..at).unwrap_or_default());
            shown.push_str(&self.shown);
            from = at + rest.floor_char_boundary(same);
        }
        shown.push_str(text.get(from..).unwrap_or_default());
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(source: &str, values: &[&str]) -> Credentials {
        let places =
            values.iter().flat_map(|value| source.match_indices(value).map(|(at, value)| at..at + value.len()));
        Credentials::of(&Text::of(source.as_bytes()), places.collect())
    }

    #[test]
    fn what_others_quote_is_hidden() {
        let value = format!("abc{}key{}", "abc".repeat(6), "cab".repeat(6));
        let known_one = known(&format!("id = \"{value}\""), &[&value]);
        for (text, hidden) in [
            (format!("`{value}` is no id"), "`abca… (42 characters)` is no id".to_owned()),
            (format!("`{}…` is no id", &value[..20]), "`abca… (42 characters)…` is no id".to_owned()),
            (format!("write `{}`", value.to_ascii_uppercase()), "write `abca… (42 characters)`".to_owned()),
            (format!("{value}, twice {value}"), "abca… (42 characters), twice abca… (42 characters)".to_owned()),
            ("`abcabc` is short".to_owned(), "`abcabc` is short".to_owned()),
        ] {
            assert_eq!(known_one.hide(&text), hidden);
        }
        assert_eq!(known("nothing here", &[]).hide(&value), value);
        assert_eq!(Credentials::default().hide("anything"), "");
        // A value that is a part of its own redaction ends the search all the same.
        let own = known("key=characters", &["characters"]);
        assert_eq!(own.hide("say characters"), "say ch\u{2026} (10 characters)");
    }

    #[test]
    fn a_part_that_begins_within_a_credential_shows_nothing_of_it() {
        let source = "a\nkey-one-long\nkey-two-long\nkey-end-long b\nc";
        let known = known(source, &["key-one-long\nkey-two-long\nkey-end-long"]);
        let lines: Vec<_> = source.match_indices('\n').map(|(at, _)| at).collect();
        let line = |from: usize, to: usize| known.part(source.as_bytes(), from..to).unwrap();
        assert_eq!(line(0, lines[0]), "a");
        for within in [lines[0] + 1..lines[1], lines[1] + 1..lines[2], lines[1] + 4..lines[1] + 6] {
            assert_eq!(line(within.start, within.end), "key-… (38 characters)");
        }
        assert_eq!(line(lines[2] + 1, lines[3]), "key-… (38 characters) b");
        assert_eq!(line(lines[3] + 1, source.len()), "c");
        assert_eq!(Credentials::default().part(b"anything", 0..3), None);
    }
}
