-- Whom an event is about, where neither whoever did it nor the resource says so: who was given a role, whose request was
-- decided. A search by person finds both.
ALTER TABLE events ADD COLUMN about TEXT;
CREATE INDEX events_by_about ON events (tenant, about, at, seq, action) WHERE about IS NOT NULL;
