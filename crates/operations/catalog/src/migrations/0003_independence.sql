ALTER TABLE requests ADD COLUMN requested_by TEXT;
ALTER TABLE requests ADD COLUMN dependence TEXT;
