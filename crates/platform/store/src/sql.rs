//! The store's own statements, in the subset that both engines share.

pub(crate) const CREATE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS migrations (
  room TEXT NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (room, number))";
pub(crate) const APPLIED_MIGRATIONS: &str = "SELECT room, number, name, digest FROM migrations";
pub(crate) const INSERT_MIGRATION: &str =
    "INSERT INTO migrations (room, number, name, digest, at) VALUES ($1, $2, $3, $4, $5)";

pub(crate) const INSERT_ALONE_STEP: &str = "INSERT INTO alone_steps (room, number, why) VALUES ($1, $2, $3)";
pub(crate) const ALONE_STEPS: &str = "SELECT count(*) FROM alone_steps";

/// For a look from outside.
pub(crate) const ROOT_META: &str = "SELECT name, value FROM meta WHERE name IN ('root_key_id', 'root_key_check')";
pub(crate) const NEWEST_EVENT: &str = "SELECT max(at) FROM events WHERE seq = (SELECT max(seq) FROM events)";
/// Heads of logs, with how many events are there of those that they promise.
macro_rules! log_sizes {
    ($promised:literal) => {
        concat!(
            "SELECT tenant, size, (SELECT count(*) FROM events WHERE events.tenant = log_heads.tenant AND ",
            $promised,
            ") FROM log_heads"
        )
    };
}
pub(crate) const LOG_SIZES: &str = log_sizes!("idx IS NOT NULL");

pub(crate) const META: &str = "SELECT value FROM meta WHERE name = $1";
pub(crate) const INSERT_META: &str = "INSERT INTO meta (name, value) VALUES ($1, $2)";
pub(crate) const PUT_META: &str = "INSERT INTO meta (name, value) VALUES ($1, $2)
  ON CONFLICT (name) DO UPDATE SET value = $2";
pub(crate) const DELETE_META: &str = "DELETE FROM meta WHERE name = $1";

pub(crate) const EPOCH: &str = "SELECT epoch FROM epochs WHERE tenant = $1";
pub(crate) const RAISE_EPOCH: &str = "INSERT INTO epochs (tenant, epoch) VALUES ($1, 1)
  ON CONFLICT (tenant) DO UPDATE SET epoch = epochs.epoch + 1 RETURNING epoch";

macro_rules! insert_event {
    ($column:literal, $place:literal) => {
        concat!(
            "INSERT INTO events (id, tenant, at, action, app_id, person_id, resource, outcome, trace_id, durability,
               subject, salt, body, about",
            $column,
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14",
            $place,
            ")"
        )
    };
}
pub(crate) const INSERT_EVENT: &str = insert_event!("", "");

pub(crate) const INSERT_NOTICE: &str = "INSERT INTO notices
  (tenant, event, kind, action, app_id, env, resource, person, exception, detail, at, spread_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL)";

/// The place in the log of an event of `$1`. NULL until the head covers it, whenever it was given.
macro_rules! place {
    () => {
        "CASE WHEN idx < (SELECT size FROM log_heads WHERE log_heads.tenant = $1) THEN idx END AS idx"
    };
}

