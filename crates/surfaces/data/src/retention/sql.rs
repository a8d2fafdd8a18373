//! Rows past their retention. `$1` to `$4`: tenant, app, environment, collection.

pub(crate) const DUE: &str = "SELECT app_id, env, collection FROM data_records
  WHERE tenant = $1 AND expires_at <= $2 GROUP BY app_id, env, collection ORDER BY app_id, env, collection";
pub(crate) const DELETE_DUE: &str = "DELETE FROM data_records
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4 AND id IN (
    SELECT id FROM data_records WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4 AND expires_at <= $5
    ORDER BY id LIMIT CAST($6 AS BIGINT))
  RETURNING bytes";
/// Leaves `last_at` as it is: the app used nothing.
pub(crate) const USE_LESS: &str = "UPDATE data_usage SET records = records - $5, bytes = bytes - $6
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4";
