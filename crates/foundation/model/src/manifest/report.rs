//! Collects what is wrong with a manifest and says where: line and column, in the order of the file. Caps how much it says.

use super::{lookalike, mend::Mend};
use crate::{Finding, Group, Severity};
use jiff::civil::Date;
use std::ops::Range;

/// More would not be read; the rest is counted in one last finding.
pub(super) const FINDINGS_MAX: usize = 100;

/// Words of the builder longer than this are cut in messages.
const SHOWN_MAX: usize = 48;

/// A line of the builder's that is longer is described, not shown.
const LINE_BYTES_MAX: usize = 120;

/// The file's name in every finding.
pub(super) const FILE: &str = "bailiwick.toml";

/// The words of one finding.
pub(super) struct Words {
    pub(super) code: &'static str,
    pub(super) what: String,
    pub(super) why: String,
    pub(super) fix: String,
    pub(super) mend: Option<Mend>,
}

impl Words {
    /// Says what a machine may write to mend it, where it can.
    pub(super) fn mended(self, mend: impl Into<Option<Mend>>) -> Self {
        Self { mend: mend.into(), ..self }
    }
}

/// Short form of [`Words`].
pub(super) fn words(
    code: &'static str,
    what: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Words {
    Words { code, what: what.into(), why: why.into(), fix: fix.into(), mend: None }
}

/// All that was found so far, by byte offset.
pub(super) struct Report<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    found: Vec<(Option<usize>, Severity, Words)>,
    unread: Unread,
    misspelt: Vec<&'static str>,
    /// The last day that `expires` may name, when the manifest is judged on a day.
    pub(super) latest: Option<Date>,
    /// Whose the app is, once that was read.
    pub(super) team: Option<Group>,
}

/// What of the file could not be read: nothing is called missing that may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// These byte ranges (none, mostly).
    Lines(Vec<Range<usize>>),
    /// Everything after some point.
    Rest,
}

