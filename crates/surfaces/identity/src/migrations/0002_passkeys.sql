CREATE TABLE passkeys (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    person TEXT NOT NULL,
    credential_key BYTEA NOT NULL,
    credential BYTEA NOT NULL,
    name BYTEA NOT NULL,
    host TEXT NOT NULL,
    vouched_by TEXT,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX passkeys_by_credential ON passkeys (tenant, credential_key);
CREATE INDEX passkeys_by_person ON passkeys (tenant, person);

CREATE TABLE spent_ceremonies (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

ALTER TABLE people ADD COLUMN added_by TEXT;
ALTER TABLE memberships ADD COLUMN added_by TEXT;
ALTER TABLE memberships ADD COLUMN until BIGINT;
ALTER TABLE links ADD COLUMN made_by TEXT;
ALTER TABLE links ADD COLUMN made_at BIGINT;
ALTER TABLE sessions ADD COLUMN method TEXT;
ALTER TABLE sessions ADD COLUMN vouched_by TEXT;
ALTER TABLE sessions ADD COLUMN ip BYTEA;
