//! The rows of grants; and of the record, how often each was used.

pub(super) const INSERT: &str =
    "INSERT INTO broker_grants (tenant, app_id, env, name, host, port, tls, methods, paths, secret, why, line,
  release, credential_epoch, time_ms, until, opened_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

pub(super) const DELETE: &str = "DELETE FROM broker_grants WHERE tenant = $1 AND app_id = $2 AND env = $3";

pub(super) const CUT: &str =
    "UPDATE broker_grants SET cut_at = $4 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND cut_at IS NULL";

pub(super) const ALL: &str =
    "SELECT app_id, env, name, host, port, tls, methods, paths, secret, why, line, release, credential_epoch,
  time_ms, until FROM broker_grants WHERE tenant = $1 AND cut_at IS NULL ORDER BY app_id, env, name";

pub(super) const OF_APP: &str =
    "SELECT app_id, env, name, host, port, tls, methods, paths, secret, why, line, release, credential_epoch,
  time_ms, until FROM broker_grants WHERE tenant = $1 AND app_id = $2 AND env = $3 AND cut_at IS NULL ORDER BY name";

pub(super) const USES: &str = "SELECT resource, CAST(COUNT(*) AS BIGINT), MAX(at) FROM events
  WHERE tenant = $1 AND app_id = $2 AND action = 'egress.call' AND outcome IN ('allowed', 'failed') AND resource LIKE $3
  GROUP BY resource ORDER BY resource";