/// Which events: `$1` tenant, then person (who did it, or whom it is about), app, action, trace (each may be NULL), since, until, the last one's `seq` and
/// (`$11`) time, limit, outcome. One statement for each leading filter, so that its index serves it.
macro_rules! events {
    ($leading:literal) => {
        concat!(
            "SELECT seq, id, tenant, ",
            place!(),
            ", at, action, app_id, person_id, resource, outcome, trace_id, subject, salt, body
             FROM events WHERE tenant = $1",
            $leading,
            " AND (CAST($2 AS TEXT) IS NULL OR person_id = CAST($2 AS TEXT) OR about = CAST($2 AS TEXT)
                OR resource = 'person/' || CAST($2 AS TEXT))
              AND (CAST($3 AS TEXT) IS NULL OR app_id = CAST($3 AS TEXT))
              AND (CAST($4 AS TEXT) IS NULL OR action = CAST($4 AS TEXT))
              AND (CAST($5 AS TEXT) IS NULL OR trace_id = CAST($5 AS TEXT))
              AND (CAST($10 AS TEXT) IS NULL OR outcome = CAST($10 AS TEXT))
              AND at >= $6 AND at <= $7 AND (at < $11 OR seq < $8)
             ORDER BY at DESC, seq DESC LIMIT CAST($9 AS BIGINT)"
        )
    };
}
pub(crate) const EVENTS: &str = events!("");
/// By whoever did it, and by whom it is about: named beside the resource, or as the resource. Each is a span of an index.
pub(crate) const EVENTS_BY_PERSON: &str = concat!(
    "SELECT * FROM (",
    events!(" AND person_id = CAST($2 AS TEXT)"),
    ") AS doer UNION ALL SELECT * FROM (",
    events!(" AND about = CAST($2 AS TEXT) AND (person_id IS NULL OR person_id <> CAST($2 AS TEXT))"),
    ") AS named UNION ALL SELECT * FROM (",
    events!(
        " AND durability <> 'access' AND resource = 'person/' || CAST($2 AS TEXT)
          AND (person_id IS NULL OR person_id <> CAST($2 AS TEXT)) AND (about IS NULL OR about <> CAST($2 AS TEXT))"
    ),
    ") AS itself ORDER BY at DESC, seq DESC LIMIT CAST($9 AS BIGINT)"
);
pub(crate) const EVENTS_BY_APP: &str = events!(" AND app_id = CAST($3 AS TEXT)");
pub(crate) const EVENTS_BY_ACTION: &str = events!(" AND action = CAST($4 AS TEXT)");
pub(crate) const EVENTS_BY_TRACE: &str = events!(" AND trace_id = CAST($5 AS TEXT)");
pub(crate) const EVENTS_REFUSED: &str = events!(" AND outcome <> 'allowed' AND outcome = CAST($10 AS TEXT)");
/// By the thing that they are on, in either of its two forms (`$12`, `$13`); each form is a span of the index.
pub(crate) const EVENTS_BY_RESOURCE: &str = concat!(
    "SELECT * FROM (",
    events!(" AND durability <> 'access' AND resource = CAST($12 AS TEXT)"),
    ") AS one UNION ALL SELECT * FROM (",
    events!(" AND durability <> 'access' AND resource = CAST($13 AS TEXT)"),
    ") AS other ORDER BY at DESC, seq DESC LIMIT CAST($9 AS BIGINT)"
);
pub(crate) const EVENT_AT: &str = "SELECT at FROM events WHERE tenant = $1 AND seq = $2";
pub(crate) const EVENT: &str = concat!(
    "SELECT seq, id, tenant, ",
    place!(),
    ", at, action, app_id, person_id, resource, outcome, trace_id, subject, salt, body
     FROM events WHERE tenant = $1 AND id = $2"
);
/// For whoever knows the head: up to its size.
pub(crate) const EVENTS_BY_INDEX: &str = "SELECT seq, id, tenant, idx, at, action, app_id, person_id, resource,
  outcome, trace_id, subject, salt, body FROM events
  WHERE tenant = $1 AND idx >= $2 AND idx < $3 ORDER BY idx LIMIT CAST($4 AS BIGINT)";
/// Only what the head covers: of anything else there would be nothing to make a leaf of.
pub(crate) const ERASE_BODY: &str =
    "UPDATE events SET salt = NULL, body = NULL WHERE tenant = $1 AND idx = $2 AND body IS NOT NULL
  AND idx < (SELECT size FROM log_heads WHERE log_heads.tenant = $1)";

pub(crate) const SUBJECT_KEY: &str = "SELECT wrapped FROM subject_keys WHERE tenant = $1 AND subject = $2";
pub(crate) const INSERT_SUBJECT_KEY: &str = "INSERT INTO subject_keys (tenant, subject, wrapped) VALUES ($1, $2, $3)
  ON CONFLICT (tenant, subject) DO NOTHING";
pub(crate) const DELETE_SUBJECT_KEY: &str = "DELETE FROM subject_keys WHERE tenant = $1 AND subject = $2";

pub(crate) const ADVANCE_FEED: &str = "INSERT INTO feed_heads (tenant, position) VALUES ($1, 1)
  ON CONFLICT (tenant) DO UPDATE SET position = feed_heads.position + 1 RETURNING position";
pub(crate) const INSERT_CHANGE: &str = "INSERT INTO feed (tenant, position, kind, key, at)
  SELECT tenant, position, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT) FROM feed_heads WHERE tenant = $1";
/// The change that says which epoch began: the rows that it is about come before it in the feed.
pub(crate) const INSERT_EPOCH_CHANGE: &str = "INSERT INTO feed (tenant, position, kind, key, at)
  SELECT tenant, position, CAST($2 AS TEXT),
    CAST((SELECT epoch FROM epochs WHERE epochs.tenant = feed_heads.tenant) AS TEXT), CAST($3 AS BIGINT)
  FROM feed_heads WHERE tenant = $1";
