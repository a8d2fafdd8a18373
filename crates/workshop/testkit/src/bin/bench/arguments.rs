//! What the command line asks for. Refuses rows that there are not.

use crate::rows;
use std::path::PathBuf;

const USAGE: &str = "bench [--only ROW]... [--quick] [--json FILE]";

/// How long to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// The figures that are published.
    Full,
    /// A look, in a fifth of the time.
    Quick,
}

impl Effort {
    /// Rounds of a row whose full measure takes `full`; an odd number, so that a median is one of them.
    pub(crate) const fn rounds(self, full: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Quick => 3,
        }
    }

    /// Repetitions within a round.
    pub(crate) const fn times(self, full: u64) -> u64 {
        match self {
            Self::Full => full,
            Self::Quick => full.div_ceil(4),
        }
    }
}

pub(crate) struct Arguments {
    only: Vec<String>,
    pub(crate) effort: Effort,
    pub(crate) json: PathBuf,
    pub(crate) peer: Option<Vec<String>>,
}

impl Arguments {
    pub(crate) fn read() -> Self {
        let mut given = std::env::args().skip(1);
        let beside = std::env::current_exe().unwrap().with_file_name("bench.json");
        let mut read = Self { only: Vec::new(), effort: Effort::Full, json: beside, peer: None };
        while let Some(word) = given.next() {
            match word.as_str() {
                "--quick" => read.effort = Effort::Quick,
                "--only" => read.only.extend(given.next()),
                "--json" => read.json = given.next().map_or(read.json, PathBuf::from),
                // How this program starts the other side of a row.
                "--peer" => read.peer = Some(given.by_ref().collect()),
                _ => stop(&format!("`{word}` is not known here; usage: {USAGE}")),
            }
        }
        let names: Vec<_> = rows::ALL.iter().map(|row| row.name).collect();
        if let Some(unknown) = read.only.iter().find(|row| !names.contains(&row.as_str())) {
            stop(&format!("there is no row `{unknown}`; the rows are: {}", names.join(", ")));
        }
        read
    }

    pub(crate) fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == row)
    }
}

fn stop(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2);
}
