CREATE TABLE people (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    email_key BYTEA NOT NULL,
    email BYTEA NOT NULL,
    name BYTEA,
    enabled BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX people_by_email ON people (tenant, email_key);

CREATE TABLE memberships (
    tenant TEXT NOT NULL,
    person TEXT NOT NULL,
    grp TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, person, grp)
);

CREATE TABLE links (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    hash BYTEA NOT NULL,
    person TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX links_by_hash ON links (hash);

CREATE TABLE sessions (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    hash BYTEA NOT NULL,
    person TEXT NOT NULL,
    parent TEXT,
    place TEXT NOT NULL,
    app_id TEXT,
    env TEXT,
    factor_at BIGINT,
    device BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX sessions_by_hash ON sessions (hash);
CREATE INDEX sessions_by_person ON sessions (tenant, person);

CREATE TABLE codes (
    tenant TEXT NOT NULL,
    hash BYTEA NOT NULL,
    binding BYTEA NOT NULL,
    session TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    return_to TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, hash)
);

CREATE TABLE accounts (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    credential_epoch BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (tenant, app_id, env)
);
CREATE UNIQUE INDEX accounts_by_name ON accounts (tenant, name);