pub(crate) const FEED_HEAD: &str = "SELECT position FROM feed_heads WHERE tenant = $1";
pub(crate) const FEED: &str = "SELECT position, kind, key, at FROM feed WHERE tenant = $1 AND position > $2
  ORDER BY position LIMIT CAST($3 AS BIGINT)";
pub(crate) const PRUNE_FEED: &str = "DELETE FROM feed WHERE position <=
  (SELECT head.position FROM feed_heads head WHERE head.tenant = feed.tenant) - CAST($1 AS BIGINT)";

pub(crate) const INSERT_BLOB: &str = "INSERT INTO blobs (tenant, digest, size, bytes, outside)
  VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, digest) DO NOTHING";
pub(crate) const BLOB: &str = "SELECT bytes, outside FROM blobs WHERE tenant = $1 AND digest = $2";
pub(crate) const HAS_BLOB: &str = "SELECT size FROM blobs WHERE tenant = $1 AND digest = $2";
pub(crate) const BLOBS_INSIDE: &str = "SELECT digest, bytes FROM blobs WHERE tenant = $1 AND outside IS NULL
  ORDER BY digest LIMIT CAST($2 AS BIGINT)";
pub(crate) const MOVE_BLOB: &str = "UPDATE blobs SET bytes = SUBSTR(bytes, 1, 0), outside = $3
  WHERE tenant = $1 AND digest = $2 AND outside IS NULL";
pub(crate) const GIVE_UP_BLOB: &str = "INSERT INTO content_puts (tenant, name, at)
  SELECT tenant, outside, 0 FROM blobs WHERE tenant = $1 AND digest = $2 AND outside IS NOT NULL";
pub(crate) const DELETE_BLOB: &str = "DELETE FROM blobs WHERE tenant = $1 AND digest = $2";

/// Runs that have not ended, or whose end nobody has told yet.
pub(crate) const OPEN_RUNS: &str = "SELECT node, started_at, flushed_at FROM runs WHERE ended_at IS NULL ORDER BY node";
pub(crate) const START_RUN: &str = "INSERT INTO runs (node, started_at, flushed_at, ended_at) VALUES ($1, $2, $2, NULL)
  ON CONFLICT (node) DO UPDATE SET started_at = $2, flushed_at = $2, ended_at = NULL";
/// These two change nothing before the start of their run is recorded: until then the row tells of the run before. A run
/// that was given up as lost goes on when it flushes again.
pub(crate) const FLUSH_RUN: &str =
    "UPDATE runs SET flushed_at = $3, ended_at = NULL WHERE node = $1 AND started_at = $2";
pub(crate) const END_RUN: &str = "UPDATE runs SET flushed_at = $3, ended_at = $3 WHERE node = $1 AND started_at = $2";
/// A row of no node, made and taken back in one transaction: something is written, and nothing of it stays.
pub(crate) const TRY_RUN: &str = "INSERT INTO runs (node, started_at, flushed_at, ended_at) VALUES ($1, $2, $2, $2)";
pub(crate) const UNTRY_RUN: &str = "DELETE FROM runs WHERE node = $1";

/// Every tenant that has events, from one to the next in the index, with how far its head goes.
macro_rules! logs {
    ($then:literal) => {
        concat!(
            "WITH RECURSIVE tenants (tenant) AS (SELECT min(tenant) FROM events UNION ALL
               SELECT (SELECT min(events.tenant) FROM events WHERE events.tenant > tenants.tenant)
               FROM tenants WHERE tenant IS NOT NULL),
             logs (tenant, size) AS (
               SELECT tenant, COALESCE((SELECT size FROM log_heads WHERE log_heads.tenant = tenants.tenant), 0)
               FROM tenants WHERE tenant IS NOT NULL) ",
            $then
        )
    };
}
pub(crate) const LOGS: &str = logs!("SELECT tenant, size FROM logs");
pub(crate) const UNSEQUENCED_TENANTS: &str = "SELECT DISTINCT tenant FROM events WHERE idx IS NULL";
/// Gives up to `$3` events their indexes, counting from `$2`.
pub(crate) const ASSIGN_INDEXES: &str = "UPDATE events SET idx = CAST($2 AS BIGINT) + queue.place
  FROM (SELECT seq AS row_seq, ROW_NUMBER() OVER (ORDER BY seq) - 1 AS place FROM events
        WHERE tenant = $1 AND idx IS NULL ORDER BY seq LIMIT CAST($3 AS BIGINT)) AS queue
  WHERE events.seq = queue.row_seq RETURNING idx, salt, body";
