CREATE TABLE gateway_routes (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    release BIGINT NOT NULL,
    grants TEXT NOT NULL,
    image TEXT,
    assets TEXT,
    credential_epoch BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    cut_at BIGINT,
    PRIMARY KEY (tenant, app_id, env)
);
