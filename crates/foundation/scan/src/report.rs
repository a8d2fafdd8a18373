//! A hit in words: what was found, redacted; why it matters; the way out. Never holds a value.

use crate::{
    Scanner, mend,
    rules::Rule,
    text::{Cursor, Kind, Text},
};
use model::{Finding, Severity};
use std::ops::Range;

/// Enough to recognise one's own token by its prefix.
const SHOWN_MAX: usize = 4;
/// Of a short value, four characters would be most of it.
const SHOWN_SHARE: usize = 5;

pub(crate) struct Report<'t> {
    path: &'t str,
    text: &'t Text<'t>,
    cursor: Cursor<'t>,
    pub(crate) findings: Vec<Finding>,
}

impl<'t> Report<'t> {
    pub(crate) fn new(path: &'t str, text: &'t Text<'t>) -> Self {
        Self { path, text, cursor: Cursor::new(&text.bytes), findings: Vec::new() }
    }

    /// Values must come in order of their place.
    pub(crate) fn found(&mut self, rule: &Rule, value: Range<usize>) {
        let (line, column) = match self.text.kind {
            Kind::Text => Some(self.cursor.at(value.start)).unzip(),
            Kind::Binary => (None, None),
        };
        let place = match self.text.kind {
            Kind::Text => String::new(),
            Kind::Binary => format!(", at byte {}", value.start),
        };
        let edits = mend::edits(self.path, self.text, &value, &rule.variable);
        let secret = redacted(self.text.bytes.get(value).unwrap_or_default());
        self.findings.push(Finding {
            code: "secret.found".into(),
            severity: Severity::Block,
            file: Some(self.path.into()),
            line,
            column,
            what: format!("this looks like a credential, {}: {secret}{place}", rule.name),
            why: format!(
                "{}; whatever is in an app's folder is seen by everyone who sees the code, and stays in its releases",
                rule.why
            ),
            fix: format!(
                "take it out; {}, since it has been in a file; ask an operator to store the new one: \
                 `bailiwick secret put TEAM/{} --env prod --owner WHO --purpose \"…\" --expires DATE --host HOST`; \
                 name it in `bailiwick.toml` under `[secrets.{}]`, and write `env.{}` where it is needed",
                rule.mend,
                rule.variable.to_ascii_lowercase().replace('_', "-"),
                rule.variable,
                rule.variable,
            ),
            edits,
            waiver: None,
        });
    }

    /// Says that the list is not whole.
    pub(crate) fn more(&mut self) {
        self.findings.push(Finding {
            code: "secret.more".into(),
            severity: Severity::Note,
            file: Some(self.path.into()),
            line: None,
            column: None,
            what: "this file holds more that looks like credentials than is listed".into(),
            why: format!("the list stops at {} for one file", Scanner::MAX_FINDINGS),
            fix: "take them all out, then check again".into(),
            edits: Vec::new(),
            waiver: None,
        });
    }
}

/// Says that a bundle was not searched to its end.
pub(crate) fn unsearched(path: &str) -> Finding {
    Finding {
        code: "secret.more".into(),
        severity: Severity::Note,
        file: Some(path.into()),
        line: None,
        column: None,
        what: "from this file on nothing was searched for credentials".into(),
        why: "the files before it hold hundreds".into(),
        fix: "take them all out, then check again".into(),
        edits: Vec::new(),
        waiver: None,
    }
}

/// The first characters, where that gives little away, and the length.
pub(crate) fn redacted(secret: &[u8]) -> String {
    let length = secret.iter().filter(|&&byte| byte & 0b1100_0000 != 0b1000_0000).count();
    let shown: String = secret
        .iter()
        .take(SHOWN_MAX.min(length / SHOWN_SHARE))
        .take_while(|byte| byte.is_ascii_graphic() && **byte != b'`')
        .map(|&byte| char::from(byte))
        .collect();
    format!("`{shown}…` ({length} characters)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_four_characters_and_a_fifth() {
        assert_eq!(redacted(b"abcd"), "`…` (4 characters)");
        assert_eq!(redacted(b"hunter2"), "`h…` (7 characters)");
        assert_eq!(redacted(&[b'a'; 40]), "`aaaa…` (40 characters)");
        assert_eq!(redacted(b"a`bc\xffdefghijklmnopqrst"), "`a…` (22 characters)");
    }
}