/// Reads the newest head and holds it until the transaction ends.
pub(crate) const LOCK_LOG: &str = "UPDATE log_heads SET at = $2 WHERE tenant = $1 RETURNING size, term, checkpoint";
pub(crate) const LOG_HEAD: &str = "SELECT size, term, checkpoint FROM log_heads WHERE tenant = $1";
pub(crate) const LOG_HEADS: &str = "SELECT tenant, size, checkpoint FROM log_heads";
pub(crate) const START_LOG: &str = "INSERT INTO log_heads (tenant, size, term, checkpoint, at)
  VALUES ($1, 0, 0, $2, $3) ON CONFLICT (tenant) DO NOTHING";
pub(crate) const ADVANCE_LOG: &str = "UPDATE log_heads SET size = $4, checkpoint = $5, at = $6
  WHERE tenant = $1 AND size = $2 AND term = $3";
pub(crate) const CLAIM_LOGS: &str = "UPDATE log_heads SET term = term + 1";
/// What was put outside and is named nowhere yet; `at` is 0 once it is given up.
pub(crate) const NOTE_PUT: &str = "INSERT INTO content_puts (tenant, name, at) VALUES ($1, $2, $3)";
pub(crate) const TAKE_PUT: &str = "DELETE FROM content_puts WHERE tenant = $1 AND name = $2 AND at > 0";
pub(crate) const GIVE_UP_PUT: &str = "UPDATE content_puts SET at = 0 WHERE tenant = $1 AND at > 0 AND at < $2";
pub(crate) const GIVEN_UP: &str =
    "SELECT name FROM content_puts WHERE tenant = $1 AND at = 0 ORDER BY name LIMIT CAST($2 AS BIGINT)";
pub(crate) const FORGET_PUT: &str = "DELETE FROM content_puts WHERE tenant = $1 AND name = $2 AND at = 0";
pub(crate) const IS_NAMED: &str = "SELECT size FROM blobs WHERE tenant = $1 AND outside = $2
  UNION ALL SELECT 1 FROM tiles WHERE tenant = $1 AND outside = $2";
pub(crate) const ANY_OUTSIDE: &str = "SELECT * FROM
  (SELECT outside FROM blobs WHERE outside IS NOT NULL LIMIT 1) AS one UNION ALL SELECT * FROM
  (SELECT outside FROM tiles WHERE outside IS NOT NULL LIMIT 1) AS other";

pub(crate) const TILE: &str = "SELECT bytes, outside FROM tiles WHERE tenant = $1 AND path = $2";
/// Tiles that are full: of hashes, and of entries.
pub(crate) const TILES_INSIDE: &str = "SELECT path, bytes FROM tiles WHERE tenant = $1 AND outside IS NULL
  AND LENGTH(bytes) >= CASE WHEN path LIKE 'tile/entries/%' THEN CAST($3 AS BIGINT) ELSE CAST($2 AS BIGINT) END
  ORDER BY path LIMIT CAST($4 AS BIGINT)";
pub(crate) const MOVE_TILE: &str = "UPDATE tiles SET bytes = SUBSTR(bytes, 1, 0), outside = $3
  WHERE tenant = $1 AND path = $2 AND outside IS NULL";
pub(crate) const PUT_TILE: &str = "INSERT INTO tiles (tenant, path, bytes) VALUES ($1, $2, $3)
  ON CONFLICT (tenant, path) DO UPDATE SET bytes = $3, outside = NULL";

pub(crate) const ACCEPTED: &str =
    "SELECT event FROM recoveries WHERE tenant = $1 AND kept_size = $2 AND kept_root = $3";
pub(crate) const ACCEPT: &str = "INSERT INTO recoveries
  (tenant, event, at, kept_size, kept_root, found_size, found_root) VALUES ($1, $2, $3, $4, $5, $6, $7)";

// What differs between the engines.

/// What migrations write for a row number that the engine counts.
pub(crate) const IDENTITY: &str = "{{identity}}";
pub(crate) const IDENTITY_SQLITE: &str = "INTEGER PRIMARY KEY AUTOINCREMENT";
pub(crate) const IDENTITY_POSTGRES: &str = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY";

