-- Exceptions to one rule for one app, by its name: it stays taken for ever, and an app may need one before there is one.
CREATE TABLE waivers (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    app TEXT NOT NULL,
    team TEXT NOT NULL,
    code TEXT NOT NULL,
    until BIGINT NOT NULL,
    granted_by TEXT NOT NULL,
    exception TEXT,
    dependence TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    ended_by TEXT,
    ended_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX waivers_by_app ON waivers (tenant, app, code);

-- Which of them a yes was told of: it is to these, and to no other.
ALTER TABLE requests ADD COLUMN waivers TEXT;
