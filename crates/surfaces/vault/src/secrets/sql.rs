//! The rows of entries, of whose an id is, and of the record: when each was used.

pub(super) const ENTRY: &str =
    "SELECT id, env, owner, purpose, expires_at, hosts, attach, sensitivity, version, value_number, sealed,
  created_at, put_at, revoked_at FROM vault_secrets WHERE tenant = $1 AND id = $2 AND env = $3";

pub(super) const ALL: &str =
    "SELECT s.id, s.env, s.owner, s.purpose, s.expires_at, s.hosts, s.attach, s.sensitivity, s.version,
  s.value_number, s.sealed, s.created_at, s.put_at, s.revoked_at, i.app_name,
  (SELECT MAX(e.at) FROM events e WHERE e.tenant = s.tenant AND e.app_id = i.app_id AND e.action = 'secret.use'
   AND e.outcome = 'allowed' AND e.resource = 'secret/' || s.id || '/' || s.env)
  FROM vault_secrets s JOIN vault_ids i ON i.tenant = s.tenant AND i.id = s.id
  WHERE s.tenant = $1 AND (CAST($2 AS TEXT) IS NULL OR s.id = CAST($2 AS TEXT)) ORDER BY s.id, s.env";

pub(super) const PUT: &str = "INSERT INTO vault_secrets (tenant, id, env, owner, purpose, expires_at, hosts, attach, sensitivity, version,
  value_number, sealed, created_at, put_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, NULL)
  ON CONFLICT (tenant, id, env) DO UPDATE SET owner = excluded.owner, purpose = excluded.purpose, expires_at = excluded.expires_at,
  hosts = excluded.hosts, attach = excluded.attach, sensitivity = excluded.sensitivity, version = excluded.version,
  value_number = excluded.value_number, sealed = excluded.sealed, put_at = excluded.put_at, revoked_at = NULL";

/// Those who were approved when there was no entry yet have the first one.
pub(super) const FIRST_VERSION: &str =
    "UPDATE vault_bindings SET version = 1 WHERE tenant = $1 AND secret_id = $2 AND env = $3 AND version = 0";

pub(super) const ROTATE: &str = "UPDATE vault_secrets SET value_number = $4, sealed = $5, put_at = $6
  WHERE tenant = $1 AND id = $2 AND env = $3";

pub(super) const REVOKE: &str = "UPDATE vault_secrets SET sealed = NULL, revoked_at = $4
  WHERE tenant = $1 AND id = $2 AND env = $3 AND revoked_at IS NULL";

pub(super) const ID: &str = "SELECT app_id, app_name FROM vault_ids WHERE tenant = $1 AND id = $2";

pub(super) const SET_ID: &str = "INSERT INTO vault_ids (tenant, id, app_name, app_id) VALUES ($1, $2, $3, $4)
  ON CONFLICT (tenant, id) DO UPDATE SET app_name = excluded.app_name, app_id = excluded.app_id";

pub(super) const DELETE_OF_APP: &str = "DELETE FROM vault_secrets WHERE tenant = $1 AND env = $3
  AND id IN (SELECT id FROM vault_ids WHERE tenant = $1 AND app_id = $2)";

pub(super) const FREE_IDS: &str = "DELETE FROM vault_ids WHERE tenant = $1 AND app_id = $2
  AND id NOT IN (SELECT id FROM vault_secrets WHERE tenant = $1)
  AND id NOT IN (SELECT secret_id FROM vault_bindings WHERE tenant = $1)";

pub(super) const USES: &str = "SELECT resource, CAST(COUNT(*) AS BIGINT), MAX(at) FROM events
  WHERE tenant = $1 AND app_id = $2 AND action = 'secret.use' AND outcome = 'allowed' GROUP BY resource ORDER BY resource";
