-- Steps that no program may stand beside which does not know them, and why: a node that knows fewer gets no lease.
CREATE TABLE alone_steps (room TEXT NOT NULL, number BIGINT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (room, number));
