ALTER TABLE provider_people ADD COLUMN vouched_by TEXT;
CREATE INDEX sessions_by_app ON sessions (tenant, app_id, env, created_at);
