//! The rows of routes, and of the record when each app was last used.

pub(super) const PUT: &str = "INSERT INTO gateway_routes (tenant, app_id, env, label, name, release, grants, image, assets,
  credential_epoch, opened_at, cut_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL)
  ON CONFLICT (tenant, app_id, env) DO UPDATE SET label = $4, name = $5, release = $6, grants = $7, image = $8, assets = $9,
  credential_epoch = $10, opened_at = $11, cut_at = NULL";

pub(super) const CUT: &str =
    "UPDATE gateway_routes SET cut_at = $4 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND cut_at IS NULL";

pub(super) const ALL: &str = "SELECT app_id, env, name, release, grants, image, assets, credential_epoch, cut_at FROM gateway_routes WHERE tenant = $1";

pub(super) const OF_APP: &str = "SELECT app_id, env, name, release, grants, image, assets, credential_epoch, cut_at
  FROM gateway_routes WHERE tenant = $1 AND app_id = $2 AND env = $3";

/// One step into the index of each app's events; `|| ''` keeps SQLite from the index of acts, where every app's uses
/// stand together.
pub(super) const LAST_USES: &str = "SELECT r.app_id, r.env,
  (SELECT e.at FROM events e WHERE e.tenant = r.tenant AND e.app_id = r.app_id AND e.action || '' = 'app.use'
   AND e.outcome = 'allowed' ORDER BY e.at DESC, e.seq DESC LIMIT 1)
  FROM gateway_routes r WHERE r.tenant = $1";
