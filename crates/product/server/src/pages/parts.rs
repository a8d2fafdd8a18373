//! The values that the parts of a page show: moments, words with code in them, pages of a list, the shell around it all.
//!
//! Refuses to hand markup on: what a person wrote is escaped here or in the template, never trusted.

use model::{Timestamp, manifest::Change};
use std::fmt;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Below this, 'just now' says as much as a number.
const NOW_MS: i64 = 5_000;
/// Beyond this many days a date says more than a count.
const DAYS_MAX: i64 = 400;

/// A moment: relative to be read, exact to be looked up.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) exact: String,
    pub(crate) relative: String,
}

impl Moment {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { exact: at.to_string(), relative: relative(at, now) }
    }

    pub(crate) fn opt(at: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        at.map(|at| Self::new(at, now))
    }
}

/// `just now`, `3 minutes ago`, `in 90 days`.
fn relative(at: Timestamp, now: Timestamp) -> String {
    let ms = at.as_ms() - now.as_ms();
    if ms.abs() < NOW_MS {
        return "just now".to_owned();
    }
    let (count, unit) = match ms.abs() {
        span if span < MINUTE_MS => (span / 1_000, "second"),
        span if span < HOUR_MS => (span / MINUTE_MS, "minute"),
        span if span < DAY_MS => (span / HOUR_MS, "hour"),
        span if span < DAYS_MAX * DAY_MS => (span / DAY_MS, "day"),
        _ => return at.to_string().chars().take(10).collect(),
    };
    let words = counted(u64::try_from(count).unwrap_or_default(), unit);
    if ms < 0 { format!("{words} ago") } else { format!("in {words}") }
}

/// `1 day`, `2 days`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `12 ms`, `1.2 s`.
pub(crate) fn took(from: Timestamp, to: Timestamp) -> String {
    let ms = to.since(from).as_millis();
    if ms < 1_000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1_000, ms % 1_000 / 100) }
}

/// `model::Said`, as a template takes it: markup already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said(model::Said);

impl Said {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(model::Said::new(text))
    }

    /// A place in a file, `app.js:3`, begins a sentence as it is.
    pub(crate) fn sentence(text: &str) -> Self {
        let first = text.split_whitespace().next().unwrap_or_default();
        if first.trim_end_matches([':', '.', ',']).contains(['.', ':', '/', '_']) {
            return Self::new(text);
        }
        Self(model::Said::sentence(text))
    }

    pub(crate) fn plain(&self) -> String {
        self.0.plain()
    }

    /// The mark that ends it as a sentence, unless it brings one.
    pub(crate) fn stop(&self) -> &'static str {
        if self.0.plain().ends_with(['.', '?', '!']) { "" } else { "." }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl askama::filters::HtmlSafe for Said {}

/// One change of authority, as a line.
#[derive(Debug, Clone)]
pub(crate) struct DiffLine {
    /// `added`, `widened`, `narrowed`, `removed`, `reworded`.
    pub(crate) kind: &'static str,
    pub(crate) text: Said,
}

impl From<&Change> for DiffLine {
    fn from(change: &Change) -> Self {
        Self { kind: change.kind.as_str(), text: Said::new(change.text.as_str()) }
    }
}

/// A link of a list of links: tabs, filters, crumbs.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    pub(crate) href: String,
    pub(crate) label: String,
    pub(crate) here: bool,
}

impl Tab {
    pub(crate) fn new(href: impl Into<String>, label: impl Into<String>, here: bool) -> Self {
        Self { href: href.into(), label: label.into(), here }
    }
}

/// One of a form's choices.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) value: &'static str,
    pub(crate) label: &'static str,
    pub(crate) chosen: bool,
}

/// A table of choices, with the one that the query names marked.
pub(crate) fn choices(of: &[(&'static str, &'static str)], chosen: &str) -> Vec<Choice> {
    of.iter().map(|(value, label)| Choice { value, label, chosen: *value == chosen }).collect()
}

/// Where a list goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pager {
    /// `1–50 of 5,000`.
    pub(crate) range: String,
    pub(crate) before: Option<String>,
    pub(crate) next: Option<String>,
}

impl Pager {
    /// Page `page` (from 1) of a list in memory; `href` makes the address of another page.
    pub(crate) fn of(total: usize, page: usize, size: usize, href: impl Fn(usize) -> String) -> Self {
        let first = (page - 1) * size;
        let last = (first + size).min(total);
        Self {
            range: if total == 0 { String::new() } else { format!("{}–{} of {}", first + 1, last, thousands(total)) },
            before: (page > 1).then(|| href(page - 1)),
            next: (last < total).then(|| href(page + 1)),
        }
    }
}

/// `5,000`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a command line needs to be copied whole: single quotes around what is not plain.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A query string of the pairs that say something.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        text.append_pair(key, value);
    }
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_say_where_they_are() {
        let pager = Pager::of(5_000, 2, 50, |page| format!("?page={page}"));
        assert_eq!(
            (pager.range.as_str(), pager.before.as_deref(), pager.next.as_deref()),
            ("51–100 of 5,000", Some("?page=1"), Some("?page=3"))
        );
        assert!(Pager::of(50, 1, 50, |_| String::new()).next.is_none());
        assert_eq!(thousands(1_234_567), "1,234,567");
    }

    #[test]
    fn a_sentence_ends_once() {
        let end = |text: &str| Said::new(text).stop();
        assert_eq!((end("did you mean `purpose`?"), end("name `purpose`"), end("It ends.")), ("", ".", ""));
    }

    #[test]
    fn commands_can_be_copied_whole() {
        assert_eq!((quoted("ana@example.test"), quoted("it's")), ("ana@example.test".into(), r"'it'\''s'".into()));
    }
}
