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
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;
  PRAGMA wal_autocheckpoint = 8000;";
pub(crate) const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";
pub(crate) const BEGIN: &str = "BEGIN";
pub(crate) const COMMIT: &str = "COMMIT";

/// The events' own size, so that the floor's are as large.
pub(crate) const EVENT_BYTES: &str = "SELECT CAST(AVG(LENGTH(body)) AS BIGINT) FROM events WHERE action = 'data.write'";

/// Events from `$1` up to `$2`, made by the database itself: 5,000 apps, 20,000 people, one act in fifty a change by hand.
/// They have their places already, before the log's first, where the house does not look.
pub(crate) const FILL_EVENTS: &str = r#"INSERT INTO events
  (id, tenant, idx, at, action, app_id, person_id, resource, outcome, trace_id, durability, subject, salt, body)
  WITH RECURSIVE number(n) AS (SELECT $1 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < $2)
  SELECT printf('filled-%012d', n), 'main', n - 1000000000, n * 1000,
    CASE WHEN n % 50 = 0 THEN 'secret.put' WHEN n % 5 = 0 THEN 'egress.call' ELSE 'app.use' END,
    'app' || (n * 7919 % 5000), 'person' || (n * 104729 % 20000),
    CASE WHEN n % 50 = 0 THEN 'secret/team/s' || (n / 50 % 500) ELSE 'app/app' || (n * 7919 % 5000) END,
    CASE WHEN n % 400 = 1 THEN 'denied' ELSE 'allowed' END,
    printf('%032x', n), CASE WHEN n % 50 = 0 THEN 'act' ELSE 'access' END, 'person:person' || (n * 104729 % 20000),
    randomblob(32), CAST(printf('{"id":"filled-%012d","timestamp":"2026-01-01T00:00:00.000Z","tenant_id":"main",' ||
      '"app_id":null,"user_id":null,"actor":["system:filled"],"action":"app.use","resource":"app/filled",' ||
      '"outcome":"allowed","request_id":null,"trace_id":null,"detail":{}}', n) AS BLOB)
  FROM number"#;
/// The indexes of the events, which are made anew when many were added: each is sorted once then.
pub(crate) const INDEXES: &str =
    "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'events' AND sql IS NOT NULL";
pub(crate) const DROP_INDEX: &str = "DROP INDEX ";
/// For sorting them: 2 GiB of pages.
pub(crate) const ROOMY: &str = "PRAGMA cache_size = -2097152;";
pub(crate) const SETTLE: &str = "PRAGMA wal_checkpoint(TRUNCATE);";
/// Events as a busy year leaves them: `$1` how many, `$2` when the first was, `$3` how far apart, `$4` salt, `$5` body.
macro_rules! fill {
    ($numbers:literal, $bytes:literal, $from:literal) => {
        concat!(
            $numbers,
            "INSERT INTO events (id, tenant, idx, at, action, app_id, person_id, resource, outcome, trace_id, durability, subject, about, salt, body)
             SELECT 'event-' || n, 'main', n, CAST($2 AS BIGINT) + n * CAST($3 AS BIGINT),
               CASE WHEN n % 997 = 0 THEN 'app.revoke' WHEN n % 53 = 0 THEN 'app.deploy'
                    WHEN n % 11 = 0 THEN 'secret.use' ELSE 'app.use' END,
               'app-' || (n * 7919 % 200), 'person-' || (n * 104729 % 5000),
               CASE WHEN n % 997 = 0 OR n % 53 = 0 OR n % 11 <> 0 THEN 'app/app-' || (n * 7919 % 200)
                    ELSE 'secret/people-ops/s' || (n / 11 % 300) || '/prod' END,
               CASE WHEN n % 211 = 0 THEN 'denied' ELSE 'allowed' END,
               'trace-' || (n / 4),
               CASE WHEN n % 997 = 0 OR n % 53 = 0 OR n % 11 = 0 THEN 'act' ELSE 'access' END,
               'person:person-' || (n * 104729 % 5000),
               CASE WHEN n % 53 = 0 THEN 'person-' || (n * 31 % 5000) END, ",
            $bytes,
            " FROM ",
            $from
        )
    };
}
pub(crate) const FILL_SQLITE: &str = fill!(
    "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < $1) ",
    "$4, $5",
    "numbers"
);
pub(crate) const FILL_POSTGRES: &str = fill!(
    "",
    "CAST($4 AS BYTEA), CAST($5 AS BYTEA)",
    "generate_series(CAST(0 AS BIGINT), CAST($1 AS BIGINT) - 1) AS n"
);
pub(crate) const ANALYZE: &str = "ANALYZE events";
