-- Content that lies outside the database: `outside` names the object, and `bytes` is empty then. Each object has a name of
-- its own, so that none is ever taken for another's.
ALTER TABLE blobs ADD COLUMN outside TEXT;
ALTER TABLE tiles ADD COLUMN outside TEXT;
CREATE INDEX blobs_inside ON blobs (tenant, digest) WHERE outside IS NULL;
CREATE INDEX blobs_outside ON blobs (tenant, outside) WHERE outside IS NOT NULL;
CREATE INDEX tiles_inside ON tiles (tenant, path) WHERE outside IS NULL;
CREATE INDEX tiles_outside ON tiles (tenant, outside) WHERE outside IS NOT NULL;

-- Objects that were put and that no row names yet; since when. 0: given up, to be deleted there.
CREATE TABLE content_puts (tenant TEXT NOT NULL, name TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (tenant, name));
