//! Rows of collections.

pub(crate) const ALL: &str = "SELECT collection, declared, credential_epoch, app_id, env FROM data_collections
  WHERE tenant = $1 AND state = 'open'";
pub(crate) const OF_APP: &str = "SELECT collection, declared, credential_epoch FROM data_collections
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND state = 'open'";
pub(crate) const ONE: &str = "SELECT declared FROM data_collections
  WHERE tenant = $1 AND app_id = $2 AND env = $3 AND collection = $4";
pub(crate) const OPEN: &str = "INSERT INTO data_collections
  (tenant, app_id, env, collection, declared, credential_epoch, state) VALUES ($1, $2, $3, $4, $5, $6, 'open')
  ON CONFLICT (tenant, app_id, env, collection) DO UPDATE SET declared = $5, credential_epoch = $6, state = 'open'";
pub(crate) const CLOSE: &str =
    "UPDATE data_collections SET state = 'closed' WHERE tenant = $1 AND app_id = $2 AND env = $3";
pub(crate) const CUT: &str =
    "UPDATE data_collections SET state = 'cut' WHERE tenant = $1 AND app_id = $2 AND env = $3 AND state = 'open'";
pub(crate) const DELETE: &str = "DELETE FROM data_collections WHERE tenant = $1 AND app_id = $2 AND env = $3";
