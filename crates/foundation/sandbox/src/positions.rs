//! From lines of the JavaScript that runs to lines of the TypeScript that the builder wrote.
//!
//! Refuses nothing: a place that is not known stays as it is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Line and column where the running code has something, and where the source has it; all counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Mapping(pub(crate) u32, pub(crate) u32, pub(crate) u32, pub(crate) u32);

/// The mappings of one file, in order of the running code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileMap(Vec<Mapping>);

impl FileMap {
    pub(crate) fn new(mut mappings: Vec<Mapping>) -> Self {
        mappings.sort_unstable();
        Self(mappings)
    }

    /// The nearest mapping at or before the place, on the same line when there is one. Counted from 0.
    fn source_of(&self, line: u32, column: u32) -> Option<(u32, u32)> {
        let after = self.0.partition_point(|m| (m.0, m.1) <= (line, column));
        let before = after.checked_sub(1).and_then(|at| self.0.get(at)).filter(|m| m.0 == line);
        before.or_else(|| self.0.get(after).filter(|m| m.0 == line)).map(|m| (m.2, m.3))
    }
}

/// The files that are not what the builder wrote; all others need no mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Positions {
    files: BTreeMap<String, FileMap>,
}

impl Positions {
    pub(crate) fn insert(&mut self, file: String, map: FileMap) {
        self.files.insert(file, map);
    }

    /// `text` with every `file:line:column` of a known file replaced by the builder's.
    pub(crate) fn map_text(&self, text: &str) -> String {
        let mut mapped = text.to_owned();
        for (file, map) in &self.files {
            if mapped.contains(file.as_str()) {
                mapped = map_file(&mapped, file, map);
            }
        }
        mapped
    }
}

fn map_file(text: &str, file: &str, map: &FileMap) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(file) {
        out.push_str(before);
        out.push_str(file);
        rest = after;
        // `lib/a.ts` must not be taken for `a.ts`.
        let whole = !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '-' | '.'));
        let Some((line, column, left)) = whole.then(|| place(after)).flatten() else { continue };
        match map.source_of(line.saturating_sub(1), column.saturating_sub(1)) {
            Some((line, column)) => out.push_str(&format!(":{}:{}", line.saturating_add(1), column.saturating_add(1))),
            None => out.push_str(&format!(":{line}:{column}")),
        }
        rest = left;
    }
    out.push_str(rest);
    out
}

/// `:line:column` or `:line` at the start of the text, and what follows it.
fn place(text: &str) -> Option<(u32, u32, &str)> {
    let (line, rest) = number(text)?;
    match number(rest) {
        Some((column, rest)) => Some((line, column, rest)),
        None => Some((line, 1, rest)),
    }
}

fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.strip_prefix(':')?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = digits.split_at_checked(end)?;
    Some((number.parse().ok()?, rest))
}

/// The first `file:line:column` in `text` that names one of `files`.
pub(crate) fn first_place<'a>(text: &str, files: impl Iterator<Item = &'a str>) -> Option<String> {
    let place_in = |file: &str| {
        let at = text.find(&format!("{file}:"))?;
        let after = text.get(at + file.len()..)?;
        let (line, column, _) = place(after)?;
        Some((at, format!("{file}:{line}:{column}")))
    };
    files.filter_map(place_in).min().map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn positions() -> Positions {
        let mut positions = Positions::default();
        positions.insert("a.ts".into(), FileMap::new(vec![Mapping(0, 0, 4, 2), Mapping(2, 8, 9, 1)]));
        positions
    }

    #[test]
    fn places_of_known_files_become_the_builders() {
        let text = "Error: x\n    at f (a.ts:1:5)\n    at g (lib/a.ts:1:5)\n    at h (b.js:1:5)\n a.ts:3:9 a.ts:77:1";
        let mapped =
            "Error: x\n    at f (a.ts:5:3)\n    at g (lib/a.ts:1:5)\n    at h (b.js:1:5)\n a.ts:10:2 a.ts:77:1";
        assert_eq!(positions().map_text(text), mapped);
    }

    #[test]
    fn the_first_place_is_found() {
        let files = ["a.ts", "b.js"];
        let found = first_place("no b.js here, but b.js:3:4 and a.ts:1:2", files.into_iter());
        assert_eq!(found.unwrap(), "b.js:3:4");
    }

    proptest! {
        #[test]
        fn any_text_passes(text in ".{0,80}", tail in "[:0-9a-z. ]{0,40}") {
            let text = format!("{text}a.ts{tail}");
            let mapped = positions().map_text(&text);
            prop_assert!(mapped.contains("a.ts"));
        }
    }
}
