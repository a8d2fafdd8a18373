//! What was measured: one line for each promise, as a table for people and as JSON for whatever compares runs.

use crate::{arguments::Effort, machine};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// One promise, measured.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) row: &'static str,
    pub(crate) work: &'static str,
    /// What it is compared with, and how that is made.
    pub(crate) floor: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) target: Target,
    /// The figures behind the value, for people.
    pub(crate) figures: String,
    /// The same for programs.
    pub(crate) detail: Value,
}

impl Line {
    fn is_met(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.value >= least,
            Target::AtMost(most) => self.value <= most,
        }
    }

    fn value(&self) -> String {
        let digits = if self.value >= 100.0 {
            0
        } else if self.value >= 10.0 {
            1
        } else {
            2
        };
        format!("{:.digits$} {}", self.value, self.unit)
    }

    fn target(&self) -> String {
        match self.target {
            Target::AtLeast(least) => format!("≥ {least} {}", self.unit),
            Target::AtMost(most) => format!("≤ {most} {}", self.unit),
        }
    }
}

pub(crate) struct Report {
    effort: Effort,
    pub(crate) lines: Vec<Line>,
}

impl Report {
    pub(crate) const fn new(effort: Effort) -> Self {
        Self { effort, lines: Vec::new() }
    }

    /// Markdown, as it stands in `docs/speed.md`.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{}; load average {:.1}\n\n", machine::named(), machine::load_average());
        text.push_str("| work | measured | target | | figures |\n|---|---|---|---|---|\n");
        for line in &self.lines {
            let met = if line.is_met() { "met" } else { "**missed**" };
            let (work, value, target) = (line.work, line.value(), line.target());
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {work} | {value} | {target} | {met} | {} |", line.figures);
        }
        text.push_str("\nfloors\n");
        for line in &self.lines {
            let _ = writeln!(text, "- {}: {}", line.work, line.floor);
        }
        text
    }

    pub(crate) fn json(&self) -> String {
        let lines = self.lines.iter().map(|line| {
            let (bound, sense) = match line.target {
                Target::AtLeast(least) => (least, "at_least"),
                Target::AtMost(most) => (most, "at_most"),
            };
            let mut target = Map::new();
            target.insert(sense.to_owned(), json!(bound));
            json!({
                "row": line.row,
                "work": line.work,
                "floor": line.floor,
                "value": line.value,
                "unit": line.unit,
                "target": target,
                "met": line.is_met(),
                "detail": line.detail,
            })
        });
        let whole = json!({
            "machine": machine::named(),
            "load_average": machine::load_average(),
            "quick": self.effort == Effort::Quick,
            "rows": lines.collect::<Vec<_>>(),
        });
        format!("{whole:#}\n")
    }
}

/// The median of an odd number of rounds.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
