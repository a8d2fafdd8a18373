//! One table of the manifest: its keys, each as its type. Refuses unknown keys and says what is missing.

use super::{
    keys::{FIELD, Keys, Need},
    mend::Mend,
    report::{Report, invisible, shown, words},
    value::{Text, Value, table, text, texts, wrong_type},
};
use std::ops::Range;
use toml::{Spanned, de::DeTable};

/// A sentence that a reviewer reads whole.
const SENTENCE_CHARS_MAX: usize = 240;

/// Where a key that is missing would go.
enum With {
    /// Under the header, which may have to be written, too.
    Under,
    /// Between the braces of a field: the whole line, as it would be.
    Within(String),
    /// Where the other keys are, each on a line of its own, or in braces over several.
    Beside,
}

/// One table of the manifest.
pub(super) struct Section<'t> {
    pub(super) path: String,
    /// Where it starts; absent when the manifest does not have it.
    pub(super) at: Option<usize>,
    /// All of it, where it is one value: an inline table.
    span: Option<Range<usize>>,
    keys: &'static Keys,
    /// Required keys that stand here in another spelling, which was said.
    misspelt: Vec<&'static str>,
    table: Option<&'t DeTable<'t>>,
}

impl<'t> Section<'t> {
    /// Opens a table, and refuses keys that it does not have (`except` those).
    pub(super) fn open(
        keys: &'static Keys,
        path: String,
        value: Option<&'t Value<'t>>,
        except: &[&str],
        report: &mut Report<'_>,
    ) -> Self {
        let table = value.and_then(|value| table(&path, value, report));
        let misspelt = table.map(|table| keys.judge(table, &path, except, report)).unwrap_or_default();
        let span = value.map(Spanned::span);
        Self { path, at: span.as_ref().map(|span| span.start), span, keys, misspelt, table }
    }

    /// The value of a key; says so when it is required and not there.
    pub(super) fn find(&self, key: &str, report: &mut Report<'_>) -> Option<&'t Value<'t>> {
        let found = self.table.and_then(|table| table.get(key));
        if found.is_none() && self.keys.need(key) == Need::Required && !self.misspelt.contains(&key) {
            let what = format!("`{}` is missing", shown(&self.name(key)));
            let line = self.keys.line(key, report.latest);
            let example = line.as_deref().unwrap_or_else(|| self.keys.example(key));
            let fix = match self.with(example, report) {
                With::Under => format!("write `{example}` under `[{}]`", shown(&self.path)),
                With::Within(whole) => format!("write `{whole}`"),
                With::Beside => format!("write `{example}` beside the other keys of `{}`", shown(&self.path)),
            };
            let fix = match self.keys.choice(key) {
                Some(classes) => format!("{fix}, with the class that fits: {classes}"),
                None => fix,
            };
            let mend = line.map(|line| match self.at {
                Some(at) => Mend::Under(at, self.path.clone(), line),
                None => Mend::Append(format!("[{}]\n{line}", self.path)),
            });
            // The line that could not be read may be the section's own.
            let section = self.path.split('.').next().filter(|_| self.at.is_none());
            let may_bring: Vec<&str> = section.into_iter().chain([key]).collect();
            let why = "the manifest has to say it: nothing stands in for it";
            let told = words("manifest.missing", what, why, fix).mended(mend);
            report.missing(self.at, &may_bring, told);
        }
        found
    }

    /// Where a key that is missing would go, by how the section is written.
    fn with(&self, example: &str, report: &Report<'_>) -> With {
        let Some(span) = self.span.as_ref().filter(|_| self.table.is_some()) else { return With::Under };
        // What stands in other sections may be a value that was pasted, so no message repeats it.
        let field = self.keys.section == FIELD.section;
        match report.with_entry(span, example).filter(|_| field) {
            Some(whole) => With::Within(whole),
            None if report.heads(span.start) => With::Under,
            None => With::Beside,
        }
    }

    /// Where a key stands, for keys that are refused as such.
    pub(super) fn stands(&self, key: &str) -> Option<usize> {
        self.table.and_then(|table| table.get_key_value(key)).map(|(key, _)| key.span().start)
    }

    /// Where a list stands that has nothing in it.
    pub(super) fn empty_list(&self, key: &str) -> Option<usize> {
        let value = self.table.and_then(|table| table.get(key))?;
        value.get_ref().as_array().filter(|list| list.is_empty()).map(|_| value.span().start)
    }

    pub(super) fn text(&self, key: &str, report: &mut Report<'_>) -> Option<Text<'t>> {
        let value = self.find(key, report)?;
        text(&self.name(key), self.keys.example(key), value, report)
    }

    /// A list of texts, empty when there is none.
    pub(super) fn texts(&self, key: &str, report: &mut Report<'_>) -> Vec<Text<'t>> {
        let Some(value) = self.find(key, report) else {
            return Vec::new();
        };
        texts(&self.name(key), self.keys.example(key), value, report)
    }

    /// A text that people read: one line, nothing invisible.
    pub(super) fn sentence(&self, key: &str, report: &mut Report<'_>) -> Option<String> {
        let found = self.text(key, report)?;
        let name = shown(&self.name(key));
        let trimmed = found.text.trim();
        let wrong = if trimmed.is_empty() {
            format!("`{name}` is empty")
        } else if trimmed.chars().count() > SENTENCE_CHARS_MAX {
            format!("`{name}` is longer than {SENTENCE_CHARS_MAX} characters")
        } else if let Some(c) = trimmed.chars().find(|c| invisible(*c)) {
            format!("`{name}` holds the character U+{:04X}, which nobody can see", u32::from(c))
        } else {
            return Some(trimmed.to_owned());
        };
        let why = "the people who approve the app read it";
        let fix = format!("write one plain sentence, as in `{}`", self.keys.example(key));
        report.block(found.at, words("manifest.bad_value", wrong, why, fix));
        None
    }

    pub(super) fn flag(&self, key: &str, report: &mut Report<'_>) -> Option<bool> {
        let value = self.find(key, report)?;
        value
            .get_ref()
            .as_bool()
            .or_else(|| wrong_type(&self.name(key), "`true` or `false`", self.keys.example(key), value, report))
    }

    /// A whole number within `range`.
    pub(super) fn whole(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<u32>,
        report: &mut Report<'_>,
    ) -> Option<u32> {
        let value = self.find(key, report)?;
        let name = self.name(key);
        let Some(integer) = value.get_ref().as_integer() else {
            return wrong_type(&name, "a whole number", self.keys.example(key), value, report);
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        number.filter(|number| range.contains(number)).or_else(|| {
            let what = format!("`{}` is {}", shown(&name), shown(integer.as_str()));
            let why = format!("it may be {} to {}", range.start(), range.end());
            let at = value.span().start;
            let nearest = if integer.as_str().starts_with('-') { range.start() } else { range.end() };
            let nearest = if number.is_some_and(|number| number < *range.start()) { range.start() } else { nearest };
            let fix = format!("write `{key} = {nearest}`, or a number in that range");
            let mend = Mend::Value(at, nearest.to_string());
            report.block(at, words("manifest.bad_value", what, why, fix).mended(mend));
            None
        })
    }

    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn example(&self, key: &str) -> &'static str {
        self.keys.example(key)
    }
}
