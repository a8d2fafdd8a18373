//! Rows of roles that were asked for, and of those that end.

pub(crate) const INSERT: &str = "INSERT INTO role_requests (tenant, id, person, role, until, why, state, created_at, decided_by, decided_at) VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, NULL, NULL)";
pub(crate) const VOID_WAITING: &str = "UPDATE role_requests SET state = 'void', decided_at = $4 WHERE tenant = $1 AND person = $2 AND role = $3 AND state = 'waiting'";
pub(crate) const ONE: &str = "SELECT id, person, role, until, why, state, created_at, decided_by FROM role_requests WHERE tenant = $1 AND id = $2";
pub(crate) const WAITING: &str = "SELECT id, person, role, until, why, state, created_at, decided_by FROM role_requests WHERE tenant = $1 AND state = 'waiting' ORDER BY created_at, id LIMIT 500";
/// Those that somebody else than `$2` asked for: nobody decides over their own.
pub(crate) const WAITING_OF_OTHERS: &str =
    "SELECT COUNT(*) FROM role_requests WHERE tenant = $1 AND state = 'waiting' AND person <> $2";
pub(crate) const OF_PERSON: &str = "SELECT id, person, role, until, why, state, created_at, decided_by FROM role_requests WHERE tenant = $1 AND person = $2 ORDER BY created_at DESC, id LIMIT 50";
pub(crate) const DECIDE: &str = "UPDATE role_requests SET state = $3, decided_by = $4, decided_at = $5 WHERE tenant = $1 AND id = $2 AND state = 'waiting'";
pub(crate) const DUE: &str =
    "SELECT person, grp FROM memberships WHERE tenant = $1 AND until IS NOT NULL AND until <= $2 LIMIT 500";
pub(crate) const LAPSE: &str =
    "DELETE FROM memberships WHERE tenant = $1 AND person = $2 AND grp = $3 AND until IS NOT NULL AND until <= $4";
