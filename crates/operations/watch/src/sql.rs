//! Rows of notices, their deliveries, what ends, and alarms. What ends stands in the rooms' own tables, and is only read.

/// The columns of a notice, in the order in which `Notice::read` takes them.
macro_rules! notice {
    ($rest:literal) => {
        concat!(
            "SELECT n.event, n.kind, n.action, n.app_id, n.env, n.resource, n.person, n.exception, n.detail, n.at",
            $rest
        )
    };
}

pub(super) const TO_SPREAD: &str = notice!(
    " FROM notices n WHERE n.tenant = $1 AND n.spread_at IS NULL AND (n.at > $2 OR (n.at = $2 AND n.event > $3)) ORDER BY n.at, n.event LIMIT 100"
);
pub(super) const SPREAD: &str =
    "UPDATE notices SET spread_at = $4 WHERE tenant = $1 AND event = $2 AND kind = $3 AND spread_at IS NULL";
pub(super) const ONE: &str = notice!(" FROM notices n WHERE n.tenant = $1 AND n.event = $2 AND n.kind = 'expires'");

pub(super) const INSERT_DELIVERY: &str = "INSERT INTO notice_deliveries
  (tenant, event, kind, channel, recipient, state, attempts, made_at, next_at, ended_at, error)
  VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, $6, NULL, NULL)
  ON CONFLICT (tenant, event, kind, channel, recipient) DO NOTHING";
pub(super) const DUE: &str = notice!(
    ", d.channel, d.recipient, d.attempts FROM notice_deliveries d
  JOIN notices n ON n.tenant = d.tenant AND n.event = d.event AND n.kind = d.kind
  WHERE d.tenant = $1 AND d.state = 'waiting' AND d.next_at <= $2 ORDER BY d.next_at, d.event LIMIT 64"
);
/// Whoever sends counts up first: of two senders one goes on, and after a crash it is tried again at `$7`.
pub(super) const CLAIM: &str = "UPDATE notice_deliveries SET attempts = attempts + 1, next_at = $7
  WHERE tenant = $1 AND event = $2 AND kind = $3 AND channel = $4 AND recipient = $5 AND attempts = $6
  AND state = 'waiting'";
pub(super) const END: &str = "UPDATE notice_deliveries SET state = $6, ended_at = $7, next_at = NULL, error = $8
  WHERE tenant = $1 AND event = $2 AND kind = $3 AND channel = $4 AND recipient = $5";
pub(super) const LATER: &str = "UPDATE notice_deliveries SET next_at = $6, error = $7
  WHERE tenant = $1 AND event = $2 AND kind = $3 AND channel = $4 AND recipient = $5 AND state = 'waiting'";
pub(super) const PRUNE_DELIVERIES: &str = "DELETE FROM notice_deliveries WHERE tenant = $1 AND made_at < $2";
pub(super) const PRUNE_NOTICES: &str = "DELETE FROM notices WHERE tenant = $1 AND at < $2 AND spread_at IS NOT NULL";
/// The log, newest first, by key: `$4` and `$5` are where the page before ended.
pub(super) const LOG: &str = notice!(
    ", d.channel, d.recipient, d.attempts, d.state, d.made_at, d.next_at, d.ended_at, d.error
  FROM notice_deliveries d
  JOIN notices n ON n.tenant = d.tenant AND n.event = d.event AND n.kind = d.kind
  WHERE d.tenant = $1
  AND (CAST($2 AS TEXT) IS NULL OR d.state = CAST($2 AS TEXT))
  AND (CAST($3 AS TEXT) IS NULL OR d.kind = CAST($3 AS TEXT))
  AND d.made_at <= $4
  AND (d.made_at < $4 OR d.event || '/' || d.kind || '/' || d.channel || '/' || d.recipient < $5)
  ORDER BY d.made_at DESC, d.event || '/' || d.kind || '/' || d.channel || '/' || d.recipient DESC
  LIMIT CAST($6 AS BIGINT)"
);

/// Who asked for a release.
pub(super) const REQUESTER: &str = "SELECT requester FROM requests WHERE tenant = $1 AND id = $2";
/// Who deployed what an app serves.
pub(super) const DEPLOYER: &str = "SELECT r.by_person FROM deployments d
  JOIN releases r ON r.tenant = d.tenant AND r.app_id = d.app_id AND r.number = d.release
  WHERE d.tenant = $1 AND d.app_id = $2 ORDER BY d.env LIMIT 1";

pub(super) const APPS_ENDING: &str = "SELECT d.app_id, d.env, d.expires_at, d.changed_at, r.by_person
  FROM deployments d
  LEFT JOIN releases r ON r.tenant = d.tenant AND r.app_id = d.app_id AND r.number = d.release
  WHERE d.tenant = $1 AND d.state = 'live' AND d.expires_at > $2 AND d.expires_at <= $3 ORDER BY d.app_id, d.env";
pub(super) const SECRETS_ENDING: &str = "SELECT id, env, expires_at, put_at, owner FROM vault_secrets
  WHERE tenant = $1 AND revoked_at IS NULL AND expires_at > $2 AND expires_at <= $3 ORDER BY id, env";
