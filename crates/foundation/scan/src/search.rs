//! The search: keywords over the whole file in one pass, then each rule's regex in a window around its keywords.
//!
//! INVARIANT: a windowed rule's match holds one of its keywords and is no longer than its window, so that searching the
//! windows finds exactly what searching the whole file would; no match can touch a window's cut edge.
//! Time is linear in the file for each rule: windows that meet are merged, so that no byte is searched twice.

use crate::{
    credentials::Credentials,
    report::Report,
    rules::{self, Files, Reach, Rule, ScanError},
    text::{Kind, Text},
};
use aho_corasick::AhoCorasick;
use model::Finding;
use regex::bytes::Regex;
use std::{collections::BTreeMap, ops::Range};

/// A boundary assertion looks at one byte beside the match; measured with one more on the other side of a CRLF.
const CONTEXT_BYTES: usize = 2;

/// Rules, compiled, with one automaton over all their keywords.
#[derive(Debug)]
pub struct Scanner {
    rules: Vec<Rule>,
    placeholders: Vec<Regex>,
    keywords: AhoCorasick,
    /// For each keyword, the rules that it wakes, by rank.
    wakes: Vec<Vec<usize>>,
}

/// A credential: where its value stands, and the rank of the rule that knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) rank: usize,
    pub(crate) value: Range<usize>,
}

impl Scanner {
    /// The most findings that one file yields: the first already blocks, and a reader mends a file, not a list.
    pub const MAX_FINDINGS: usize = 100;

    /// Compiles a sheet of rules in the form of `rules/secrets.toml`.
    pub fn from_toml(sheet: &str) -> Result<Self, ScanError> {
        let (rules, placeholders) = rules::parse(sheet)?;
        let mut wakes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (rank, rule) in rules.iter().enumerate() {
            for keyword in &rule.keywords {
                wakes.entry(keyword.to_ascii_lowercase()).or_default().push(rank);
            }
        }
        let keywords = AhoCorasick::builder().ascii_case_insensitive(true).build(wakes.keys())?;
        Ok(Self { rules, placeholders, keywords, wakes: wakes.into_values().collect() })
    }

    /// The rules, most specific first.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Looks through one file; findings from top to bottom.
    #[must_use]
    pub fn scan(&self, path: &str, bytes: &[u8]) -> Vec<Finding> {
        let text = Text::of(bytes);
        let mut hits = self.hits(&text);
        let cut = hits.len() > Self::MAX_FINDINGS;
        hits.truncate(Self::MAX_FINDINGS);
        hits.sort_by_key(|hit| hit.value.start);
        let mut report = Report::new(path, &text);
        for hit in hits {
            if let Some(rule) = self.rules.get(hit.rank) {
                report.found(rule, hit.value);
            }
        }
        if cut {
            report.more();
        }
        report.findings
    }

    /// The credentials that stand in a file.
    #[must_use]
    pub fn credentials(&self, source: &[u8]) -> Credentials {
        let text = Text::of(source);
        Credentials::of(&text, self.hits(&text).into_iter().map(|hit| hit.value).collect())
    }

    /// Disjoint hits, by rank; one more than may be reported tells that there were more.
    fn hits(&self, text: &Text<'_>) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut taken = Taken::default();
        for (rank, windows) in self.windows(&text.bytes).into_iter().enumerate() {
            let Some(rule) = self.rules.get(rank) else {
                continue;
            };
            if rule.files == Files::Text && text.kind == Kind::Binary {
                continue;
            }
            for window in windows {
                for value in self.values(rule, &text.bytes, window) {
                    if taken.claim(&value) {
                        hits.push(Hit { rank, value });
                    }
                    if hits.len() > Self::MAX_FINDINGS {
                        return hits;
                    }
                }
            }
        }
        hits
    }

