//! Rows of one-time links.

pub(crate) const INSERT: &str = "INSERT INTO links (tenant, id, hash, person, expires_at, spent_at, made_by, made_at) VALUES ($1, $2, $3, $4, $5, NULL, $6, $7)";
pub(crate) const BY_HASH: &str =
    "SELECT id, person, expires_at, spent_at, made_by FROM links WHERE tenant = $1 AND hash = $2";
pub(crate) const SPEND: &str =
    "UPDATE links SET spent_at = $3 WHERE tenant = $1 AND id = $2 AND spent_at IS NULL AND expires_at > $3";
pub(crate) const VOID_OF_PERSON: &str =
    "UPDATE links SET spent_at = $3 WHERE tenant = $1 AND person = $2 AND spent_at IS NULL";
/// The newest link of a person: who made it, when, and whether it was used.
pub(crate) const NEWEST: &str =
    "SELECT made_by, made_at, spent_at FROM links WHERE tenant = $1 AND person = $2 ORDER BY made_at DESC LIMIT 1";
pub(crate) const VOID_ALL: &str = "UPDATE links SET spent_at = $2 WHERE tenant = $1 AND spent_at IS NULL";
