//! Rows of sessions and of sign-in codes.

pub(crate) const LIVE: &str = "SELECT id, hash, person, parent, place, app_id, env, factor_at, created_at, expires_at FROM sessions WHERE tenant = $1 AND ended_at IS NULL AND expires_at > $2";
pub(crate) const BY_HASH: &str = "SELECT id, hash, person, parent, place, app_id, env, factor_at, created_at, expires_at FROM sessions WHERE tenant = $1 AND hash = $2 AND ended_at IS NULL AND expires_at > $3";
pub(crate) const INSERT: &str = "INSERT INTO sessions (tenant, id, hash, person, parent, place, app_id, env, factor_at, device, created_at, expires_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, NULL)";
pub(crate) const END: &str =
    "UPDATE sessions SET ended_at = $3 WHERE tenant = $1 AND (id = $2 OR parent = $2) AND ended_at IS NULL";
pub(crate) const END_OF_PERSON: &str =
    "UPDATE sessions SET ended_at = $3 WHERE tenant = $1 AND person = $2 AND ended_at IS NULL";
pub(crate) const END_OF_APP: &str =
    "UPDATE sessions SET ended_at = $4 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND ended_at IS NULL";
pub(crate) const END_ALL: &str = "UPDATE sessions SET ended_at = $2 WHERE tenant = $1 AND ended_at IS NULL";

pub(crate) const INSERT_CODE: &str = "INSERT INTO codes (tenant, hash, binding, session, app_id, env, return_to, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
pub(crate) const TAKE_CODE: &str =
    "DELETE FROM codes WHERE tenant = $1 AND hash = $2 RETURNING binding, session, app_id, env, return_to, expires_at";
pub(crate) const DROP_OLD_CODES: &str = "DELETE FROM codes WHERE tenant = $1 AND expires_at < $2";
pub(crate) const CODE_SESSION: &str = "SELECT session FROM codes WHERE tenant = $1 AND hash = $2";
pub(crate) const DROP_ALL_CODES: &str = "DELETE FROM codes WHERE tenant = $1";
