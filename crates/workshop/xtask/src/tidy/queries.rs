//! SQL lives in files named `sql.rs`, in folders named `migrations`, and where the two engines differ. Tests are exempt.

use super::lexed::Lexed;
use super::{Complaint, File, Weight};
use anyhow::Result;
use std::path::Path;

/// How statements open: a word, the one after it (anywhere later for `UPDATE … SET`), and something that follows.
/// An opening alone is no statement.
const STATEMENTS: &[(&str, &str)] =
    &[("SELECT", ""), ("INSERT", "INTO"), ("UPDATE", "SET"), ("DELETE", "FROM"), ("CREATE", "TABLE")];

/// The one file in which the few differences between the engines have names (design: storage and scale).
const DIFFERENCES: &str = "crates/platform/store/src/differences.rs";

pub(super) fn check(_root: &Path, files: &[File], complaints: &mut Vec<Complaint>) -> Result<()> {
    for file in files.iter().filter(|file| file.is_house_rust() && !file.is_test() && !is_home(file)) {
        let lexed = Lexed::new(&file.text);
        let tests = lexed.test_lines();
        for literal in &lexed.literals {
            let in_test = tests.iter().any(|lines| lines.contains(&literal.line));
            let Some((statement, line)) = statement(literal.text) else {
                continue;
            };
            if !in_test {
                complaints.push(Complaint {
                    file: file.path.clone(),
                    line: literal.line + line,
                    what: format!("SQL outside `sql.rs` (`{statement} …`)"),
                    why: "what touches the rows of a noun is read, and checked for its tenant, in one place",
                    fix: "move it into the noun's `sql.rs`, behind a function that says what it does".to_owned(),
                    weight: Weight::Error,
                });
            }
        }
    }
    Ok(())
}

fn is_home(file: &File) -> bool {
    file.path == DIFFERENCES || file.path.ends_with("/sql.rs") || file.path.split('/').any(|part| part == "migrations")
}

/// The statement that a text holds, and how many lines into it.
fn statement(text: &str) -> Option<(&'static str, usize)> {
    let lines = (0..).zip(text.lines());
    let words: Vec<(usize, &str)> =
        lines.flat_map(|(line, text)| text.split_whitespace().map(move |word| (line, word))).collect();
    (0..).zip(&words).find_map(|(at, (line, word))| {
        let opening = word.trim_start_matches('(');
        let (first, second) = STATEMENTS.iter().find(|(first, _)| *first == opening)?;
        let after: Vec<&str> = words.iter().skip(at + 1).map(|(_, word)| *word).collect();
        let is_statement = match (*first, after.as_slice()) {
            ("UPDATE", rest) => rest.contains(second),
            (_, rest) if second.is_empty() => !rest.is_empty(),
            (_, [next, _, ..]) => next == second,
            _ => false,
        };
        is_statement.then_some((*first, *line))
    })
}

#[cfg(test)]
mod tests {
    use super::super::said_of;

    fn said(path: &str, literal: &str) -> usize {
        said_of(&[(path, &format!("//! Purpose.\nconst Q: &str = {literal};\n"))]).len()
    }

    #[test]
    fn statements_outside_sql_files_are_named_with_their_line() {
        let source = "//! Purpose.\nfn f() {\n    ask(r#\"\n        SELECT id\n        FROM app\"#);\n}\n";
        assert_eq!(
            said_of(&[("crates/s/vault/src/secrets.rs", source)]),
            ["crates/s/vault/src/secrets.rs:4: SQL outside `sql.rs` (`SELECT …`)"]
        );
        for statement in [
            "\"SELECT 1\"",
            "\"WITH x AS (SELECT 1) TABLE x\"",
            "\"SELECT\n 1\"",
            "\"INSERT INTO a VALUES (1)\"",
            "\"UPDATE a\n SET b = 1\"",
            "\"DELETE FROM a\"",
            "\"CREATE TABLE a (b)\"",
        ] {
            assert_eq!(said("crates/s/vault/src/secrets.rs", statement), 1, "{statement}");
        }
    }

    #[test]
    fn its_homes_and_tests_are_let_be() {
        for path in [
            "crates/s/v/src/secrets/sql.rs",
            "crates/p/store/src/migrations/first.rs",
            "crates/s/v/tests/all.rs",
            "crates/s/v/src/tests.rs",
        ] {
            assert_eq!(said(path, "\"SELECT 1\""), 0, "{path}");
        }
        let source = "//! Purpose.\n#[cfg(test)]\nmod tests {\n    const Q: &str = \"SELECT 1\";\n}\n";
        assert!(said_of(&[("crates/s/v/src/lib.rs", source)]).is_empty());
    }

    #[test]
    fn prose_is_not_sql() {
        for literal in [
            "\"select one\"",
            "\"SELECTED \"",
            "\"UPDATE the app\"",
            "\"cannot DELETE a record\"",
            "\"INSERT\"",
            "\"INSERT INTO \"",
            "\"SELECT \"",
        ] {
            assert_eq!(said("crates/s/v/src/lib.rs", literal), 0, "{literal}");
        }
        assert!(said_of(&[("crates/s/v/src/lib.rs", "//! Runs SELECT 1.\n// \"DELETE FROM x\"\n")]).is_empty());
    }
}
