CREATE TABLE vault_ids (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    app_name TEXT,
    app_id TEXT,
    PRIMARY KEY (tenant, id)
);
CREATE TABLE vault_secrets (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    env TEXT NOT NULL,
    owner TEXT NOT NULL,
    purpose TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    hosts TEXT NOT NULL,
    attach TEXT NOT NULL,
    sensitivity TEXT NOT NULL,
    version BIGINT NOT NULL,
    value_number BIGINT NOT NULL,
    sealed BYTEA,
    created_at BIGINT NOT NULL,
    put_at BIGINT NOT NULL,
    revoked_at BIGINT,
    PRIMARY KEY (tenant, id, env)
);
CREATE TABLE vault_bindings (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    variable TEXT NOT NULL,
    secret_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    endpoints TEXT NOT NULL,
    release BIGINT NOT NULL,
    credential_epoch BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    cut_at BIGINT,
    PRIMARY KEY (tenant, app_id, env, variable)
);
CREATE INDEX vault_bindings_by_secret ON vault_bindings (tenant, secret_id, env);
