//! What tests ask a database behind the product's back: its tables, all their rows, a copy of them.
//!
//! Refuses to be found in the product: names of tables and columns are put together here, from what the database says.

pub(crate) const POSTGRES_TABLES: &str =
    "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
/// As a row of a newer version might be: to a channel that this one does not know.
pub(crate) const TO_NOWHERE: &str = "UPDATE notice_deliveries SET channel = 'pager' WHERE channel = 'mail'";
pub(crate) const POSTGRES_COLUMNS: &str = "SELECT table_name::text, column_name::text, upper(data_type::text) FROM information_schema.columns WHERE table_schema = 'public'";
pub(crate) const SQLITE_COLUMNS: &str = "SELECT m.name, c.name, upper(c.type) FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";

/// Every row, as text.
pub(crate) fn whole(table: &str) -> String {
    format!("SELECT t::text FROM {table} t")
}

/// A tenant's rows as text, in order.
pub(crate) fn postgres_rows(table: &str, columns: &[&str], tenant: &str) -> String {
    format!("SELECT ROW({})::text FROM {table} WHERE tenant = '{tenant}' ORDER BY 1", columns.join(", "))
}

/// The same on SQLite.
pub(crate) fn sqlite_rows(table: &str, columns: &[&str], tenant: &str) -> String {
    let all: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
    format!("SELECT {} FROM {table} WHERE tenant = '{tenant}' ORDER BY 1", all.join(" || ',' || "))
}

/// A second set of the rows of `main`, with these values in these columns.
pub(crate) fn copy(table: &str, columns: &[&str], values: &[String]) -> String {
    let (columns, values) = (columns.join(", "), values.join(", "));
    format!("INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE tenant = 'main'")
}

/// A row of our own making.
pub(crate) fn insert(table: &str, columns: &[&str], values: &[String]) -> String {
    format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "))
}

/// SQLite: every stored event says something else.
pub(crate) const DAMAGE_EVENTS: &str =
    "UPDATE events SET body = CAST(replace(CAST(body AS TEXT), '\"id\"', '\"di\"') AS BLOB) WHERE body IS NOT NULL";

/// The same on PostgreSQL.
pub(crate) const DAMAGE_EVENTS_POSTGRES: &str = "UPDATE events
  SET body = convert_to(replace(convert_from(body, 'UTF8'), '\"id\"', '\"di\"'), 'UTF8') WHERE body IS NOT NULL";

/// Collections, records, lines of their index; records and bytes as usage has them.
pub(crate) const KEPT: &str = "SELECT (SELECT COUNT(*) FROM data_collections), (SELECT COUNT(*) FROM data_records),
  (SELECT COUNT(*) FROM data_index), (SELECT CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM data_usage),
  (SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM data_usage)";

/// All that apps keep is so many milliseconds older.
pub(crate) fn aged(by_ms: u128) -> String {
    format!(
        "UPDATE data_records SET created_at = created_at - {by_ms}, updated_at = updated_at - {by_ms}, expires_at = expires_at - {by_ms}"
    )
}

/// SQLite: as it was before the files of a release had a place, and the step that made it.
pub(crate) const BEFORE_FILES: &str = "ALTER TABLE releases DROP COLUMN files;
  DELETE FROM migrations WHERE room = 'catalog' AND number = 6;";

/// From the next event of this act on, these tables are not to be found: what is read after its commit fails.
pub(crate) fn lost_at(action: &str, tables: &[&str]) -> String {
    let lose: String = tables.iter().map(|table| format!("ALTER TABLE {table} RENAME TO {table}_lost; ")).collect();
    format!(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {lose} RETURN NULL; END $$; CREATE TRIGGER lose AFTER INSERT ON events FOR EACH ROW WHEN (NEW.action = '{action}') EXECUTE FUNCTION lose()"
    )
}

