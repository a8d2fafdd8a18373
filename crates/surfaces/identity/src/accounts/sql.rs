//! Rows of service accounts.

pub(crate) const ALL: &str = "SELECT app_id, env, id, name, credential_epoch, state FROM accounts WHERE tenant = $1";
pub(crate) const BY_NAME: &str = "SELECT app_id, env FROM accounts WHERE tenant = $1 AND name = $2";
pub(crate) const OPEN: &str = "INSERT INTO accounts (tenant, app_id, env, id, name, credential_epoch, state) VALUES ($1, $2, $3, $4, $5, $6, 'live') ON CONFLICT (tenant, app_id, env) DO UPDATE SET name = $5, credential_epoch = $6, state = 'live'";
pub(crate) const CUT: &str = "UPDATE accounts SET state = 'cut' WHERE tenant = $1 AND app_id = $2 AND env = $3";
