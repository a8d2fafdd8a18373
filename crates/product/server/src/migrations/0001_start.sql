CREATE TABLE app_logs (
    tenant TEXT NOT NULL,
    seq BIGINT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    release BIGINT NOT NULL,
    at BIGINT NOT NULL,
    level TEXT NOT NULL,
    line BYTEA NOT NULL,
    place TEXT,
    trace_id TEXT,
    PRIMARY KEY (tenant, app_id, env, seq)
);
CREATE INDEX app_logs_by_time ON app_logs (tenant, at);