impl<'t> Report<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self {
            text,
            line_starts,
            found: Vec::new(),
            unread: Unread::Lines(Vec::new()),
            misspelt: Vec::new(),
            latest: None,
            team: None,
        }
    }

    pub(super) const fn text(&self) -> &'t str {
        self.text
    }

    /// An id for a secret that is kept under this variable.
    pub(super) fn secret_id(&self, variable: &str) -> Option<String> {
        let name = variable.to_ascii_lowercase().replace('_', "-");
        self.team.as_ref().map(|team| format!("{team}/{name}"))
    }

    pub(super) fn unread(&mut self, unread: Unread) {
        self.unread = unread;
    }

    /// Sections that stand in the file in another spelling, which was said.
    pub(super) fn misspelt(&mut self, sections: Vec<&'static str>) {
        self.misspelt = sections;
    }

    pub(super) fn block(&mut self, at: usize, words: Words) {
        self.found.push((Some(at), Severity::Block, words));
    }

    pub(super) fn warn(&mut self, at: usize, words: Words) {
        self.found.push((Some(at), Severity::Warn, words));
    }

    /// Something that should stand in a section and does not, unless a line that could not be read may hold one of the
    /// `words` that would bring it.
    pub(super) fn missing(&mut self, at: Option<usize>, words: &[&str], told: Words) {
        let may_be_there = match &self.unread {
            Unread::Rest => true,
            Unread::Lines(lines) => {
                let mut unread = lines.iter().filter_map(|line| self.text.get(line.clone()));
                unread.any(|line| {
                    let line: String = line.chars().map(lookalike::latin).collect();
                    words.iter().any(|word| line.contains(word))
                })
            }
        };
        let may_be_there = may_be_there || (at.is_none() && words.iter().any(|word| self.misspelt.contains(word)));
        if !may_be_there {
            self.found.push((at, Severity::Block, told));
        }
    }

    /// Whether all of the file was understood, so that what is absent is absent.
    pub(super) fn complete(&self) -> bool {
        matches!(&self.unread, Unread::Lines(lines) if lines.is_empty())
    }

    /// 1-based line of a byte offset.
    pub(super) fn line(&self, at: usize) -> u32 {
        u32::try_from(self.line_starts.partition_point(|start| *start <= at)).unwrap_or(u32::MAX)
    }

    /// The line's byte range, without its end.
    pub(super) fn line_range(&self, at: usize) -> Range<usize> {
        let next = self.line_starts.partition_point(|start| *start <= at);
        let start = self.line_starts.get(next.saturating_sub(1)).copied().unwrap_or(0);
        let end = self.line_starts.get(next).map_or(self.text.len(), |next| next - 1);
        start..end
    }

    /// Whether the line of that place is the header of a section.
    pub(super) fn heads(&self, at: usize) -> bool {
        let line = self.text.get(self.line_range(at)).unwrap_or_default();
        line.bytes().take(LINE_BYTES_MAX).find(|byte| !byte.is_ascii_whitespace()) == Some(b'[')
    }

    /// The line on which an inline table stands, as it would be with one more entry; nothing when the table is none, goes
    /// over several lines, or has too much on its line to show.
    pub(super) fn with_entry(&self, table: &Range<usize>, entry: &str) -> Option<String> {
        let line = self.line_range(table.start);
        if line.len() > LINE_BYTES_MAX {
            return None;
        }
        let inside = self.text.get(table.clone())?.strip_prefix('{')?.strip_suffix('}')?;
        let inside = inside.trim().trim_end_matches(',').trim_end();
        let before = self.text.get(line.start..table.start)?.trim_start();
        let after = self.text.get(table.end..line.end)?.trim_end();
        let after = if after.trim_start().starts_with('#') { "" } else { after };
        let comma = if inside.is_empty() { "" } else { ", " };
        let whole = format!("{before}{{ {inside}{comma}{entry} }}{after}");
        (whole.len() <= LINE_BYTES_MAX && !whole.chars().any(invisible)).then_some(whole)
    }

    fn column(&self, at: usize) -> u32 {
        let start = self.line_range(at).start;
        let end = self.text.floor_char_boundary(at);
        let chars = self.text.get(start..end).map_or(0, |before| before.chars().count());
        u32::try_from(chars).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Everything found, in the order of the file; what has no place stands first.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by_key(|(at, ..)| *at);
        let more = found.len().saturating_sub(FINDINGS_MAX);
        // INVARIANT: what is cut off never turns a refusal into a warning, since the last finding blocks too.
        found.truncate(FINDINGS_MAX);
        let mut findings: Vec<Finding> = found
            .into_iter()
            .map(|(at, severity, mut words)| {
                let edit = words.mend.take().and_then(|mend| self.edit(mend));
                let place = at.map(|at| (self.line(at), self.column(at)));
                Finding { edits: edit.into_iter().collect(), ..finding(severity, place, words) }
            })
            .collect();
        if more > 0 {
            let words = words(
                "manifest.too_many",
                format!("at least {more} more problems are not shown"),
                format!("only the first {FINDINGS_MAX} are listed"),
                "mend those above, then check again",
            );
            findings.push(finding(Severity::Block, None, words));
        }
        findings
    }
}

/// One finding in the manifest, at a line and column when it has one.
pub(super) fn finding(severity: Severity, at: Option<(u32, u32)>, words: Words) -> Finding {
    Finding {
        code: words.code.to_owned(),
        severity,
        file: Some(FILE.to_owned()),
        line: at.map(|(line, _)| line),
        column: at.map(|(_, column)| column),
        what: words.what,
        why: words.why,
        fix: words.fix,
        edits: Vec::new(),
        waiver: None,
    }
}

/// The builder's words as a message may repeat them: cut when long, nothing invisible, nothing that turns the line around.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == SHOWN_MAX {
            out.push('…');
            break;
        }
        if invisible(c) {
            out.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that a reader cannot see, or that change the order in which the others are shown (UAX #9).
pub(super) fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}
