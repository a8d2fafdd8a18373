//! Rows of receipts that are due.

pub(crate) const INSERT: &str = "INSERT INTO receipts_due (tenant, event, done_event, app_id, node, at, receipt)
  VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(crate) const DONE: &str = "DELETE FROM receipts_due WHERE tenant = $1 AND done_event = $2";
/// Of one app.
pub(crate) const OF_APP: &str = "SELECT app_id, done_event, receipt FROM receipts_due
  WHERE tenant = $1 AND app_id = $2";
pub(crate) const OF_EVENT: &str = "SELECT app_id, done_event, receipt FROM receipts_due
  WHERE tenant = $1 AND event = $2";
/// Of this node, from before it started; of any node, once nobody can be waiting any more.
pub(crate) const DUE: &str = "SELECT app_id, done_event, receipt FROM receipts_due
  WHERE tenant = $1 AND ((node = $2 AND at < $3) OR at < $4) ORDER BY at";
