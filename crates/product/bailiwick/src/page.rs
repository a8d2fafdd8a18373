//! A page of text: lines, facts and tables in columns that stand under each other, and the next step at the end.

use crate::{
    ink::{self, Ink, Tone},
    when,
};
use model::Timestamp;

/// What separates columns.
const GUTTER: &str = "   ";
const INDENT: &str = "  ";

/// One cell of a table, or one value of a fact.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into().replace(['\n', '\t'], " "), tone }
    }

    pub(crate) fn state(word: &str) -> Self {
        let (text, tone) = ink::state(word);
        Self::new(tone, text)
    }

    pub(crate) fn or_none(text: Option<&str>) -> Self {
        text.map_or_else(|| Self::new(Tone::Quiet, "–"), Self::from)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(Tone::Plain, text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Text on its way to a person.
#[derive(Debug)]
pub(crate) struct Page {
    ink: Ink,
    now: Timestamp,
    text: String,
    next: Option<String>,
}

impl Page {
    pub(crate) const fn new(ink: Ink, now: Timestamp) -> Self {
        Self { ink, now, text: String::new(), next: None }
    }

    /// The text for stdout, and the next step for stderr.
    pub(crate) fn done(self) -> (String, Option<String>) {
        (self.text, self.next)
    }

    pub(crate) const fn ink(&self) -> Ink {
        self.ink
    }

    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        self.ink.paint(tone, text)
    }

    /// `● live`.
    pub(crate) fn state(&self, word: &str) -> String {
        let (text, tone) = ink::state(word);
        self.ink.paint(tone, &text)
    }

    pub(crate) fn ago(&self, at: Timestamp) -> String {
        when::relative(at, self.now)
    }

    /// The same for an end that is counted on: to the next hour, not to a whole day that has begun.
    pub(crate) fn soon(&self, at: Timestamp) -> String {
        when::soon(at, self.now)
    }

    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref().trim_end());
        self.text.push('\n');
    }

    /// A line below a heading.
    pub(crate) fn under(&mut self, text: impl AsRef<str>) {
        self.line(format!("{INDENT}{}", text.as_ref()));
    }

    /// Somebody's own words, on one line: more of them could look like lines of ours.
    pub(crate) fn quote(&mut self, label: &str, words: &str) {
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        self.under(format!("{label}“{words}”"));
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(crate) fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.blank();
        }
        let text = self.paint(Tone::Strong, text);
        self.line(text);
    }

    /// What to do next, as a command.
    pub(crate) fn next(&mut self, command: impl Into<String>) {
        self.next = Some(command.into());
    }

    /// Labels and values, the values under each other.
    pub(crate) fn facts<'a>(&mut self, facts: impl IntoIterator<Item = (&'a str, Cell)>) {
        let rows = facts.into_iter().map(|(label, value)| vec![Cell::new(Tone::Quiet, label), value]).collect();
        self.rows(rows);
    }

    /// A table with a line of headings; nothing when there are no rows.
    pub(crate) fn table(&mut self, headings: &[&str], rows: Vec<Vec<Cell>>) {
        if rows.is_empty() {
            return;
        }
        let headings = headings.iter().map(|heading| Cell::new(Tone::Quiet, *heading)).collect();
        let mut all = vec![headings];
        all.extend(rows);
        self.rows(all);
    }

    /// Rows without headings.
    pub(crate) fn rows(&mut self, rows: Vec<Vec<Cell>>) {
        let mut widths: Vec<usize> = Vec::new();
        for row in &rows {
            for (column, cell) in row.iter().enumerate() {
                let width = console::measure_text_width(&cell.text);
                match widths.get_mut(column) {
                    Some(widest) => *widest = (*widest).max(width),
                    None => widths.push(width),
                }
            }
        }
        for row in rows {
            let mut line = INDENT.to_owned();
            let mut owed = 0;
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&" ".repeat(owed));
                line.push_str(&self.paint(cell.tone, &cell.text));
                owed = GUTTER.len() + width.saturating_sub(console::measure_text_width(&cell.text));
            }
            self.line(line);
        }
    }
}

/// An id as a table shows it; `--json` has it whole.
pub(crate) fn short(id: &str) -> String {
    const SHOWN: usize = 19;
    if id.chars().count() <= SHOWN + 1 {
        return id.to_owned();
    }
    let head: String = id.chars().take(SHOWN).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_and_no_line_ends_in_blanks() {
        let mut page = Page::new(Ink::None, Timestamp::from_ms(0));
        page.table(
            &["name", "state", "why"],
            vec![
                vec!["ünïcode 日本".into(), Cell::state("live"), "".into()],
                vec!["a".into(), Cell::state("revoked"), "two\nlines".into()],
            ],
        );
        assert_eq!(
            page.done().0,
            "  name           state       why\n  ünïcode 日本   ● live\n  a              ✕ revoked   two lines\n"
        );
    }
}