/// PostgreSQL only: SQLite has one writer.
pub(crate) const LOCK_SHARED: &str = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 1))";
pub(crate) const LOCK_EXCLUSIVE: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))";
pub(crate) const LOCK_MIGRATIONS: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 3))";
/// PostgreSQL only: while a table is waited for, whoever comes after waits too.
pub(crate) const LOCK_BRIEFLY: &str = "SET LOCAL lock_timeout = '1s'";
/// PostgreSQL only: leases are read, and none is taken or renewed. Whoever renews meanwhile looks at what is applied once
/// this is over.
pub(crate) const LOCK_NODES: &str = "LOCK TABLE node_leases IN SHARE ROW EXCLUSIVE MODE";
/// And whether a lease lies further ahead than one of `$1` ms can, since the clock was set back.
pub(crate) const LIVE_NODES: &str = "SELECT node,
  CAST(until > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + 2 * CAST($1 AS BIGINT) AS INT)::BIGINT
  FROM node_leases WHERE until > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) ORDER BY node";
pub(crate) const TRY_LEAD: &str = "SELECT pg_try_advisory_lock(hashtextextended($1, 2))";
/// PostgreSQL only: a session that asks nothing for so long ends, and with it what it holds.
pub(crate) const END_SILENT: &str = "SET idle_session_timeout = '10s'";
pub(crate) const ALIVE: &str = "SELECT 1";
/// PostgreSQL only: on SQLite there is one node. Takes or renews a lease for `$4` ms by the server's clock, unless another
/// process of this name has one, or more steps than `$5` were applied that no older node may stand beside; answers with
/// the time, and how many others have one. What lies two lengths ahead, nobody of this clock has.
pub(crate) const RENEW_NODE: &str = "INSERT INTO node_leases (node, run, until, position)
  SELECT CAST($1 AS TEXT), CAST($2 AS TEXT),
    CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + CAST($4 AS BIGINT), CAST($3 AS BIGINT)
  WHERE (SELECT count(*) FROM alone_steps) <= CAST($5 AS BIGINT)
  ON CONFLICT (node) DO UPDATE SET run = $2, position = $3,
    until = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + $4
  WHERE node_leases.run = $2 OR node_leases.until <= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)
    OR node_leases.until > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + 2 * $4
  RETURNING CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT),
    (SELECT COUNT(*) FROM node_leases other
      WHERE other.node <> $1 AND other.until > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)
        AND other.until <= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + 2 * $4)";
/// PostgreSQL only: the time by which everything is judged on every node.
pub(crate) const DATABASE_NOW: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
/// PostgreSQL only: on SQLite there is nobody to share with. Holds the key's row until the transaction ends; the time is
/// read once it is held.
pub(crate) const HOLD_DRAWS: &str = "INSERT INTO rate_draws (tenant, key, drawn, at) VALUES ($1, $2, $3, 0)
  ON CONFLICT (tenant, key) DO UPDATE SET at = rate_draws.at
  RETURNING drawn, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
pub(crate) const PUT_DRAWS: &str =
    "UPDATE rate_draws SET drawn = $3, at = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)
  WHERE tenant = $1 AND key = $2";
pub(crate) const PRUNE_DRAWS: &str = "DELETE FROM rate_draws
  WHERE at < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) - CAST($1 AS BIGINT)";
pub(crate) const LEAVE_NODE: &str = "DELETE FROM node_leases WHERE node = $1 AND run = $2";
pub(crate) const OTHER_NODES: &str = "SELECT node, position,
  CAST(until <= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS INT)::BIGINT, until
  FROM node_leases WHERE node <> $1 ORDER BY node";
/// PostgreSQL only: fails (22012, division by zero) unless the tenant's epoch is `$2`, so that the COMMIT sent right behind
/// it rolls back.
pub(crate) const EPOCH_HELD: &str = "SELECT CAST(1 / (CASE WHEN COALESCE(
  (SELECT epoch FROM epochs WHERE tenant = $1), 0) = CAST($2 AS BIGINT) THEN 1 ELSE 0 END) AS BIGINT)";
/// PostgreSQL only: SQLite's feed is in the process.
pub(crate) const LISTEN: &str = "LISTEN bailiwick_feed";
pub(crate) const NOTIFY: &str = "SELECT pg_notify('bailiwick_feed', $1)";
/// A lost node's locks end with its connection; a stuck one's after this.
/// Of every session. INVARIANT: whatever a database or a role was given, a commit reads the epoch as it is by then.
pub(crate) const SESSION_OPTIONS: &str = "-c default_transaction_isolation=read\\ committed";
/// INVARIANT: only a transaction that was begun writes. Statements are sent behind their BEGIN without waiting for it; were
/// it refused, each would be a transaction of its own, and may read only then.
pub(crate) const WRITER_OPTIONS: &str =
    "-c default_transaction_read_only=on -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s";
