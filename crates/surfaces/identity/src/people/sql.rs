//! Rows of the directory.

pub(crate) const ALL: &str =
    "SELECT id, email, name, enabled, created_at FROM people WHERE tenant = $1 ORDER BY created_at, id";
pub(crate) const MEMBERSHIPS: &str = "SELECT person, grp FROM memberships WHERE tenant = $1 ORDER BY person, grp";
pub(crate) const BY_EMAIL: &str = "SELECT id, enabled FROM people WHERE tenant = $1 AND email_key = $2";
pub(crate) const INSERT: &str =
    "INSERT INTO people (tenant, id, email_key, email, name, enabled, created_at) VALUES ($1, $2, $3, $4, $5, 1, $6)";
pub(crate) const SET_ENABLED: &str = "UPDATE people SET enabled = $3 WHERE tenant = $1 AND id = $2";
pub(crate) const JOIN: &str = "INSERT INTO memberships (tenant, person, grp, added_at) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, person, grp) DO NOTHING";
pub(crate) const LEAVE: &str = "DELETE FROM memberships WHERE tenant = $1 AND person = $2 AND grp = $3";
