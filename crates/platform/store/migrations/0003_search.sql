-- Searches of the record. Each index begins with what is asked for and goes on by time, so that a span of time is a span
-- of the index and the newest page is its end. `action` at the end of two lets the wrong acts be passed over unread.
DROP INDEX events_by_time;
DROP INDEX events_by_app;
DROP INDEX events_by_person;
DROP INDEX events_by_action;
DROP INDEX events_by_trace;
CREATE INDEX events_by_at ON events (tenant, at, seq);
CREATE INDEX events_by_app ON events (tenant, app_id, at, seq, action) WHERE app_id IS NOT NULL;
CREATE INDEX events_by_person ON events (tenant, person_id, at, seq, action) WHERE person_id IS NOT NULL;
CREATE INDEX events_by_action ON events (tenant, action, at, seq);
CREATE INDEX events_by_trace ON events (tenant, trace_id, at, seq) WHERE trace_id IS NOT NULL;

-- What was refused or failed is rare, and what one looks for.
CREATE INDEX events_refused ON events (tenant, outcome, at, seq) WHERE outcome <> 'allowed';

-- Changes and uses by the thing that they are on; requests, calls and reads are found by app, person or trace.
CREATE INDEX events_by_resource ON events (tenant, resource, at, seq) WHERE durability <> 'access';

-- How often an app used what it holds, and when last.
CREATE INDEX events_secret_uses ON events (tenant, app_id, resource, at) WHERE action = 'secret.use' AND outcome = 'allowed';
CREATE INDEX events_calls ON events (tenant, app_id, resource, at, outcome) WHERE action = 'egress.call';
