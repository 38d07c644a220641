-- What a cell of the notification service keeps. Every key begins with the tenant: no query can forget it and still use an
-- index, and a tenant's rows can be moved out by logical replication, which needs the tenant in each primary key.

-- Content-addressed: the name is the SHA-256 of the content. A template can be uploaded again at any time, so it is kept
-- only while it is used.
CREATE TABLE template (
  tenant     text COLLATE "C" NOT NULL,
  sha256     text COLLATE "C" NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  content    bytea            NOT NULL,
  used_at    timestamptz      NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, sha256)
);

CREATE INDEX template_used ON template (used_at);

CREATE TABLE notification (
  tenant          text COLLATE "C" NOT NULL,
  id              text COLLATE "C" NOT NULL,
  channel         text             NOT NULL CHECK (channel IN ('email', 'sms', 'push')),
  recipient       text             NOT NULL,
  subject         text,
  body            text             NOT NULL,
  template        text,
  idempotency_key text COLLATE "C",
  request_digest  text             NOT NULL,
  delivery_key    text             NOT NULL,
  status          text             NOT NULL DEFAULT 'queued'
                  CHECK (status IN ('queued', 'retrying', 'delivered', 'dead_letter', 'expired')),
  deliver_before  timestamptz,
  created_at      timestamptz      NOT NULL DEFAULT now(),
  finished_at     timestamptz,
  PRIMARY KEY (tenant, id)
);

CREATE UNIQUE INDEX notification_idempotency ON notification (tenant, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX notification_finished ON notification (finished_at) WHERE finished_at IS NOT NULL;

-- The queue: a row for each notification that is not finished. A row is taken by moving its due time behind the lease;
-- so a worker that dies gives its work back by doing nothing.
CREATE TABLE delivery (
  tenant          text COLLATE "C" NOT NULL,
  notification_id text COLLATE "C" NOT NULL,
  due_at          timestamptz      NOT NULL DEFAULT now(),
  attempts        integer          NOT NULL DEFAULT 0,
  lease           uuid,
  PRIMARY KEY (tenant, notification_id),
  FOREIGN KEY (tenant, notification_id) REFERENCES notification ON DELETE CASCADE
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX delivery_due ON delivery (due_at);

-- One row for each attempt that was seen to end. A gap in the numbers is one whose worker died.
CREATE TABLE attempt (
  tenant          text COLLATE "C" NOT NULL,
  notification_id text COLLATE "C" NOT NULL,
  number          integer          NOT NULL,
  started_at      timestamptz      NOT NULL,
  duration_ms     integer          NOT NULL,
  outcome         text             NOT NULL CHECK (outcome IN ('delivered', 'failed', 'refused')),
  detail          text             NOT NULL,
  PRIMARY KEY (tenant, notification_id, number),
  FOREIGN KEY (tenant, notification_id) REFERENCES notification ON DELETE CASCADE
);
