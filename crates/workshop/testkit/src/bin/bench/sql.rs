//! The statements of the row about acts: what both sides insert, and what the floor opens and closes its groups with.

/// A row as an app writes one. On both engines.
pub(crate) const CREATE_NOTES: &str = "CREATE TABLE notes (tenant TEXT NOT NULL, id TEXT NOT NULL, at BIGINT NOT NULL, body BYTEA NOT NULL, PRIMARY KEY (tenant, id));";
pub(crate) const INSERT_NOTE: &str = "INSERT INTO notes (tenant, id, at, body) VALUES ($1, $2, $3, $4)";

/// The floor's event, into the table that the house made, with all its indexes.
pub(crate) const INSERT_EVENT: &str = "INSERT INTO events
  (id, tenant, at, action, app_id, person_id, resource, outcome, trace_id, durability, subject, salt, body)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/// As the house opens SQLite.
pub(crate) const PRAGMAS: &str =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;";
pub(crate) const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";
pub(crate) const BEGIN: &str = "BEGIN";
pub(crate) const COMMIT: &str = "COMMIT";

/// The events' own size, so that the floor's are as large.
pub(crate) const EVENT_BYTES: &str = "SELECT CAST(AVG(LENGTH(body)) AS BIGINT) FROM events WHERE action = 'data.write'";
