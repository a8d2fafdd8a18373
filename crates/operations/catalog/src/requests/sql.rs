//! Rows of requests and approvals.

pub(crate) const INSERT: &str = "INSERT INTO requests (tenant, id, app_id, env, release, digest, grants, compared_with, requester, state, exception, decided_by, decided_at, created_at, secrets, requested_by, waivers) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', NULL, NULL, NULL, $10, $11, $12, $13)";
pub(crate) const ONE: &str = "SELECT q.id, q.app_id, q.env, q.release, q.digest, q.grants, q.compared_with, q.requester, q.state, q.exception, q.decided_by, q.created_at, q.decided_at, r.manifest, r.tier, r.findings, o.manifest, q.secrets, q.requested_by, q.dependence, q.waivers FROM requests q JOIN releases r ON r.tenant = q.tenant AND r.app_id = q.app_id AND r.number = q.release LEFT JOIN releases o ON o.tenant = q.tenant AND o.app_id = q.app_id AND o.number = q.compared_with WHERE q.tenant = $1 AND q.id = $2";
/// In one state, or in `all`: of one app unless `$3` is empty, before the moment `$4` and, of that moment, below the id `$5`.
pub(crate) const PAGE: &str = "SELECT q.id, q.app_id, q.env, q.release, q.digest, q.grants, q.compared_with, q.requester, q.state, q.exception, q.decided_by, q.created_at, q.decided_at, r.manifest, r.tier, r.findings, o.manifest, q.secrets, q.requested_by, q.dependence, q.waivers FROM requests q JOIN releases r ON r.tenant = q.tenant AND r.app_id = q.app_id AND r.number = q.release LEFT JOIN releases o ON o.tenant = q.tenant AND o.app_id = q.app_id AND o.number = q.compared_with WHERE q.tenant = $1 AND (q.state = $2 OR $2 = 'all') AND (q.app_id = $3 OR $3 = '') AND (q.created_at < $4 OR (q.created_at = $4 AND q.id < $5)) ORDER BY q.created_at DESC, q.id DESC LIMIT CAST($6 AS BIGINT)";
pub(crate) const CREATED_AT: &str = "SELECT created_at FROM requests WHERE tenant = $1 AND id = $2";
pub(crate) const DECIDE: &str = "UPDATE requests SET state = $3, exception = $4, decided_by = $5, decided_at = $6, dependence = $7 WHERE tenant = $1 AND id = $2 AND state = 'waiting'";
pub(crate) const VOID: &str = "UPDATE requests SET state = 'void', decided_at = $4 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND state = 'waiting'";
pub(crate) const VOID_OF_APP: &str = "UPDATE requests SET state = 'void', decided_at = $3 WHERE tenant = $1 AND app_id = $2 AND state IN ('waiting', 'approved')";
pub(crate) const APPROVED: &str = "SELECT id, secrets, waivers FROM requests WHERE tenant = $1 AND app_id = $2 AND env = $3 AND digest = $4 AND grants = $5 AND state = 'approved' ORDER BY decided_at DESC LIMIT 20";
pub(crate) const WAITING: &str = "SELECT id, secrets, compared_with, waivers FROM requests WHERE tenant = $1 AND app_id = $2 AND env = $3 AND digest = $4 AND state = 'waiting' ORDER BY created_at DESC LIMIT 1";
pub(crate) const VOID_WAITING: &str =
    "UPDATE requests SET state = 'void', decided_at = $3 WHERE tenant = $1 AND app_id = $2 AND state = 'waiting'";
pub(crate) const VOID_ALL: &str =
    "UPDATE requests SET state = 'void', decided_at = $2 WHERE tenant = $1 AND state IN ('waiting', 'approved')";
pub(crate) const WAITING_OF_APP: &str =
    "SELECT id FROM requests WHERE tenant = $1 AND app_id = $2 AND state = 'waiting' ORDER BY created_at DESC LIMIT 1";
pub(crate) const WAIT_ANYWHERE: &str =
    "SELECT DISTINCT app_id, env FROM requests WHERE tenant = $1 AND state = 'waiting'";
pub(crate) const SENT_BACK_LAST: &str =
    "SELECT app_id, env, MAX(decided_at) FROM requests WHERE tenant = $1 AND state = 'rejected' GROUP BY app_id, env";
pub(crate) const NEWEST_OF_APP: &str = "SELECT id, env, release, state, decided_by, decided_at FROM requests WHERE tenant = $1 AND app_id = $2 ORDER BY created_at DESC, id DESC LIMIT 1";
/// Every yes that was said, void by now or not: how it was said is shown for ever.
pub(crate) const YESES: &str = "SELECT release, decided_by, exception, dependence FROM requests WHERE tenant = $1 AND app_id = $2 AND dependence IS NOT NULL ORDER BY decided_at";
