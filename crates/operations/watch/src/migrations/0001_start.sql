-- What ends, and how far it was warned of: `days` is the threshold that was told last, `rung` who was told (owner, team,
-- operators), `acked_by` who took it on.
CREATE TABLE expiries (
    tenant TEXT NOT NULL,
    thing TEXT NOT NULL,
    ends_at BIGINT NOT NULL,
    days BIGINT NOT NULL,
    rung BIGINT NOT NULL,
    event TEXT NOT NULL,
    warned_at BIGINT NOT NULL,
    acked_by TEXT,
    acked_at BIGINT,
    PRIMARY KEY (tenant, thing, ends_at)
);

-- When an alarm was told last, and how often it came again since.
CREATE TABLE alarms (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    copies BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- Searches of the record that somebody keeps. `filter` is JSON; a person in it is an id.
CREATE TABLE saved_queries (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    shared BIGINT NOT NULL,
    name TEXT NOT NULL,
    filter TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX saved_queries_by_name ON saved_queries (tenant, owner, name);
