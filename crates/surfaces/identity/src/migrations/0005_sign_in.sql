CREATE TABLE sign_in_settings (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    digest TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE provider_tries (
    tenant TEXT NOT NULL,
    person TEXT NOT NULL,
    digest TEXT NOT NULL,
    tried_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, person)
);
