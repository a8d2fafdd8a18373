//! Rows of records, of their index and of what they add up to. `$1` to `$4`: tenant, app, environment, collection.

pub(crate) const INSERT: &str = "INSERT INTO data_records
  (tenant, app_id, env, collection, id, version, created_at, updated_at, expires_at, person, bytes, body)
  VALUES ($1, $2, $3, $4, $5, 1, $6, $6, $7, $8, $9, $10)";
pub(crate) const ONE: &str = "SELECT version, body, bytes FROM data_records
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4 AND id = $5 AND expires_at > $6";
/// Changes nothing when the version is another by now.
pub(crate) const UPDATE: &str = "UPDATE data_records SET version = version + 1, updated_at = $7, bytes = $8, body = $9
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4 AND id = $5 AND version = $6 AND expires_at > $7";
pub(crate) const DELETE: &str = "DELETE FROM data_records
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4 AND id = $5 AND expires_at > $6 RETURNING bytes";

pub(crate) const INDEX: &str = "INSERT INTO data_index (tenant, app_id, env, collection, record, field, key)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT (tenant, app_id, env, collection, record, field) DO UPDATE SET key = $7";

pub(crate) const USE: &str = "INSERT INTO data_usage (tenant, app_id, env, collection, records, bytes, last_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, app_id, env, collection)
  DO UPDATE SET records = data_usage.records + $5, bytes = data_usage.bytes + $6, last_at = $7";
pub(crate) const TOTAL: &str = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM data_usage
  WHERE tenant = $1 AND app_id = $2 AND env = $3";
pub(crate) const USED: &str = "SELECT collection, records, bytes, last_at FROM data_usage
  WHERE tenant = $1 AND app_id = $2 AND env = $3 ORDER BY collection";
pub(crate) const DELETE_USED: &str = "DELETE FROM data_usage WHERE tenant = $1 AND app_id = $2 AND env = $3";

/// What an app leaves behind, and its end; the index goes with the records.
pub(crate) const COUNT_ALL: &str = "SELECT collection, COUNT(*), CAST(SUM(bytes) AS BIGINT) FROM data_records
  WHERE tenant = $1 AND app_id = $2 AND env = $3 GROUP BY collection ORDER BY collection";
pub(crate) const DELETE_ALL: &str = "DELETE FROM data_records WHERE tenant = $1 AND app_id = $2 AND env = $3";

/// What a changed declaration touches.
pub(crate) const AFTER: &str = "SELECT id, body, bytes FROM data_records
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4 AND id > $5 ORDER BY id LIMIT CAST($6 AS BIGINT)";
pub(crate) const REWRITE: &str = "UPDATE data_records SET bytes = $6, body = $7
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4 AND id = $5";
pub(crate) const DELETE_FIELD: &str = "DELETE FROM data_index
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4 AND field = $5";
/// Shortens, never stretches, what was promised when a record was stored.
pub(crate) const SHORTEN: &str = "UPDATE data_records SET expires_at = created_at + $5
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4 AND expires_at > created_at + $5";
