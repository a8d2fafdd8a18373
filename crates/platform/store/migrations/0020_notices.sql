-- What somebody is to be told of: written by the commit of the act itself. `spread_at` is when deliveries were made of it.
CREATE TABLE notices (
  tenant TEXT NOT NULL,
  event TEXT NOT NULL,
  kind TEXT NOT NULL,
  action TEXT NOT NULL,
  app_id TEXT,
  env TEXT,
  resource TEXT NOT NULL,
  person TEXT,
  exception TEXT,
  detail TEXT NOT NULL,
  at BIGINT NOT NULL,
  spread_at BIGINT,
  PRIMARY KEY (tenant, event, kind)
);
CREATE INDEX notices_to_spread ON notices (tenant, at) WHERE spread_at IS NULL;

-- One row for each who is told, by each way. `attempts` tells two senders apart: whoever sends counts up first.
CREATE TABLE notice_deliveries (
  tenant TEXT NOT NULL,
  event TEXT NOT NULL,
  kind TEXT NOT NULL,
  channel TEXT NOT NULL,
  recipient TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  next_at BIGINT,
  ended_at BIGINT,
  error TEXT,
  PRIMARY KEY (tenant, event, kind, channel, recipient)
);
CREATE INDEX notice_deliveries_due ON notice_deliveries (tenant, next_at) WHERE state = 'waiting';
CREATE INDEX notice_deliveries_by_time ON notice_deliveries (tenant, made_at, event);
