//! Each file says what it is for, is short enough to be read at once, and has a name that means something.

use super::{Complaint, File, Weight};
use anyhow::Result;
use std::path::Path;

/// About what fits in a reader's head.
const LINES_GOOD: usize = 300;

/// Beyond it a file holds more than one noun, or says why not.
const LINES_MAX: usize = 500;

/// Names under which anything gathers.
const EMPTY_NAMES: &[&str] = &["common", "util", "utils", "helper", "helpers", "manager", "core", "misc"];

pub(super) fn check(_root: &Path, files: &[File], complaints: &mut Vec<Complaint>) -> Result<()> {
    for file in files.iter().filter(|file| file.is_house_rust()) {
        complaints.extend(opening(file).into_iter().chain(size(file)).chain(name(file)));
    }
    Ok(())
}

fn opening(file: &File) -> Option<Complaint> {
    let opened = file
        .text
        .lines()
        .next()
        .is_some_and(|line| line.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty()));
    (!opened).then(|| Complaint {
        file: file.path.clone(),
        line: 1,
        what: "the file does not open with `//!`".to_owned(),
        why: "whoever opens it wants to know what it is for and what it refuses",
        fix: "say both in its first lines".to_owned(),
        weight: Weight::Error,
    })
}

fn size(file: &File) -> Option<Complaint> {
    let lines = file.text.lines().count();
    let mut first_comment = file.text.lines().take_while(|line| line.starts_with("//!"));
    let reason =
        first_comment.any(|line| line.strip_prefix("//! size:").is_some_and(|reason| !reason.trim().is_empty()));
    if lines <= LINES_GOOD || reason {
        return None;
    }
    let (weight, fix) = if lines <= LINES_MAX {
        (Weight::Warning, "look whether it holds two nouns")
    } else {
        (Weight::Error, "split it by its nouns; if it must stay whole, say why in its first comment: `//! size: …`")
    };
    Some(Complaint {
        file: file.path.clone(),
        line: lines,
        what: format!("the file has {lines} lines (good: {LINES_GOOD}, most: {LINES_MAX})"),
        why: "a long file holds more than one noun, and hides the second",
        fix: fix.to_owned(),
        weight,
    })
}

fn name(file: &File) -> Option<Complaint> {
    let empty =
        file.path.split('/').map(|part| part.trim_end_matches(".rs")).find(|part| EMPTY_NAMES.contains(part))?;
    Some(Complaint {
        file: file.path.clone(),
        line: 1,
        what: format!("`{empty}` says nothing about what is inside"),
        why: "under such a name anything gathers, and nobody looks for it there",
        fix: "name it after the one noun that it holds".to_owned(),
        weight: Weight::Error,
    })
}

#[cfg(test)]
mod tests {
    use super::super::said_of;

    #[test]
    fn a_file_opens_with_its_purpose() {
        assert!(said_of(&[("crates/f/c/src/lib.rs", "//! What it is for.\n")]).is_empty());
        for bad in ["", "fn main() {}\n", "// purpose\n", "//!\n", "\n//! late\n"] {
            assert_eq!(
                said_of(&[("crates/f/c/src/lib.rs", bad)]),
                ["crates/f/c/src/lib.rs:1: the file does not open with `//!`"],
                "{bad:?}"
            );
        }
    }

    #[test]
    fn long_files_are_said_and_longer_ones_need_a_reason() {
        let file = |opening: &str, more: usize| format!("{opening}\n{}", "fn f() {}\n".repeat(more));
        let said = |text: String| said_of(&[("crates/f/c/src/lib.rs", &text)]).len();
        assert_eq!(said(file("//! Purpose.", 299)), 0);
        assert_eq!(said(file("//! Purpose.", 300)), 1);
        assert_eq!(said(file("//! Purpose.", 500)), 1);
        assert_eq!(said(file("//! Purpose.\n//! size: a table from the standard", 600)), 0);
        assert_eq!(said(file("//! Purpose.\n//! size:", 600)), 1);
        assert_eq!(said(file("//! Purpose.\n\n//! size: too late to be read", 600)), 1);
    }

    #[test]
    fn names_mean_something() {
        assert_eq!(
            said_of(&[("crates/f/c/src/utils.rs", "//! Things.\n")]),
            ["crates/f/c/src/utils.rs:1: `utils` says nothing about what is inside"]
        );
        assert_eq!(said_of(&[("crates/f/common/src/lib.rs", "//! Things.\n")]).len(), 1);
        assert!(said_of(&[("crates/f/c/src/utilisation.rs", "//! How much is used.\n")]).is_empty());
    }
}
