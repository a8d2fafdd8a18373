//! Rows of logins that were confirmed and not taken yet.

pub(crate) const INSERT: &str = "INSERT INTO logins (tenant, hash, person, session, expires_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, hash) DO NOTHING";
pub(crate) const DROP_OLD: &str = "DELETE FROM logins WHERE tenant = $1 AND expires_at < $2";
pub(crate) const WAITS: &str = "SELECT session FROM logins WHERE tenant = $1 AND hash = $2 AND expires_at > $3";
pub(crate) const TAKE: &str =
    "DELETE FROM logins WHERE tenant = $1 AND hash = $2 RETURNING person, session, expires_at";
