//! What must not be left in the tree: work put off, tests switched off, words that belong elsewhere.

use super::{Complaint, File, Weight};
use anyhow::Result;
use std::path::Path;

/// Put together here, so that this file does not hold them itself.
const LEFT_OPEN: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
];

/// A word that no file may hold, in any case, and why.
struct Word {
    word: &'static str,
    why: &'static str,
}

const FORBIDDEN: &[Word] = &[];

pub(super) fn check(_root: &Path, files: &[File], complaints: &mut Vec<Complaint>) -> Result<()> {
    for file in files {
        if ["rs", "js", "ts", "rego"].iter().any(|extension| file.has_extension(extension)) {
            complaints.extend(left_open(file));
        }
        complaints.extend(forbidden(file, FORBIDDEN));
    }
    Ok(())
}

fn left_open(file: &File) -> Vec<Complaint> {
    let found = file.lines().flat_map(|(line, text)| {
        LEFT_OPEN.iter().filter(move |left| text.contains(**left)).map(move |left| (line, left))
    });
    found
        .map(|(line, left)| Complaint {
            file: file.path.clone(),
            line,
            what: format!("`{left}` is left in the code"),
            why: "nobody comes back to it, and what is promised here is not tested",
            fix: "do it now, or delete it and open an issue".to_owned(),
            weight: Weight::Error,
        })
        .collect()
}

fn forbidden(file: &File, words: &'static [Word]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (line, text) in file.lines() {
        let text = text.to_lowercase();
        for Word { word, why } in words.iter().filter(|forbidden| text.contains(&forbidden.word.to_lowercase())) {
            complaints.push(Complaint {
                file: file.path.clone(),
                line,
                what: format!("`{word}` stands here"),
                why,
                fix: "say it without that word".to_owned(),
                weight: Weight::Error,
            });
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::said_of;
    use super::*;

    #[test]
    fn work_put_off_is_found_in_code_and_nowhere_else() {
        for left in LEFT_OPEN {
            let text = format!("//! Purpose.\n\n// {left} later)\n");
            assert_eq!(
                said_of(&[("crates/f/c/src/lib.rs", &text)]),
                [format!("crates/f/c/src/lib.rs:3: `{left}` is left in the code")]
            );
            assert_eq!(said_of(&[("templates/blank/app.js", &text)]).len(), 1);
            assert!(said_of(&[("docs/page.md", &text)]).is_empty());
        }
    }

    #[test]
    fn forbidden_words_are_found_in_any_case() {
        let file = File { path: "README.md".to_owned(), text: "one\nAcmeTool did it\n".to_owned() };
        let found = forbidden(&file, &[Word { word: "acmetool", why: "it is nobody's business" }]);
        assert_eq!(found.iter().map(|complaint| complaint.line).collect::<Vec<_>>(), [2]);
        assert!(forbidden(&file, &[]).is_empty());
    }
}