    /// For each rule, the stretches of the file that its regex must see: in order, merged where they meet.
    fn windows(&self, bytes: &[u8]) -> Vec<Vec<Range<usize>>> {
        let mut windows = vec![Vec::new(); self.rules.len()];
        for found in self.keywords.find_overlapping_iter(bytes) {
            for &rank in self.wakes.get(found.pattern().as_usize()).into_iter().flatten() {
                let (Some(rule), Some(list)) = (self.rules.get(rank), windows.get_mut(rank)) else {
                    continue;
                };
                let window = match rule.reach {
                    Reach::File => 0..bytes.len(),
                    Reach::Window(length) => {
                        let reach = length + CONTEXT_BYTES;
                        found.start().saturating_sub(reach)..found.end().saturating_add(reach).min(bytes.len())
                    }
                };
                merge(list, window);
            }
        }
        windows
    }

    fn values<'t>(
        &'t self,
        rule: &'t Rule,
        bytes: &'t [u8],
        window: Range<usize>,
    ) -> impl Iterator<Item = Range<usize>> + 't {
        let offset = window.start;
        let stretch = bytes.get(window).unwrap_or_default();
        rule.regex.captures_iter(stretch).filter_map(move |captures| {
            let value = captures.iter().skip(1).flatten().next().or_else(|| captures.get(0))?;
            let believed = rule.believes(value.as_bytes())
                && !self.placeholders.iter().any(|placeholder| placeholder.is_match(value.as_bytes()));
            believed.then(|| value.start() + offset..value.end() + offset)
        })
    }
}

/// Keywords come in order of their ends, so only the last window can meet a new one.
fn merge(windows: &mut Vec<Range<usize>>, window: Range<usize>) {
    match windows.last_mut() {
        Some(last) if window.start <= last.end => {
            last.start = last.start.min(window.start);
            last.end = last.end.max(window.end);
        }
        _ => windows.push(window),
    }
}

/// What an earlier, more specific rule has already spoken for.
#[derive(Default)]
struct Taken(BTreeMap<usize, usize>);

impl Taken {
    /// Takes the bytes if none of them is taken.
    fn claim(&mut self, value: &Range<usize>) -> bool {
        let before = self.0.range(..value.end).next_back();
        if before.is_some_and(|(_, &end)| end > value.start) {
            return false;
        }
        self.0.insert(value.start, value.end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A rule with a boundary on each side and one without, the keyword in the middle, at the start and at the end.
    const SHEET: &str = r#"
        placeholders = []
        [[rule]]
        id = "middle"
        name = "n"
        keywords = ["key"]
        regex = '\b[a-c]{2,4}key[a-c]{2,4}\b'
        why = "w"
        mend = "m"
        variable = "V"
        examples.match = []
        examples.clean = []
        [[rule]]
        id = "ends"
        name = "n"
        keywords = ["key", "end"]
        regex = '(?m)^key[ a-c]{1,6}|[a-c]{1,9}end(?:[^a-c]|$)'
        why = "w"
        mend = "m"
        variable = "V"
        examples.match = []
        examples.clean = []
    "#;

    proptest! {
        #[test]
        fn windows_find_what_the_whole_file_holds(pieces in proptest::collection::vec("key|end|[abc]{1,5}| |\n|KEY|k", 0..60)) {
            let scanner = Scanner::from_toml(SHEET).unwrap();
            let file = pieces.concat();
            for (rank, windows) in scanner.windows(file.as_bytes()).into_iter().enumerate() {
                let rule = scanner.rules.get(rank).unwrap();
                let mut windowed: Vec<_> =
                    windows.into_iter().flat_map(|window| scanner.values(rule, file.as_bytes(), window)).collect();
                windowed.dedup();
                let whole: Vec<_> = rule.regex.find_iter(file.as_bytes()).map(|found| found.range()).collect();
                prop_assert_eq!(windowed, whole);
            }
        }
    }

    #[test]
    fn what_is_taken_is_not_taken_again() {
        let mut taken = Taken::default();
        assert!(taken.claim(&(10..20)));
        assert!(!taken.claim(&(19..25)) && !taken.claim(&(5..11)) && !taken.claim(&(12..13)) && !taken.claim(&(0..40)));
        assert!(taken.claim(&(20..21)) && taken.claim(&(9..10)));
    }
}
