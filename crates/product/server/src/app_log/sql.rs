//! Rows of what apps print.

pub(crate) const INSERT: &str = "INSERT INTO app_logs (tenant, seq, app_id, env, release, at, level, line, place, trace_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
pub(crate) const AFTER: &str = "SELECT seq, at, level, line, place, trace_id, release FROM app_logs WHERE tenant = $1 AND app_id = $2 AND env = $3 AND seq > $4 ORDER BY seq LIMIT $5";
pub(crate) const NEWEST: &str = "SELECT seq, at, level, line, place, trace_id, release FROM app_logs WHERE tenant = $1 AND app_id = $2 AND env = $3 ORDER BY seq DESC LIMIT $4";
pub(crate) const PRUNE: &str = "DELETE FROM app_logs WHERE tenant = $1 AND at < $2";
