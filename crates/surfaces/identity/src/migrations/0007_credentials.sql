ALTER TABLE sessions ADD COLUMN credential_epoch BIGINT;