pub(crate) const READER_OPTIONS: &str = "-c default_transaction_read_only=on -c statement_timeout=15s";

/// PostgreSQL only: a look from outside.
pub(crate) const HAS_MIGRATIONS: &str =
    "SELECT 1::bigint FROM pg_tables WHERE tablename = 'migrations' AND schemaname = ANY (current_schemas(false))";
/// With where each was set. Whoever may not see the file sees NULL there.
pub(crate) const SETTINGS: &str = "SELECT name, setting, source, COALESCE(sourcefile, '') FROM pg_settings
  WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names') ORDER BY name";
/// Whoever may not see the state of a standby sees NULL there: counted as none.
pub(crate) const STANDBYS: &str =
    "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'async' AND application_name <> 'pg_basebackup'";

/// SQLite only: with its place, the next one. INVARIANT: there is one writer, so that places are given in the order in which
/// events are committed, and one that is undone takes its place with it. None is given below the head, whatever was lost.
pub(crate) const INSERT_EVENT_IN_PLACE: &str = insert_event!(
    ", idx",
    ", max(COALESCE((SELECT idx + 1 FROM events WHERE tenant = $2 AND idx IS NOT NULL ORDER BY idx DESC LIMIT 1), 0),
         COALESCE((SELECT size FROM log_heads WHERE tenant = $2), 0))"
);
/// SQLite only: whether there is an event without a place, as another engine or an earlier version left it.
pub(crate) const ANY_UNPLACED: &str = "SELECT 1 FROM events WHERE idx IS NULL LIMIT 1";
/// SQLite only: they come after all that have one.
pub(crate) const PLACE_EVENTS: &str = "UPDATE events SET idx = queue.place
  FROM (SELECT seq AS row_seq, ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY seq) - 1 + max(
          COALESCE((SELECT idx + 1 FROM events WHERE events.tenant = waiting.tenant AND idx IS NOT NULL
            ORDER BY idx DESC LIMIT 1), 0),
          COALESCE((SELECT size FROM log_heads WHERE log_heads.tenant = waiting.tenant), 0)) AS place
        FROM events AS waiting WHERE idx IS NULL) AS queue
  WHERE events.seq = queue.row_seq";
/// SQLite only: whose log has a next event.
pub(crate) const UNSEQUENCED_TENANTS_IN_PLACE: &str = logs!(
    "SELECT tenant FROM logs WHERE EXISTS (SELECT 1 FROM events WHERE events.tenant = logs.tenant AND idx >= logs.size)"
);
/// SQLite only: up to `$3` events, from the place `$2` on.
pub(crate) const NEXT_EVENTS: &str = "SELECT idx, salt, body FROM events WHERE tenant = $1 AND idx >= $2
  ORDER BY idx LIMIT CAST($3 AS BIGINT)";
/// SQLite only: events that have a place beyond the head are on their way.
pub(crate) const LOG_SIZES_IN_PLACE: &str = log_sizes!("idx < log_heads.size");

/// SQLite only. FULL, so that an acknowledged act survives power loss. The cache (in KiB) holds the pages at which events
/// and their indexes grow, so that an insert reads no file; it is taken up only as it is used. The log is brought into
/// the database's file every 8,000 pages (32 MiB): by whoever commits then, while all others wait, and most of what grows
/// is written there once for many times that it changed. Where it finds no room it stays in the log, and is tried again.
/// A log that grew beyond that while a backup was read is cut off there by the first commit that begins it anew.
pub(crate) const WRITER_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;
  PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 8000;
  PRAGMA journal_size_limit = 33554432;";
pub(crate) const READER_PRAGMAS: &str =
    "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;";
/// SQLite only: the whole log into the database, and its file cut off.
pub(crate) const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
/// SQLite only: of the database with what its log holds.
pub(crate) const DATABASE_BYTES: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
/// SQLite only: an act is a savepoint in the group's transaction.
pub(crate) const BEGIN_GROUP: &str = "BEGIN IMMEDIATE";
pub(crate) const BEGIN_ACT: &str = "SAVEPOINT act";
pub(crate) const END_ACT: &str = "RELEASE act";
pub(crate) const UNDO_ACT: &str = "ROLLBACK TO act; RELEASE act";
pub(crate) const BEGIN: &str = "BEGIN READ WRITE";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";
