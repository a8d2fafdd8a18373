//! Rows of what apps print.

pub(crate) const INSERT: &str = "INSERT INTO app_logs (tenant, seq, app_id, env, release, at, level, line, place, trace_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
macro_rules! page {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT seq, at, level, line, place, trace_id, release, there FROM (SELECT seq, at, level, line, place, trace_id, release, COUNT(*) OVER () AS there, SUM(LENGTH(line)) OVER (ORDER BY ", $order,
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS so_far FROM (SELECT seq, at, level, line, place, trace_id, release FROM app_logs WHERE tenant = $1 AND app_id = $2 AND env = $3 AND ", $beyond,
            " ORDER BY ", $order, " LIMIT $5) lines) page WHERE COALESCE(so_far, 0) < $6 ORDER BY ", $order
        )
    };
}

/// A page of so many lines and, the last of them aside, so many bytes; with how many lines there would be of any length.
pub(crate) const AFTER: &str = page!("seq > $4", "seq");
pub(crate) const BEFORE: &str = page!("seq < $4", "seq DESC");
pub(crate) const WHICH_AFTER: &str =
    "SELECT seq FROM app_logs WHERE tenant = $1 AND app_id = $2 AND env = $3 AND seq > $4 AND seq <= $5 ORDER BY seq";
pub(crate) const PRUNE: &str = "DELETE FROM app_logs WHERE tenant = $1 AND at < $2";
pub(crate) const SHORTEN: &str = "DELETE FROM app_logs WHERE tenant = $1 AND app_id = $2 AND env = $3 AND seq <= (SELECT MAX(seq) FROM (SELECT seq, SUM(LENGTH(line) + 256) OVER (ORDER BY seq DESC) AS so_far FROM app_logs WHERE tenant = $1 AND app_id = $2 AND env = $3) long WHERE so_far > $4)";
