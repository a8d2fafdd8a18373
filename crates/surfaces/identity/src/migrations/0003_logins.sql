CREATE TABLE session_seen (
    tenant TEXT NOT NULL,
    session TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, session)
);

CREATE TABLE logins (
    tenant TEXT NOT NULL,
    hash BYTEA NOT NULL,
    person TEXT NOT NULL,
    session TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, hash)
);

CREATE TABLE role_requests (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    person TEXT NOT NULL,
    role TEXT NOT NULL,
    until BIGINT NOT NULL,
    why BYTEA NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    decided_by TEXT,
    decided_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX role_requests_by_state ON role_requests (tenant, state, created_at);

CREATE TABLE provider_people (
    tenant TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject_key BYTEA NOT NULL,
    person TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, issuer, subject_key)
);

CREATE TABLE provider_sessions (
    tenant TEXT NOT NULL,
    issuer TEXT NOT NULL,
    sid_key BYTEA NOT NULL,
    subject_key BYTEA NOT NULL,
    session TEXT NOT NULL,
    PRIMARY KEY (tenant, session)
);
CREATE INDEX provider_sessions_by_sid ON provider_sessions (tenant, issuer, sid_key);
