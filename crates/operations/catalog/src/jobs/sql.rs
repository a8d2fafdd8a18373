//! Rows of job runs.

pub(crate) const BEGIN: &str = "INSERT INTO job_runs (tenant, app_id, env, job, due_at, run_id, state, lease_until, ended_at) VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, NULL) ON CONFLICT (tenant, app_id, env, job, due_at) DO NOTHING";
/// Whether its lease is over or not: a run that is lost is taken up again before another begins.
pub(crate) const RUNNING: &str = "SELECT run_id FROM job_runs WHERE tenant = $1 AND app_id = $2 AND env = $3 AND job = $4 AND state = 'running' LIMIT 1";
pub(crate) const END: &str = "UPDATE job_runs SET state = $6, ended_at = $7 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND job = $4 AND run_id = $5 AND state = 'running'";
pub(crate) const LOST: &str = "SELECT app_id, env, job, due_at, run_id FROM job_runs WHERE tenant = $1 AND state = 'running' AND lease_until <= $2 ORDER BY due_at LIMIT 100";
pub(crate) const TAKE_LOST: &str = "UPDATE job_runs SET lease_until = $6 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND job = $4 AND run_id = $5 AND state = 'running' AND lease_until <= $7";
pub(crate) const AGAIN: &str = "UPDATE job_runs SET lease_until = $6 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND job = $4 AND run_id = $5 AND state = 'running'";
/// A cut ends what runs: restoring the app does not bring it back.
pub(crate) const CUT: &str = "UPDATE job_runs SET state = 'cut', ended_at = $4 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND state = 'running'";
/// The newest run of each job stays, however old: from it what was missed is reckoned.
pub(crate) const PRUNE: &str = "DELETE FROM job_runs WHERE tenant = $1 AND app_id = $2 AND env = $3 AND job = $4 AND state <> 'running' AND ended_at < $5 AND due_at < (SELECT MAX(o.due_at) FROM job_runs o WHERE o.tenant = $1 AND o.app_id = $2 AND o.env = $3 AND o.job = $4)";
pub(crate) const LAST: &str =
    "SELECT app_id, env, job, MAX(due_at) FROM job_runs WHERE tenant = $1 GROUP BY app_id, env, job";
