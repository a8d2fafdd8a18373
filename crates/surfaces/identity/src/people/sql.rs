//! Rows of the directory.

pub(crate) const ALL: &str =
    "SELECT id, email, name, enabled, created_at, added_by FROM people WHERE tenant = $1 ORDER BY created_at, id";
pub(crate) const MEMBERSHIPS: &str =
    "SELECT person, grp, added_at, added_by, until FROM memberships WHERE tenant = $1 ORDER BY person, grp";
pub(crate) const ONE: &str =
    "SELECT id, email, name, enabled, created_at, added_by FROM people WHERE tenant = $1 AND id = $2";
pub(crate) const MEMBERSHIPS_OF: &str =
    "SELECT person, grp, added_at, added_by, until FROM memberships WHERE tenant = $1 AND person = $2 ORDER BY grp";
pub(crate) const BY_EMAIL: &str = "SELECT id, enabled FROM people WHERE tenant = $1 AND email_key = $2";
pub(crate) const INSERT: &str = "INSERT INTO people (tenant, id, email_key, email, name, enabled, created_at, added_by) VALUES ($1, $2, $3, $4, $5, 1, $6, $7)";
pub(crate) const SET_ENABLED: &str = "UPDATE people SET enabled = $3 WHERE tenant = $1 AND id = $2";
/// A membership without an end is not shortened by one that has one.
pub(crate) const JOIN: &str = "INSERT INTO memberships (tenant, person, grp, added_at, added_by, until) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, person, grp) DO UPDATE SET added_at = excluded.added_at, added_by = excluded.added_by, until = excluded.until WHERE memberships.until IS NOT NULL";
pub(crate) const LEAVE: &str = "DELETE FROM memberships WHERE tenant = $1 AND person = $2 AND grp = $3";
