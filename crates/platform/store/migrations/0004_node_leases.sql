-- Which nodes are alive, until when by the database's clock, and up to which position of the feed each has done what it
-- says. `run` tells two processes of one name apart.
CREATE TABLE node_leases (node TEXT PRIMARY KEY, run TEXT NOT NULL, until BIGINT NOT NULL, position BIGINT NOT NULL);
