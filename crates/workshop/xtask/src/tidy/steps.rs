//! Migrations run while nodes of the version before do: a step adds, or says why no older node may stand beside it.

use super::{Complaint, File, Weight};
use anyhow::Result;
use std::path::Path;

/// How `store` finds the reason.
const ALONE: &str = "-- alone: ";
/// Made before the rule was; a step that was released is never edited. It drops indexes that only searches used.
const RELEASED: &[&str] = &["crates/platform/store/migrations/0003_search.sql"];

pub(super) fn check(_root: &Path, files: &[File], complaints: &mut Vec<Complaint>) -> Result<()> {
    for file in files.iter().filter(|file| is_step(file) && !RELEASED.contains(&file.path.as_str())) {
        if file.text.lines().any(|line| line.strip_prefix(ALONE).is_some_and(|why| !why.trim().is_empty())) {
            continue;
        }
        let statements = statements(&file.text);
        for (line, statement) in &statements {
            if !adds(statement, &statements) {
                complaints.push(Complaint {
                    file: file.path.clone(),
                    line: *line,
                    what: format!("a migration that does more than add: `{}`", shortened(statement)),
                    why: "a node of the version before runs on while this is applied, and reads and writes as it did",
                    fix: format!("add first, and take away in a later version; or say `{ALONE}WHY` on a line of its own: then it waits until no older node is left"),
                    weight: Weight::Error,
                });
            }
        }
    }
    Ok(())
}

fn is_step(file: &File) -> bool {
    file.path.starts_with("crates/")
        && file.has_extension("sql")
        && file.path.split('/').any(|part| part == "migrations")
}

/// Statements without comments, each with the line that it begins on.
fn statements(text: &str) -> Vec<(usize, String)> {
    let (mut all, mut current, mut began) = (Vec::new(), String::new(), 0);
    for (line, text) in (1..).zip(text.lines()) {
        let code = text.split_once("--").map_or(text, |(code, _)| code);
        for (at, piece) in code.split(';').enumerate() {
            if at > 0 && !current.is_empty() {
                all.push((began, std::mem::take(&mut current)));
            }
            for word in piece.split_whitespace() {
                if current.is_empty() {
                    began = line;
                } else {
                    current.push(' ');
                }
                current.push_str(word);
            }
        }
    }
    if !current.is_empty() {
        all.push((began, current));
    }
    all
}

/// Whether whoever does not know of it reads and writes as before.
fn adds(statement: &str, all: &[(usize, String)]) -> bool {
    let words: Vec<&str> = statement.split(' ').collect();
    let made_here = |table: &str| {
        all.iter().any(|(_, made)| {
            let mut made = made.split([' ', '(']);
            (made.next(), made.next(), made.next()) == (Some("CREATE"), Some("TABLE"), Some(table))
        })
    };
    match words.as_slice() {
        ["CREATE", "TABLE" | "INDEX", ..] => true,
        // What an older node writes may break it, unless it does not know the table.
        ["CREATE", "UNIQUE", "INDEX", _, "ON", table, ..] => made_here(table),
        ["ALTER", "TABLE", _, "ADD", "COLUMN", rest @ ..] => {
            !rest.contains(&"UNIQUE")
                && (!rest.windows(2).any(|two| two == ["NOT", "NULL"]) || rest.contains(&"DEFAULT"))
        }
        _ => false,
    }
}

fn shortened(statement: &str) -> String {
    statement.split(' ').take(5).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::said_of;

    fn said(sql: &str) -> Vec<String> {
        said_of(&[("crates/s/vault/src/migrations/0009_later.sql", sql)])
    }

    #[test]
    fn what_adds_is_let_be() {
        for sql in [
            "CREATE TABLE a (id TEXT PRIMARY KEY);\nCREATE UNIQUE INDEX a_by_id ON a (id);",
            "CREATE INDEX b_by_at ON b (at);",
            "-- Why.\nALTER TABLE b\n  ADD COLUMN c TEXT;",
            "ALTER TABLE b ADD COLUMN c TEXT NOT NULL DEFAULT '';",
        ] {
            assert!(said(sql).is_empty(), "{sql}: {:?}", said(sql));
        }
    }

    #[test]
    fn what_an_older_node_would_feel_is_named_with_its_line() {
        assert_eq!(
            said("-- Why.\nCREATE TABLE a (id TEXT);\n\nALTER TABLE b DROP COLUMN c; DROP INDEX d;"),
            [
                "crates/s/vault/src/migrations/0009_later.sql:4: a migration that does more than add: `ALTER TABLE b DROP COLUMN`",
                "crates/s/vault/src/migrations/0009_later.sql:4: a migration that does more than add: `DROP INDEX d`",
            ]
        );
        for sql in [
            "UPDATE b SET c = 1;",
            "DELETE FROM b;",
            "ALTER TABLE b RENAME COLUMN c TO d;",
            "ALTER TABLE b ADD COLUMN c TEXT NOT NULL;",
            "ALTER TABLE b ADD COLUMN c TEXT UNIQUE;",
            "CREATE UNIQUE INDEX b_by_c ON b (c);",
            "CREATE VIEW v AS SELECT 1",
            "-- alone:\nDROP TABLE b;",
        ] {
            assert_eq!(said(sql).len(), 1, "{sql}");
        }
    }

    #[test]
    fn a_step_that_says_why_it_stands_alone_may_do_anything() {
        assert!(said("-- alone: nothing reads `c` without `d`\nALTER TABLE b DROP COLUMN c;").is_empty());
    }
}
