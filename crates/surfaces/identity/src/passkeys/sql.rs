//! Rows of passkeys, and of ceremonies that are over.

pub(crate) const OF_PERSON: &str = "SELECT id, person, credential, name, created_at, used_at, vouched_by FROM passkeys WHERE tenant = $1 AND person = $2 ORDER BY created_at, id";
pub(crate) const BY_CREDENTIAL: &str = "SELECT id, person, credential, name, created_at, used_at, vouched_by FROM passkeys WHERE tenant = $1 AND credential_key = $2";
pub(crate) const COUNT: &str = "SELECT COUNT(*) FROM passkeys WHERE tenant = $1 AND person = $2";
pub(crate) const INSERT: &str = "INSERT INTO passkeys (tenant, id, person, credential_key, credential, name, host, vouched_by, created_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
pub(crate) const REMOVE: &str = "DELETE FROM passkeys WHERE tenant = $1 AND id = $2 AND person = $3";
pub(crate) const REMOVE_ALL: &str = "DELETE FROM passkeys WHERE tenant = $1 AND person = $2";
/// Only over what was verified against: of two answers with one counter, one wins.
pub(crate) const USED: &str =
    "UPDATE passkeys SET credential = $3, used_at = $4 WHERE tenant = $1 AND id = $2 AND credential = $5";
pub(crate) const SPEND: &str =
    "INSERT INTO spent_ceremonies (tenant, id, expires_at) VALUES ($1, $2, $3) ON CONFLICT (tenant, id) DO NOTHING";
pub(crate) const SPENT: &str = "SELECT id FROM spent_ceremonies WHERE tenant = $1 AND id = $2";
pub(crate) const DROP_SPENT: &str = "DELETE FROM spent_ceremonies WHERE tenant = $1 AND expires_at < $2";
pub(crate) const HOSTS: &str =
    "SELECT host, COUNT(*) FROM passkeys WHERE tenant = $1 AND host <> $2 GROUP BY host ORDER BY host";
pub(crate) const ANY: &str = "SELECT k.id FROM passkeys k JOIN people p ON p.tenant = k.tenant AND p.id = k.person WHERE k.tenant = $1 AND p.enabled = 1 LIMIT 1";
pub(crate) const FORGET_HOST: &str = "DELETE FROM passkeys WHERE tenant = $1 AND host = $2";
pub(crate) const DISCONNECT: &str = "DELETE FROM provider_people WHERE tenant = $1 AND person = $2";
