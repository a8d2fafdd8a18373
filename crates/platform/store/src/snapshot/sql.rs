//! Statements over every table. The two that hold a name are built here, from names that the database itself lists or
//! that `is_plain` let through; every other statement of the house is written out.

use std::fmt::Write as _;

/// One moment for all reads that follow.
pub(crate) const BEGIN_SNAPSHOT_SQLITE: &str = "BEGIN";
pub(crate) const BEGIN_SNAPSHOT_POSTGRES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Tables that others refer to come first.
pub(crate) const TABLES_SQLITE: &str = "SELECT name FROM sqlite_master
  WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY sql LIKE '%REFERENCES%', name";
pub(crate) const TABLES_POSTGRES: &str = "SELECT relname::text FROM pg_class
  WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
  ORDER BY EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = pg_class.oid AND contype = 'f'), relname";

/// PostgreSQL only: the next event's number.
pub(super) const RESET_SEQUENCE: &str = "SELECT setval(pg_get_serial_sequence('events', 'seq'),
  GREATEST((SELECT max(seq) FROM events), 1), EXISTS (SELECT 1 FROM events))";

/// PostgreSQL only: what the head does not cover gets its place from the sequencer there, whatever it had elsewhere.
pub(super) const FORGET_PLACES: &str = "UPDATE events SET idx = NULL WHERE tenant = $1 AND idx >= $2";

/// Every row of a table that the database listed, in a stable order.
pub(crate) fn whole(table: &str) -> String {
    format!("SELECT * FROM \"{table}\" ORDER BY 1, 2")
}

pub(super) fn insert(table: &str, columns: &[String]) -> String {
    let mut places = String::new();
    for number in 1..=columns.len() {
        // Writing to a string cannot fail.
        let _ = write!(places, "{}${number}", if number == 1 { "" } else { ", " });
    }
    format!("INSERT INTO \"{table}\" (\"{}\") VALUES ({places})", columns.join("\", \""))
}
