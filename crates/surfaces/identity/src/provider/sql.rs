//! Rows of people and sessions whom the provider knows: subjects and sessions by keyed indexes alone.

pub(crate) const PERSON: &str =
    "SELECT person, vouched_by FROM provider_people WHERE tenant = $1 AND issuer = $2 AND subject_key = $3";
pub(crate) const CONNECT: &str = "INSERT INTO provider_people (tenant, issuer, subject_key, person, created_at, vouched_by) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, issuer, subject_key) DO NOTHING";
pub(crate) const SESSION: &str =
    "INSERT INTO provider_sessions (tenant, issuer, sid_key, subject_key, session) VALUES ($1, $2, $3, $4, $5)";
/// Of sessions that began up to a moment.
pub(crate) const OVER_BY_SID: &str = "DELETE FROM provider_sessions WHERE tenant = $1 AND issuer = $2 AND sid_key = $3 AND session IN (SELECT id FROM sessions WHERE tenant = $1 AND created_at <= $4) RETURNING session";
pub(crate) const OVER_BY_SUBJECT: &str = "DELETE FROM provider_sessions WHERE tenant = $1 AND issuer = $2 AND subject_key = $3 AND session IN (SELECT id FROM sessions WHERE tenant = $1 AND created_at <= $4) RETURNING session";
pub(crate) const GROUPS: &str =
    "SELECT grp FROM memberships WHERE tenant = $1 AND person = $2 AND added_by = 'provider'";
