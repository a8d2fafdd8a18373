//! Rows of apps and of their environments.

pub(crate) const APPS: &str = "SELECT id, name, team, created_at FROM apps WHERE tenant = $1";
/// Which environments: every one, or those of one app; each with the release that it runs, the request that waits, where
/// nothing waits and nothing was live how the newest request ended, what is asked for, and of what is past its date when a
/// request of the app was last decided.
macro_rules! deployments {
    ($which:literal) => {
        concat!("SELECT d.app_id, d.env, d.state, d.release, d.credential_epoch, d.expires_at, d.changed_at, r.manifest, r.tier, r.digest, w.id, CASE WHEN d.state = 'waiting' AND w.id IS NULL THEN (SELECT q.state FROM requests q WHERE q.tenant = d.tenant AND q.app_id = d.app_id AND q.env = d.env ORDER BY q.created_at DESC, q.id DESC LIMIT 1) END, a.manifest, a.tier, CASE WHEN d.state = 'expired' THEN (SELECT MAX(m.decided_at) FROM requests m WHERE m.tenant = d.tenant AND m.app_id = d.app_id) END FROM deployments d LEFT JOIN releases r ON r.tenant = d.tenant AND r.app_id = d.app_id AND r.number = d.release LEFT JOIN requests w ON w.tenant = d.tenant AND w.app_id = d.app_id AND w.env = d.env AND w.state = 'waiting' LEFT JOIN releases a ON a.tenant = w.tenant AND a.app_id = w.app_id AND a.number = w.release WHERE d.tenant = $1", $which)
    };
}
pub(crate) const DEPLOYMENTS: &str = deployments!("");
pub(crate) const DEPLOYMENTS_OF: &str = deployments!(" AND d.app_id = $2");
pub(crate) const APP: &str = "SELECT id, name, team, created_at FROM apps WHERE tenant = $1 AND id = $2";
pub(crate) const TOMBSTONE_OF: &str = "SELECT app_id, certificate FROM tombstones WHERE tenant = $1 AND app_id = $2";
pub(crate) const BY_NAME: &str = "SELECT id, team FROM apps WHERE tenant = $1 AND name = $2";
pub(crate) const INSERT: &str = "INSERT INTO apps (tenant, id, name, team, created_at) VALUES ($1, $2, $3, $4, $5)";
pub(crate) const DEPLOYMENT: &str = "SELECT state, release, credential_epoch, revoked_by, expires_at FROM deployments WHERE tenant = $1 AND app_id = $2 AND env = $3";
pub(crate) const PUT_DEPLOYMENT: &str = "INSERT INTO deployments (tenant, app_id, env, state, release, credential_epoch, expires_at, revoked_by, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8) ON CONFLICT (tenant, app_id, env) DO UPDATE SET state = $4, release = $5, credential_epoch = $6, expires_at = $7, revoked_by = NULL, changed_at = $8";
pub(crate) const WAIT_DEPLOYMENT: &str = "INSERT INTO deployments (tenant, app_id, env, state, release, credential_epoch, expires_at, revoked_by, changed_at) VALUES ($1, $2, $3, 'waiting', NULL, 1, $4, NULL, $5) ON CONFLICT (tenant, app_id, env) DO NOTHING";
pub(crate) const REVOKE: &str = "UPDATE deployments SET state = 'revoked', credential_epoch = credential_epoch + 1, revoked_by = $4, changed_at = $5 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND state <> 'retired'";
/// No more switched off, and serves nothing: its team may deploy.
pub(crate) const LET_BE_DEPLOYED: &str = "UPDATE deployments SET state = $4, revoked_by = NULL, changed_at = $5 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND state = 'revoked'";
pub(crate) const EXPIRE: &str = "UPDATE deployments SET state = 'expired', credential_epoch = credential_epoch + 1, changed_at = $4 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND state = 'live'";
pub(crate) const RETIRE: &str = "UPDATE deployments SET state = 'retired', release = NULL, credential_epoch = credential_epoch + 1, changed_at = $3 WHERE tenant = $1 AND app_id = $2";
pub(crate) const TOMBSTONE: &str = "INSERT INTO tombstones (tenant, app_id, retired_at, certificate) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, app_id) DO NOTHING";
pub(crate) const STATES: &str = "SELECT state, env FROM deployments WHERE tenant = $1 AND app_id = $2";
pub(crate) const TOMBSTONES: &str = "SELECT app_id, certificate FROM tombstones WHERE tenant = $1";
pub(crate) const OPEN: &str =
    "SELECT app_id, env FROM deployments WHERE tenant = $1 AND state IN ('live', 'expired', 'revoked')";
/// What was issued after the copy was made carries epochs that the copy does not know: the step goes past them.
pub(crate) const REVOKE_ALL: &str = "UPDATE deployments SET state = 'revoked', credential_epoch = credential_epoch + 1000000, revoked_by = $2, changed_at = $3 WHERE tenant = $1 AND state IN ('live', 'expired', 'revoked')";
