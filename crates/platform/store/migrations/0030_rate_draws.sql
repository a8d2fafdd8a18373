-- How much of each rate limit the nodes have drawn, and when by the database's clock. The key is a keyed digest: no person
-- and no address can be read from it. `at` says which rows nobody asks for any more.
CREATE TABLE rate_draws (
  tenant TEXT NOT NULL, key BYTEA NOT NULL, drawn BYTEA NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (tenant, key));