pub(super) const SECRET_OWNER: &str = "SELECT owner FROM vault_secrets WHERE tenant = $1 AND id = $2 AND env = $3";
pub(super) const ROLES_ENDING: &str = "SELECT person, grp, until, added_at FROM memberships
  WHERE tenant = $1 AND until IS NOT NULL AND until > $2 AND until <= $3 ORDER BY person, grp";

/// Whoever deployed what the app serves has to mend it, or to ask for another.
pub(super) const WAIVERS_ENDING: &str = "SELECT w.app, w.code, w.until, w.granted_at, w.team,
  (SELECT r.by_person FROM apps a
  JOIN deployments d ON d.tenant = a.tenant AND d.app_id = a.id
  JOIN releases r ON r.tenant = d.tenant AND r.app_id = d.app_id AND r.number = d.release
  WHERE a.tenant = w.tenant AND a.name = w.app ORDER BY d.env LIMIT 1)
  FROM waivers w WHERE w.tenant = $1 AND w.ended_at IS NULL AND w.until > $2 AND w.until <= $3 ORDER BY w.app, w.code";
pub(super) const WAIVER_TEAM: &str =
    "SELECT team FROM waivers WHERE tenant = $1 AND app = $2 AND code = $3 ORDER BY granted_at DESC LIMIT 1";

pub(super) const EXPIRY: &str = "SELECT days, rung, warned_at, acked_by, acked_at, event FROM expiries
  WHERE tenant = $1 AND thing = $2 AND ends_at = $3";
/// What was told last of one thing, whatever its date.
pub(super) const TOLD_LAST: &str =
    "SELECT ends_at, days FROM expiries WHERE tenant = $1 AND thing = $2 ORDER BY ends_at DESC LIMIT 1";
/// Nothing is changed when it was told already.
pub(super) const WARN: &str = "INSERT INTO expiries
  (tenant, thing, ends_at, days, rung, event, warned_at, acked_by, acked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL)
  ON CONFLICT (tenant, thing, ends_at) DO UPDATE SET days = excluded.days, rung = excluded.rung,
  event = excluded.event, warned_at = excluded.warned_at, acked_by = NULL, acked_at = NULL
  WHERE expiries.days > excluded.days OR (expiries.days = excluded.days AND expiries.rung < excluded.rung)";
/// What was told of an earlier date of the same thing.
pub(super) const FORGET_EARLIER: &str = "DELETE FROM expiries WHERE tenant = $1 AND thing = $2 AND ends_at <> $3";
pub(super) const ACK: &str = "UPDATE expiries SET acked_by = $4, acked_at = $5
  WHERE tenant = $1 AND thing = $2 AND ends_at = $3 AND acked_at IS NULL";
/// What was told already of one thing and date at one threshold.
pub(super) const TOLD: &str = "SELECT detail FROM notices
  WHERE tenant = $1 AND resource = $2 AND kind = 'expires' AND at >= $3";
/// The same, of what somebody had by mail, or the webhook took, until `$4`.
pub(super) const REACHED: &str = "SELECT n.detail FROM notices n
  WHERE n.tenant = $1 AND n.resource = $2 AND n.kind = 'expires' AND n.at >= $3 AND EXISTS
  (SELECT 1 FROM notice_deliveries d WHERE d.tenant = n.tenant AND d.event = n.event AND d.kind = n.kind
     AND d.state = 'sent' AND d.ended_at <= $4)";
/// Warnings that nobody has taken on, of what has not ended.
pub(super) const OPEN: &str = "SELECT thing, ends_at, days, rung, warned_at, event FROM expiries
  WHERE tenant = $1 AND acked_at IS NULL AND ends_at > $2 ORDER BY ends_at, thing LIMIT 200";

pub(super) const ALARM: &str = "SELECT told_at, copies FROM alarms WHERE tenant = $1 AND name = $2";
/// Nothing is changed when it was told after `$4`; what was told from `$5` on was told by a clock that was set back since.
pub(super) const TELL_ALARM: &str = "INSERT INTO alarms (tenant, name, told_at, copies) VALUES ($1, $2, $3, 0)
  ON CONFLICT (tenant, name) DO UPDATE SET told_at = excluded.told_at, copies = 0
  WHERE alarms.told_at <= $4 OR alarms.told_at >= $5";
pub(super) const COUNT_COPY: &str = "UPDATE alarms SET copies = copies + 1 WHERE tenant = $1 AND name = $2";
/// When the oldest event that waits for the log was: it has no place yet, or one that the head does not cover.
pub(super) const UNSEQUENCED: &str = "SELECT * FROM
  (SELECT at FROM events WHERE tenant = $1 AND idx IS NULL ORDER BY seq LIMIT 1) AS queued UNION ALL SELECT * FROM
  (SELECT at FROM events WHERE tenant = $1
     AND idx >= COALESCE((SELECT size FROM log_heads WHERE log_heads.tenant = $1), 0) ORDER BY idx LIMIT 1) AS placed";
