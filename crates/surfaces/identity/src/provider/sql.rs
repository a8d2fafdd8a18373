//! Rows of people and sessions whom the provider knows, subjects and sessions by keyed indexes alone; and of how people
//! sign in, sealed.

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

pub(crate) const SETTINGS: &str = "SELECT name, sealed, digest, changed_at FROM sign_in_settings WHERE tenant = $1";
pub(crate) const SETTING: &str =
    "SELECT name, sealed, digest, changed_at FROM sign_in_settings WHERE tenant = $1 AND name = $2";
pub(crate) const SET: &str = "INSERT INTO sign_in_settings (tenant, name, sealed, digest, changed_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, name) DO UPDATE SET sealed = excluded.sealed, digest = excluded.digest, changed_at = excluded.changed_at";
pub(crate) const UNSET: &str = "DELETE FROM sign_in_settings WHERE tenant = $1 AND name = $2";
pub(crate) const TRIED: &str = "INSERT INTO provider_tries (tenant, person, digest, tried_at) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, person) DO UPDATE SET digest = excluded.digest, tried_at = excluded.tried_at";
pub(crate) const TRIES: &str = "SELECT person, tried_at FROM provider_tries WHERE tenant = $1 AND digest = $2";
pub(crate) const DROP_TRIES: &str = "DELETE FROM provider_tries WHERE tenant = $1";
