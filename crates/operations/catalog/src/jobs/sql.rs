//! Rows of job runs.

pub(crate) const BEGIN: &str = "INSERT INTO job_runs (tenant, app_id, env, job, due_at, run_id, state, lease_until, ended_at) VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, NULL) ON CONFLICT (tenant, app_id, env, job, due_at) DO NOTHING";
pub(crate) const RUNNING: &str = "SELECT run_id FROM job_runs WHERE tenant = $1 AND app_id = $2 AND env = $3 AND job = $4 AND state = 'running' AND lease_until > $5 LIMIT 1";
pub(crate) const END: &str = "UPDATE job_runs SET state = $6, ended_at = $7 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND job = $4 AND run_id = $5 AND state = 'running'";
pub(crate) const LOST: &str = "SELECT app_id, env, job, due_at, run_id FROM job_runs WHERE tenant = $1 AND state = 'running' AND lease_until <= $2 ORDER BY due_at LIMIT 100";
pub(crate) const TAKE_LOST: &str = "UPDATE job_runs SET lease_until = $6 WHERE tenant = $1 AND app_id = $2 AND env = $3 AND job = $4 AND run_id = $5 AND state = 'running' AND lease_until <= $7";
