-- The files of a release by path, with digest, bytes and lines: what changed between two is told without reading either.
ALTER TABLE releases ADD COLUMN files TEXT;
