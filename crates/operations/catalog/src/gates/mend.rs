//! Mends what a machine can: takes the edits that findings carry, checks again, until none is left that helps.
//!
//! Nothing is guessed here: each edit comes from the gate that found the fault, and every gate judges the result.

use super::check;
use crate::{Unpacked, Waivers};
use model::{Edit, Finding, Problem, Timestamp};
use sandbox::Sandbox;
use std::{collections::BTreeSet, sync::Arc};

/// One mended fault can show another, as a section that was added needs its keys; more rounds than this go in circles.
const ROUNDS_MAX: usize = 12;

/// Files after the fixes, and the findings that were fixed, in their order: those of the files as they were, not what a fix
/// brought up and another one settled.
#[derive(Debug, Clone)]
pub struct Mended {
    pub unpacked: Unpacked,
    pub applied: Vec<Finding>,
}

/// Takes what a machine can mend, round by round. Between two rounds whoever may judge is asked again: a manifest that was
/// mended can be read, and the gates run code of an app whose manifest they can read.
#[derive(Debug)]
pub struct Mending {
    mended: Mended,
    rounds: usize,
    /// Lines that fixes put in, by file: of what stands in them nobody was told before.
    written: BTreeSet<(String, String)>,
}

impl Mending {
    #[must_use]
    pub const fn new(unpacked: Unpacked) -> Self {
        Self { mended: Mended { unpacked, applied: Vec::new() }, rounds: 0, written: BTreeSet::new() }
    }

    /// The files as they are now.
    #[must_use]
    pub const fn unpacked(&self) -> &Unpacked {
        &self.mended.unpacked
    }

    /// One round, as of `now`. Whether it mended anything, so that another may.
    ///
    /// # Errors
    /// Files that an app may not hold, once edited.
    pub async fn round(&mut self, sandbox: &Arc<Sandbox>, now: Timestamp) -> Result<bool, Problem> {
        if self.rounds == ROUNDS_MAX {
            return Ok(false);
        }
        self.rounds += 1;
        let findings = match check(self.mended.unpacked.clone(), sandbox, &Waivers::default(), now).await {
            Ok(checked) => checked.findings().to_vec(),
            Err(document) => document.findings,
        };
        let mut edits: Vec<Edit> = Vec::new();
        for finding in findings.into_iter().filter(|finding| !finding.edits.is_empty()) {
            // What stands at one place is mended one after the other: the second fix is another one then.
            if !finding.edits.iter().any(|edit| edits.iter().any(|made| made.meets(edit))) {
                edits.extend(finding.edits.iter().cloned());
                if !self.wrote(&finding) {
                    self.mended.applied.push(finding);
                }
            }
        }
        if edits.is_empty() {
            return Ok(false);
        }
        self.mended.unpacked = self.mended.unpacked.edited(&edits)?;
        for edit in edits.iter().filter(|edit| edit.start == edit.end) {
            let lines = edit.text.lines().map(str::trim).filter(|line| !line.is_empty());
            self.written.extend(lines.map(|line| (edit.file.clone(), line.to_owned())));
        }
        Ok(true)
    }

    /// Whether the finding is of a line that a fix put in.
    fn wrote(&self, finding: &Finding) -> bool {
        let (Some(file), Some(line)) = (&finding.file, finding.line) else { return false };
        let text = self.mended.unpacked.get(file).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        let above = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let line = text.lines().nth(above).unwrap_or_default();
        self.written.contains(&(file.clone(), line.trim().to_owned()))
    }

    #[must_use]
    pub fn mended(self) -> Mended {
        self.mended
    }
}
