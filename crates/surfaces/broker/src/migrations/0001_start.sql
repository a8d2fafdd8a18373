CREATE TABLE broker_grants (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    port BIGINT NOT NULL,
    tls BIGINT NOT NULL,
    methods TEXT NOT NULL,
    paths TEXT NOT NULL,
    secret TEXT,
    why TEXT NOT NULL,
    line BIGINT NOT NULL,
    release BIGINT NOT NULL,
    credential_epoch BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    until BIGINT,
    opened_at BIGINT NOT NULL,
    cut_at BIGINT,
    PRIMARY KEY (tenant, app_id, env, name)
);
CREATE INDEX broker_grants_by_app ON broker_grants (app_id, env);
