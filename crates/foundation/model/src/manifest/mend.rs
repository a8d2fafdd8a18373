//! What a machine may write into a manifest to mend one finding: a value, a key or a section, in place. Refuses to touch
//! what it cannot tell apart with certainty: texts of several lines, tables that are not written as `[name]`.

use super::report::{FILE, Report};
use crate::Edit;
use std::ops::Range;

/// One change, in terms of what the finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mend {
    /// The value that begins there becomes this text.
    Value(usize, String),
    /// The key that begins there becomes this one.
    Key(usize, String),
    /// This goes in there.
    Insert(usize, String),
    /// This range becomes this text.
    Range(Range<usize>, String),
    /// This line goes under the header of the section, which is written somewhere on the line of that place.
    Under(usize, String, String),
    /// These lines go to the end of the file.
    Append(String),
}

impl Report<'_> {
    /// The change as bytes of the file, when it can be made.
    pub(super) fn edit(&self, mend: Mend) -> Option<Edit> {
        match mend {
            Mend::Value(at, text) => Some(Edit::replace(FILE, self.token(at, ",]}#")?, text)),
            Mend::Key(at, text) => Some(Edit::replace(FILE, self.token(at, ".=]}")?, text)),
            Mend::Insert(at, text) => Some(Edit::insert(FILE, at, text)),
            Mend::Range(range, text) => Some(Edit::replace(FILE, range, text)),
            Mend::Under(at, path, line) => {
                let range = self.line_range(at);
                let header = self.text().get(range.clone())?.trim_start();
                let is_header = header.strip_prefix(&format!("[{path}]")).is_some_and(|rest| !rest.starts_with(']'));
                is_header.then(|| Edit::insert(FILE, range.end, format!("\n{line}")))
            }
            Mend::Append(lines) => {
                let end = self.text().len();
                let before = if self.text().ends_with('\n') { "\n" } else { "\n\n" };
                Some(Edit::insert(FILE, end, format!("{before}{lines}\n")))
            }
        }
    }

    /// The quoted text or bare word that begins there.
    fn token(&self, at: usize, ends: &str) -> Option<Range<usize>> {
        let rest = self.text().get(at..self.line_range(at).end)?;
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
        let length = match quote {
            Some(quote) if rest.starts_with(&quote.to_string().repeat(3)) => return None,
            Some(quote) => closing(rest, quote)?,
            None => rest.find(|c: char| c.is_whitespace() || ends.contains(c)).unwrap_or(rest.len()),
        };
        (length > 0).then_some(at..at + length)
    }
}

/// How long a quoted text is, with its quotes.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            letter if letter == quote => return Some(at + quote.len_utf8()),
            _ => {}
        }
    }
    None
}