/// They are there again.
pub(crate) fn found(tables: &[&str]) -> String {
    let find: String = tables.iter().map(|table| format!("ALTER TABLE {table}_lost RENAME TO {table}; ")).collect();
    format!("{find} DROP TRIGGER lose ON events; DROP FUNCTION lose()")
}

/// A node's lease runs so many milliseconds from now.
pub(crate) fn lease(node: &str, runs_ms: u128) -> String {
    format!(
        "UPDATE node_leases SET until = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + {runs_ms} WHERE node = '{node}'"
    )
}

/// A newer version gives every app to another team, and says so by a kind of change that this one does not know.
pub(crate) const SAID_BY_TOMORROW: &str =
    "BEGIN; UPDATE apps SET team = 'tomorrow'; UPDATE feed_heads SET position = position + 1;
  INSERT INTO feed (tenant, position, kind, key, at) SELECT tenant, position, 'of-tomorrow', '', 0 FROM feed_heads;
  SELECT pg_notify('bailiwick_feed', ''); COMMIT";

/// A sign-in to an app that is not committed yet: it holds the one console session that lives, and made one from it.
pub(crate) const SIGNING_IN: &str =
    "BEGIN; UPDATE sessions SET ended_at = NULL WHERE place = 'console' AND ended_at IS NULL;
  INSERT INTO sessions (tenant, id, hash, person, parent, place, app_id, env, created_at, expires_at)
  SELECT tenant, 'meanwhile', sha256(hash), person, id, 'app', 'an-app', 'prod', created_at, expires_at FROM sessions
  WHERE place = 'console' AND ended_at IS NULL";
/// Whether somebody waits for what this transaction holds.
pub(crate) const IS_WAITED_FOR: &str =
    "SELECT COUNT(*) > 0 FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))";
pub(crate) const LIVING_SESSIONS: &str = "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL";
/// Transactions that have written something, and are not over.
pub(crate) const BEING_WRITTEN: &str = "SELECT count(*) FROM pg_stat_activity
  WHERE datname = current_database() AND backend_type = 'client backend' AND backend_xid IS NOT NULL";

pub(crate) const POSTGRES_SIZE: &str = "SELECT pg_database_size(current_database())";
/// Older than any other, so many that no page of them has another: of a kind that nobody knows.
pub(crate) const UNREADABLE_NOTICES: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
  INSERT INTO notices (tenant, event, kind, action, resource, detail, at)
  SELECT 'main', 'planted' || i, 'of-tomorrow', 'x.y', 'x', '{}', i % 7 FROM n";

/// Every table as it is now, kept in a schema of its own.
pub(crate) const KEEP: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE SCHEMA kept; DO $$ DECLARE t text; BEGIN FOR t IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' LOOP EXECUTE format('CREATE TABLE kept.%1$I AS SELECT * FROM public.%1$I', t); END LOOP; END $$; COMMIT";
/// Every table as it was then, under whoever runs on it.
pub(crate) const PUT_BACK: &str = "BEGIN; SET LOCAL session_replication_role = replica; DO $$ DECLARE t text; BEGIN FOR t IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'kept' ORDER BY 1 LOOP EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', t); END LOOP; FOR t IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'kept' LOOP EXECUTE format('DELETE FROM public.%1$I; INSERT INTO public.%1$I SELECT * FROM kept.%1$I', t); END LOOP; END $$; COMMIT";

/// A second user of the database, who may do with rows what its owner may.
pub(crate) fn guest(name: &str, password: &str) -> String {
    format!(
        "CREATE ROLE {name} LOGIN PASSWORD '{password}'; GRANT ALL ON SCHEMA public TO {name}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}"
    )
}

/// They cannot read this table any more.
pub(crate) fn hide(table: &str, guest: &str) -> String {
    format!("REVOKE SELECT ON {table} FROM {guest}")
}

/// They can again.
pub(crate) fn show(table: &str, guest: &str) -> String {
    format!("GRANT SELECT ON {table} TO {guest}")
}
