-- What must be told to others, kept until they say they have it (PROTOCOL §3).
-- A row is written in the transaction of the entry it tells of, so nothing recorded stays untold
-- and nothing unrecorded is told. Bodies hold ids only; statements are built when they are sent.
-- New table: locks nothing that is in use.

CREATE TABLE outbox (
    outbox_id       text        PRIMARY KEY,
    kind            text        NOT NULL CHECK (kind ~ '^[a-z][a-z-]{0,31}$'),
    destination     text        NOT NULL,
    body            jsonb       NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    expires_at      timestamptz NOT NULL,
    last_problem    text
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX outbox_due ON outbox (kind, next_attempt_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO sekisho_app;

-- `after_s`: the worker that wrote the row tells it from memory at once; the row takes over when
-- that worker is gone.
CREATE FUNCTION effect_outbox(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   outbox_id text, kind text, destination text, body jsonb,
                   after_s double precision, keep_s double precision
               )) WITH ORDINALITY
               AS w(outbox_id, kind, destination, body, after_s, keep_s, place)
    ), stored AS (
        INSERT INTO outbox (outbox_id, kind, destination, body, next_attempt_at, expires_at)
        SELECT outbox_id, kind, destination, body,
               now() + make_interval(secs => after_s), now() + make_interval(secs => keep_s)
          FROM wanted
        ON CONFLICT (outbox_id) DO NOTHING
        RETURNING outbox_id
    )
    SELECT position FROM wanted JOIN stored USING (outbox_id)
$$;
