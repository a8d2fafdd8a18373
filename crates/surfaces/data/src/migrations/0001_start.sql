-- What apps may keep, and what they keep. Every row carries tenant, app and environment.

-- `declared` is JSON: fields with class and type, retention, limits. `state`: open, closed (no longer in the
-- manifest), cut.
CREATE TABLE data_collections (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    collection TEXT NOT NULL,
    declared TEXT NOT NULL,
    credential_epoch BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (tenant, app_id, env, collection)
);

-- `body` is JSON; fields of class personal and above are sealed in it, each on its own.
CREATE TABLE data_records (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    person TEXT,
    bytes BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, app_id, env, collection, id)
);
CREATE INDEX data_records_due ON data_records (tenant, expires_at);

-- One row for each declared field of each record. Bytes sort as the values do; of an encrypted field `key` is a keyed
-- index, which tells equal values and no order.
CREATE TABLE data_index (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    collection TEXT NOT NULL,
    record TEXT NOT NULL,
    field TEXT NOT NULL,
    key BYTEA NOT NULL,
    PRIMARY KEY (tenant, app_id, env, collection, record, field),
    FOREIGN KEY (tenant, app_id, env, collection, record)
        REFERENCES data_records (tenant, app_id, env, collection, id) ON DELETE CASCADE
);
CREATE INDEX data_index_by_key ON data_index (tenant, app_id, env, collection, field, key, record);

-- Counted in the same commit as the record, so that no limit needs a scan.
CREATE TABLE data_usage (
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    env TEXT NOT NULL,
    collection TEXT NOT NULL,
    records BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    last_at BIGINT,
    PRIMARY KEY (tenant, app_id, env, collection)
);
