//! Rows of people and sessions whom the provider knows, subjects and sessions by keyed indexes alone; and of how people
//! sign in, sealed.

pub(crate) const PERSON: &str =
    "SELECT person, vouched_by FROM provider_people WHERE tenant = $1 AND issuer = $2 AND subject_key = $3";
pub(crate) const CONNECT: &str = "INSERT INTO provider_people (tenant, issuer, subject_key, person, created_at, vouched_by) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, issuer, subject_key) DO NOTHING";
/// Who has no passkey, and is not known at an issuer.
pub(crate) const LEFT_OUT: &str = "SELECT id FROM people WHERE tenant = $1 AND enabled = 1 EXCEPT SELECT person FROM passkeys WHERE tenant = $1 EXCEPT SELECT person FROM provider_people WHERE tenant = $1 AND issuer = $2";
pub(crate) const SESSION: &str =
    "INSERT INTO provider_sessions (tenant, issuer, sid_key, subject_key, session) VALUES ($1, $2, $3, $4, $5)";
/// Of sessions that began up to a moment.
pub(crate) const OVER_BY_SID: &str = "DELETE FROM provider_sessions WHERE tenant = $1 AND issuer = $2 AND sid_key = $3 AND session IN (SELECT id FROM sessions WHERE tenant = $1 AND (created_at <= $4 OR (place = 'terminal' AND created_at <= $5))) RETURNING session";
pub(crate) const OVER_BY_SUBJECT: &str = "DELETE FROM provider_sessions WHERE tenant = $1 AND issuer = $2 AND subject_key = $3 AND session IN (SELECT id FROM sessions WHERE tenant = $1 AND (created_at <= $4 OR (place = 'terminal' AND created_at <= $5))) RETURNING session";
macro_rules! ended_at {
    ($now:literal, $which:literal) => {
        concat!(
            "UPDATE sessions SET ended_at = ", $now,
            " WHERE tenant = $1 AND ended_at IS NULL AND COALESCE(parent, id) IN (SELECT p.session FROM provider_sessions p JOIN sessions b ON b.tenant = p.tenant AND b.id = p.session WHERE p.tenant = $1 AND ", $which, ") RETURNING id"
        )
    };
}

/// Of sessions that began there up to a moment, and what came from them.
pub(crate) const END_AT: &str = ended_at!("$4", "p.issuer = $2 AND b.created_at <= $3");
pub(crate) const END_AT_OTHERS: &str = ended_at!("$3", "p.issuer <> $2");
pub(crate) const LIVE_AT: &str = "SELECT s.id FROM sessions s JOIN provider_sessions p ON p.tenant = s.tenant AND p.session = COALESCE(s.parent, s.id) WHERE s.tenant = $1 AND p.issuer = $2 AND s.created_at <= $3 AND s.expires_at > $4 AND s.ended_at IS NULL";
pub(crate) const GROUPS: &str =
    "SELECT grp FROM memberships WHERE tenant = $1 AND person = $2 AND added_by = 'provider'";

pub(crate) const SETTINGS: &str = "SELECT name, sealed, digest, changed_at FROM sign_in_settings WHERE tenant = $1";
pub(crate) const SETTING: &str =
    "SELECT name, sealed, digest, changed_at FROM sign_in_settings WHERE tenant = $1 AND name = $2";
pub(crate) const SET: &str = "INSERT INTO sign_in_settings (tenant, name, sealed, digest, changed_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, name) DO UPDATE SET sealed = excluded.sealed, digest = excluded.digest, changed_at = excluded.changed_at";
pub(crate) const UNSET: &str = "DELETE FROM sign_in_settings WHERE tenant = $1 AND name = $2";
/// In this form, and not set since.
pub(crate) const UNSET_FORM: &str =
    "DELETE FROM sign_in_settings WHERE tenant = $1 AND name = $2 AND digest = $3 AND changed_at <= $4";
pub(crate) const TRIED: &str = "INSERT INTO provider_tries (tenant, person, digest, tried_at) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, person) DO UPDATE SET digest = excluded.digest, tried_at = excluded.tried_at";
pub(crate) const TRIES: &str = "SELECT person, tried_at FROM provider_tries WHERE tenant = $1 AND digest = $2";
pub(crate) const TRIES_OF_DRAFT: &str = "SELECT t.person, t.tried_at FROM provider_tries t JOIN sign_in_settings s ON s.tenant = t.tenant AND s.digest = t.digest WHERE t.tenant = $1 AND s.name = 'draft'";
pub(crate) const DROP_TRIES: &str = "DELETE FROM provider_tries WHERE tenant = $1";
