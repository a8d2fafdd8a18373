CREATE TABLE apps (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    team TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX apps_by_name ON apps (tenant, name);

CREATE TABLE deployments (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    state TEXT NOT NULL,
    release BIGINT,
    credential_epoch BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_by TEXT,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, app_id, env)
);

CREATE TABLE releases (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    env TEXT NOT NULL,
    digest TEXT NOT NULL,
    grants TEXT NOT NULL,
    tier TEXT NOT NULL,
    manifest TEXT NOT NULL,
    findings TEXT NOT NULL,
    bundle TEXT NOT NULL,
    image TEXT,
    assets TEXT,
    by_actor TEXT NOT NULL,
    by_person TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, app_id, number)
);
CREATE INDEX releases_by_digest ON releases (tenant, app_id, env, digest);

CREATE TABLE requests (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    release BIGINT NOT NULL,
    digest TEXT NOT NULL,
    grants TEXT NOT NULL,
    secrets TEXT NOT NULL,
    compared_with BIGINT,
    requester TEXT,
    state TEXT NOT NULL,
    exception TEXT,
    decided_by TEXT,
    decided_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX requests_by_app ON requests (tenant, app_id, env, state);

CREATE TABLE job_runs (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    job TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    run_id TEXT NOT NULL,
    state TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (tenant, app_id, env, job, due_at)
);

CREATE TABLE tombstones (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    retired_at BIGINT NOT NULL,
    certificate TEXT NOT NULL,
    PRIMARY KEY (tenant, app_id)
);
