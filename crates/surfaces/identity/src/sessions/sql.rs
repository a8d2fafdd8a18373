//! Rows of sessions, of when they were last seen, and of sign-in codes.

use store::{FreeWrite, Table};

/// INVARIANT: none whose parent has ended. A sign-in to an app may commit beside a sign-out that does not see its row.
macro_rules! sessions {
    ($which:literal) => {
        concat!(
            "SELECT s.id, s.hash, s.person, s.parent, s.place, s.app_id, s.env, s.factor_at, s.created_at, s.expires_at, s.method, s.vouched_by, p.issuer, p.sid_key, p.subject_key, s.credential_epoch FROM sessions s LEFT JOIN provider_sessions p ON p.tenant = s.tenant AND p.session = COALESCE(s.parent, s.id) LEFT JOIN sessions b ON b.tenant = s.tenant AND b.id = s.parent WHERE s.tenant = $1 AND s.ended_at IS NULL AND b.ended_at IS NULL AND ",
            $which
        )
    };
}

pub(crate) const LIVE: &str = sessions!("s.expires_at > $2");
pub(crate) const BY_HASH: &str = sessions!("s.hash = $2 AND s.expires_at > $3");
pub(crate) const BY_ID: &str = sessions!("s.id = $2 AND s.expires_at > $3");
pub(crate) const OWNER: &str = "SELECT person FROM sessions WHERE tenant = $1 AND id = $2";
pub(crate) const STRENGTHEN: &str =
    "UPDATE sessions SET hash = $3, factor_at = $4, vouched_by = $5 WHERE tenant = $1 AND id = $2 AND ended_at IS NULL";
/// Under the credentials of the app's account: an act that raises them raises the epoch, and then this is not committed.
pub(crate) const INSERT: &str = "INSERT INTO sessions (tenant, id, hash, person, parent, place, app_id, env, factor_at, device, created_at, expires_at, method, vouched_by, ip, ended_at, credential_epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, NULL, (SELECT credential_epoch FROM accounts WHERE tenant = $1 AND app_id = $7 AND env = $8))";
/// Changes nothing, and holds the row. Whoever makes a session by another holds that one, and so does whoever ends it: what
/// was made is committed before the statement that ends begins, or is not made.
pub(crate) const STILL_LIVE: &str =
    "UPDATE sessions SET ended_at = NULL WHERE tenant = $1 AND id = $2 AND ended_at IS NULL";
/// The same, of every session of a person: those that came from no other first, as whoever ends one of them does.
pub(crate) const HOLD_ROOTS_OF_PERSON: &str =
    "UPDATE sessions SET ended_at = NULL WHERE tenant = $1 AND person = $2 AND parent IS NULL AND ended_at IS NULL";
pub(crate) const HOLD_OF_PERSON: &str =
    "UPDATE sessions SET ended_at = NULL WHERE tenant = $1 AND person = $2 AND ended_at IS NULL";
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

pub(crate) const WHERE_SIGNED_IN: &str = "SELECT s.id, s.place, s.app_id, s.env, s.method, s.device, s.ip, s.created_at, s.expires_at, v.seen_at, s.parent FROM sessions s LEFT JOIN session_seen v ON v.tenant = s.tenant AND v.session = s.id WHERE s.tenant = $1 AND s.person = $2 AND s.ended_at IS NULL AND s.expires_at > $3 ORDER BY s.created_at DESC LIMIT 200";
pub(crate) const END_OTHERS: &str = "UPDATE sessions SET ended_at = $4 WHERE tenant = $1 AND person = $2 AND id <> $3 AND (parent IS NULL OR parent <> $3) AND created_at <= $4 AND ended_at IS NULL RETURNING id";
pub(crate) const SEEN: FreeWrite = FreeWrite::new(
    Table::SessionSeen,
    "INSERT INTO session_seen (tenant, session, seen_at) VALUES ($1, $2, $3) ON CONFLICT (tenant, session) DO UPDATE SET seen_at = excluded.seen_at WHERE session_seen.seen_at < excluded.seen_at",
);
pub(crate) const UNSEEN: FreeWrite =
    FreeWrite::new(Table::SessionSeen, "DELETE FROM session_seen WHERE tenant = $1 AND seen_at < $2");
pub(crate) const DROP_ALL_CODES: &str = "DELETE FROM codes WHERE tenant = $1";
pub(crate) const MADE_WITH_APP: &str =
    "SELECT COUNT(*), MAX(created_at) FROM sessions WHERE tenant = $1 AND app_id = $2 AND env = $3";
