//! The rows of bindings.

pub(super) const INSERT: &str =
    "INSERT INTO vault_bindings (tenant, app_id, env, variable, secret_id, version, endpoints, release,
  credential_epoch, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

pub(super) const DELETE: &str = "DELETE FROM vault_bindings WHERE tenant = $1 AND app_id = $2 AND env = $3";

pub(super) const CUT: &str =
    "UPDATE vault_bindings SET cut_at = $4 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND cut_at IS NULL";

macro_rules! bindings {
    ($which:literal) => {
        concat!(
            "SELECT b.app_id, b.env, b.variable, b.secret_id, b.version, b.endpoints, b.credential_epoch,
  s.id, s.env, s.owner, s.purpose, s.expires_at, s.hosts, s.attach, s.sensitivity, s.version, s.value_number, s.sealed,
  s.created_at, s.put_at, s.revoked_at
  FROM vault_bindings b LEFT JOIN vault_secrets s ON s.tenant = b.tenant AND s.id = b.secret_id AND s.env = b.env
  WHERE b.tenant = $1 AND b.cut_at IS NULL",
            $which
        )
    };
}
pub(super) const ALL: &str = bindings!("");
pub(super) const OF_APP: &str = bindings!(" AND b.app_id = $2 AND b.env = $3");
