-- Revokes whose receipt waits for the other nodes, with what was cut on the first: whoever waits may crash meanwhile.
CREATE TABLE receipts_due (
  tenant TEXT NOT NULL,
  event TEXT NOT NULL,
  done_event TEXT NOT NULL,
  app_id TEXT NOT NULL,
  node TEXT NOT NULL,
  at BIGINT NOT NULL,
  receipt TEXT NOT NULL,
  PRIMARY KEY (tenant, event)
);
