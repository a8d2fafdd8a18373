-- Databases that did not continue what a node had seen, and were accepted: what was lost is named. `kept` is what the
-- node had seen, `found` what the database held.
CREATE TABLE recoveries (
  tenant TEXT NOT NULL,
  event TEXT NOT NULL,
  at BIGINT NOT NULL,
  kept_size BIGINT NOT NULL,
  kept_root TEXT NOT NULL,
  found_size BIGINT NOT NULL,
  found_root TEXT NOT NULL,
  PRIMARY KEY (tenant, event)
);
