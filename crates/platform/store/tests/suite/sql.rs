//! Statements of the suite's own room.

pub const CREATE_NOTES: &str = "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT, n BIGINT, raw BYTEA);
  CREATE TABLE session_seen (id TEXT PRIMARY KEY, at BIGINT NOT NULL);";
pub const INSERT_NOTE: &str = "INSERT INTO notes (id, body, n, raw) VALUES ($1, $2, $3, $4)";
pub const UPSERT_NOTE: &str = "INSERT INTO notes (id, body, n, raw) VALUES ($1, $2, $3, $4)
  ON CONFLICT (id) DO UPDATE SET body = $2, n = $3, raw = $4 RETURNING id, body, n, raw";
/// Parameters that first appear out of order, and twice.
pub const OUT_OF_ORDER: &str = "SELECT CAST($3 AS TEXT), CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($1 AS TEXT)";
pub const NOTE: &str = "SELECT id, body, n, raw FROM notes WHERE id = $1";
pub const NOTICES: &str =
    "SELECT event, kind, action, resource, detail, spread_at FROM notices ORDER BY at, event, kind";
pub const COUNT_NOTES: &str = "SELECT COUNT(*) FROM notes";
pub const COUNT_RUNS: &str = "SELECT COUNT(*) FROM runs";
pub const NOTES_ABOVE: &str =
    "WITH big AS (SELECT id, n FROM notes WHERE n > $1) SELECT id FROM big ORDER BY n LIMIT CAST($2 AS BIGINT)";

/// Trouble from outside: the database takes no event.
pub const FORBID_SQLITE: &str = "CREATE TRIGGER no_events BEFORE INSERT ON events
  BEGIN SELECT RAISE(ABORT, 'no events'); END";
pub const ALLOW_SQLITE: &str = "DROP TRIGGER no_events";
pub const FORBID_POSTGRES: &str = "CREATE FUNCTION no_events() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'no events'; END $$;
  CREATE TRIGGER no_events BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION no_events()";
pub const ALLOW_POSTGRES: &str = "DROP TRIGGER no_events ON events; DROP FUNCTION no_events()";

/// One event among others that the database takes never.
pub const REFUSE_ONE_SQLITE: &str = "CREATE TRIGGER no_poison BEFORE INSERT ON events WHEN NEW.resource = 'poison'
  BEGIN SELECT RAISE(ABORT, 'no poison'); END";
pub const REFUSE_ONE_POSTGRES: &str = "CREATE FUNCTION no_poison() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'no poison'; END $$;
  CREATE TRIGGER no_poison BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.resource = 'poison')
  EXECUTE FUNCTION no_poison()";

/// PostgreSQL only: how a session reads, and when it is given up with whoever held it.
pub const SESSION_SETTINGS: &str = "SELECT current_setting('default_transaction_isolation'), current_setting('tcp_user_timeout'),
  current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count')";

pub const DELETE_NOTES: &str = "DELETE FROM notes";
pub const SEEN: &str = "INSERT INTO session_seen (id, at) VALUES ($1, $2)
  ON CONFLICT (id) DO UPDATE SET at = $2";

/// What an act does when it takes a position of the feed, and has not committed yet.
pub const TAKE_POSITION: &str = "BEGIN; UPDATE feed_heads SET position = position + 1 WHERE tenant = 'main';
  INSERT INTO feed (tenant, position, kind, key, at) SELECT tenant, position, 'app', 'first', 0 FROM feed_heads
  WHERE tenant = 'main'";
pub const COMMIT: &str = "COMMIT";
/// The connections that listen for the feed's notices, and nothing else.
pub const DEAFEN: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND query = 'LISTEN bailiwick_feed'";

/// PostgreSQL only: what was drawn and leased, as it stands once the database's clock was set back by a day.
pub const DRAWN_AHEAD: &str = "UPDATE rate_draws SET drawn =
  int8send(CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + 86400000000) || int4send(2)";
pub const LEASES_AHEAD: &str = "INSERT INTO node_leases (node, run, until, position)
  SELECT node, 'dead', CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + 86400000, 0
  FROM (VALUES ('one'), ('gone')) AS left_behind (node)";

/// Never answered, or not within any test's time.
pub const ENDLESS_SQLITE: &str =
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n";
pub const ENDLESS_POSTGRES: &str = "SELECT COUNT(*) FROM pg_sleep(600)";
/// The record as it is now, kept beside it in the same database.
pub const KEEP_RECORD: &str = "CREATE TABLE kept_events AS SELECT * FROM events;
  CREATE TABLE kept_heads AS SELECT * FROM log_heads; CREATE TABLE kept_tiles AS SELECT * FROM tiles";
