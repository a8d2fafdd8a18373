//! Rows of waivers.

pub(crate) const ALL: &str = "SELECT id, app, team, code, until, granted_by, exception, dependence, granted_at, ended_by, ended_at FROM waivers WHERE tenant = $1 ORDER BY granted_at DESC, id DESC";
pub(crate) const INSERT: &str = "INSERT INTO waivers (tenant, id, app, team, code, until, granted_by, exception, dependence, granted_at, ended_by, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, NULL)";
pub(crate) const END: &str =
    "UPDATE waivers SET ended_by = $3, ended_at = $4 WHERE tenant = $1 AND id = $2 AND ended_at IS NULL AND until > $4";
/// A newer one takes the place of those of the same rule.
pub(crate) const REPLACE: &str = "UPDATE waivers SET ended_by = $4, ended_at = $5 WHERE tenant = $1 AND app = $2 AND code = $3 AND ended_at IS NULL AND until > $5";
pub(crate) const END_OF_APP: &str = "UPDATE waivers SET ended_by = $3, ended_at = $4 WHERE tenant = $1 AND app = $2 AND ended_at IS NULL AND until > $4";
pub(crate) const END_ALL: &str =
    "UPDATE waivers SET ended_by = $2, ended_at = $3 WHERE tenant = $1 AND ended_at IS NULL AND until > $3";
