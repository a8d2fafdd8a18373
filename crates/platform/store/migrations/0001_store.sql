-- What the store itself keeps. Only BIGINT, TEXT and BYTEA; times are milliseconds since 1970.

-- The database's root key, so that a node with another one refuses to start.
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- One row for each tenant; rises with each change of policy, role, membership, grant or app state.
CREATE TABLE epochs (tenant TEXT PRIMARY KEY, epoch BIGINT NOT NULL);

-- The record. `body` and `salt` are what a leaf commits to; both are NULL once erased. `idx` is the place in the log.
CREATE TABLE events (
  seq {{identity}},
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  idx BIGINT,
  at BIGINT NOT NULL,
  action TEXT NOT NULL,
  app_id TEXT,
  person_id TEXT,
  resource TEXT NOT NULL,
  outcome TEXT NOT NULL,
  trace_id TEXT,
  durability TEXT NOT NULL,
  subject TEXT NOT NULL,
  salt BYTEA,
  body BYTEA
);
CREATE UNIQUE INDEX events_by_index ON events (tenant, idx) WHERE idx IS NOT NULL;
CREATE INDEX events_unsequenced ON events (tenant, seq) WHERE idx IS NULL;
CREATE INDEX events_by_time ON events (tenant, seq);
CREATE INDEX events_by_app ON events (tenant, app_id, seq) WHERE app_id IS NOT NULL;
CREATE INDEX events_by_person ON events (tenant, person_id, seq) WHERE person_id IS NOT NULL;
CREATE INDEX events_by_action ON events (tenant, action, seq);
CREATE INDEX events_by_trace ON events (tenant, trace_id, seq) WHERE trace_id IS NOT NULL;

-- Deleting a row erases all free text of its subject.
CREATE TABLE subject_keys (tenant TEXT NOT NULL, subject TEXT NOT NULL, wrapped BYTEA NOT NULL, PRIMARY KEY (tenant, subject));

-- The log: its head, advanced by compare-and-set on (size, term), and its C2SP tiles.
CREATE TABLE log_heads (
  tenant TEXT PRIMARY KEY,
  size BIGINT NOT NULL,
  term BIGINT NOT NULL,
  checkpoint BYTEA NOT NULL,
  at BIGINT NOT NULL
);
CREATE TABLE tiles (tenant TEXT NOT NULL, path TEXT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (tenant, path));

-- The change feed; positions are gapless and in commit order, since they come from one locked row.
CREATE TABLE feed_heads (tenant TEXT PRIMARY KEY, position BIGINT NOT NULL);
CREATE TABLE feed (
  tenant TEXT NOT NULL,
  position BIGINT NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (tenant, position)
);

CREATE TABLE blobs (tenant TEXT NOT NULL, digest TEXT NOT NULL, size BIGINT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (tenant, digest));

-- Who runs a job or leads, until when.
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, term BIGINT NOT NULL, until BIGINT NOT NULL);

-- One row for each node: a run that did not end cleanly leaves a gap in what was buffered.
CREATE TABLE runs (node TEXT PRIMARY KEY, started_at BIGINT NOT NULL, flushed_at BIGINT NOT NULL, ended_at BIGINT);