/// The record of then in the place of the record of now: an older copy was put back under whoever runs.
pub const PUT_RECORD_BACK: &str = "BEGIN; DELETE FROM events; DELETE FROM log_heads; DELETE FROM tiles;
  INSERT INTO events SELECT * FROM kept_events; INSERT INTO log_heads SELECT * FROM kept_heads;
  INSERT INTO tiles SELECT * FROM kept_tiles; COMMIT";

/// What a leader does to the heads of logs when it begins.
pub const CLAIM_LOGS: &str = "UPDATE log_heads SET term = term + 1";
/// The head of a log is another once it was looked at, as if its row had not been locked: claimed, or grown.
pub const CLAIMED_SQLITE: &str =
    "CREATE TRIGGER meanwhile AFTER UPDATE OF at ON log_heads BEGIN UPDATE log_heads SET term = term + 1; END";
pub const CLAIMED_POSTGRES: &str = "CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN UPDATE log_heads SET term = term + 1; RETURN NULL; END $$;
  CREATE TRIGGER meanwhile AFTER UPDATE ON events FOR EACH STATEMENT EXECUTE FUNCTION meanwhile()";
pub const GROWN_SQLITE: &str =
    "CREATE TRIGGER meanwhile AFTER UPDATE OF at ON log_heads BEGIN UPDATE log_heads SET size = size + 1; END";
pub const GROWN_POSTGRES: &str = "CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN UPDATE log_heads SET size = size + 1; RETURN NULL; END $$;
  CREATE TRIGGER meanwhile AFTER UPDATE ON events FOR EACH STATEMENT EXECUTE FUNCTION meanwhile()";
pub const AS_BEFORE_SQLITE: &str = "DROP TRIGGER meanwhile";
pub const AS_BEFORE_POSTGRES: &str = "DROP TRIGGER meanwhile ON events; DROP FUNCTION meanwhile()";
/// Nobody writes an event until this transaction ends.
pub const HOLD_EVENTS: &str = "BEGIN; LOCK TABLE events IN EXCLUSIVE MODE";
/// Events as a version left them that gave places later, from this place on.
pub const UNPLACE_FROM_3: &str = "UPDATE events SET idx = NULL WHERE idx >= 3";
/// The newest entry that the head covers, of three.
pub const LOSE_THE_THIRD: &str = "DELETE FROM events WHERE idx = 2";
/// Nobody reads a tile until this transaction ends.
pub const HOLD_TILES: &str = "BEGIN; LOCK TABLE tiles IN ACCESS EXCLUSIVE MODE";
/// Ends the connection of whoever waits to read a tile.
pub const END_WHO_WAITS_FOR_TILES: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'SELECT bytes, outside FROM tiles%'";
/// Nobody can read at which epoch it is.
pub const EPOCHS_AWAY: &str = "ALTER TABLE epochs RENAME TO epochs_away";
/// What was put outside is given up at once.
pub const GIVEN_UP_SQLITE: &str =
    "CREATE TRIGGER meanwhile AFTER INSERT ON content_puts BEGIN UPDATE content_puts SET at = 0; END";
pub const GIVEN_UP_POSTGRES: &str = "CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN UPDATE content_puts SET at = 0; RETURN NULL; END $$;
  CREATE TRIGGER meanwhile AFTER INSERT ON content_puts FOR EACH STATEMENT EXECUTE FUNCTION meanwhile()";
pub const NOTES_AS_BEFORE_SQLITE: &str = "DROP TRIGGER meanwhile";
pub const NOTES_AS_BEFORE_POSTGRES: &str = "DROP TRIGGER meanwhile ON content_puts; DROP FUNCTION meanwhile()";
/// Another has moved every tile by the time at which something is put outside.
pub const MOVED_SQLITE: &str = "CREATE TRIGGER meanwhile AFTER INSERT ON content_puts
  BEGIN UPDATE tiles SET outside = 'tiles/elsewhere'; END";
pub const MOVED_POSTGRES: &str = "CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN UPDATE tiles SET outside = 'tiles/elsewhere'; RETURN NULL; END $$;
  CREATE TRIGGER meanwhile AFTER INSERT ON content_puts FOR EACH STATEMENT EXECUTE FUNCTION meanwhile()";
