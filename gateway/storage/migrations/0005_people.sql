-- People as the gateway knows them, and the keys by which callers repeat themselves safely.
-- Numbers lie in boxes, codes under AES-SIV; a person is found by a keyed hash only.
-- Locks nothing that is in use: everything here is new.

CREATE TABLE network_codes (
    subject     bytea       PRIMARY KEY CHECK (octet_length(subject) = 32),
    number_box  bytea       NOT NULL,
    code        bytea       UNIQUE,
    key_year    integer     NOT NULL,
    state       text        NOT NULL CHECK (state IN ('linked', 'suspended')),
    linked_at   timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON network_codes TO sekisho_app;

CREATE FUNCTION effect_code_linked(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   subject text, number_box text, code text, key_year integer
               )) WITH ORDINALITY AS w(subject, number_box, code, key_year, place)
    ), stored AS (
        INSERT INTO network_codes (subject, number_box, code, key_year, state)
        SELECT decode(subject, 'base64'), decode(number_box, 'base64'), decode(code, 'base64'),
               key_year, 'linked'
          FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING subject
    )
    SELECT position FROM wanted JOIN stored ON stored.subject = decode(wanted.subject, 'base64')
$$;

-- One unpartitioned table without personal data, swept daily (PROTOCOL §3).
CREATE TABLE idempotency_keys (
    client_id       text        NOT NULL,
    idempotency_key text        NOT NULL,
    digest          bytea       NOT NULL CHECK (octet_length(digest) = 32),
    inquiry_id      text        NOT NULL,
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (client_id, idempotency_key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
GRANT SELECT, INSERT, DELETE ON idempotency_keys TO sekisho_app;

CREATE FUNCTION effect_idempotency_kept(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   client_id text, idempotency_key text, digest text, inquiry_id text,
                   expires_at timestamptz
               )) WITH ORDINALITY
               AS w(client_id, idempotency_key, digest, inquiry_id, expires_at, place)
    ), stored AS (
        INSERT INTO idempotency_keys (client_id, idempotency_key, digest, inquiry_id, expires_at)
        SELECT client_id, idempotency_key, decode(digest, 'base64'), inquiry_id, expires_at
          FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING client_id, idempotency_key
    )
    SELECT position FROM wanted JOIN stored USING (client_id, idempotency_key)
$$;

-- Replicas (副本): what the provider may be asked for, one row a person, term and record.
-- A batch is staged first and applied whole, in the transaction of the entry that says so.
CREATE SEQUENCE replica_generations;
GRANT USAGE ON SEQUENCE replica_generations TO sekisho_app;

CREATE TABLE replica_batches (
    batch_id    text        PRIMARY KEY CHECK (batch_id ~ '^[0-9a-f]{32}$'),
    client_id   text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN (
                    'initial', 'change', 're-registration', 'layout-revision', 'deletion')),
    term        text        NOT NULL,
    layout      text        NOT NULL,
    generation  bigint      NOT NULL UNIQUE,
    state       text        NOT NULL CHECK (state IN ('receiving', 'applied', 'refused')),
    rows_taken  bigint      NOT NULL DEFAULT 0,
    rows_put    bigint      NOT NULL DEFAULT 0,
    rows_deleted bigint     NOT NULL DEFAULT 0,
    rows_refused bigint     NOT NULL DEFAULT 0,
    findings    jsonb       NOT NULL DEFAULT '[]',
    digest      bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),
    applied_at  timestamptz
);
CREATE INDEX replica_batches_of_client
    ON replica_batches (client_id, created_at DESC, batch_id DESC);
GRANT SELECT, INSERT, UPDATE, DELETE ON replica_batches TO sekisho_app;

CREATE TABLE replica_rows_staged (
    batch_id        text    NOT NULL,
    ordinal         bigint  NOT NULL,
    is_deletion     boolean NOT NULL,
    subject         bytea   NOT NULL,
    term            text    NOT NULL,
    record_key      text    NOT NULL,
    period_from     date,
    period_to       date,
    published_from  date,
    published_until date,
    key_year        integer,
    items_box       bytea,
    PRIMARY KEY (batch_id, ordinal)
);
GRANT SELECT, INSERT, DELETE ON replica_rows_staged TO sekisho_app;

CREATE TABLE replicas (
    subject         bytea   NOT NULL CHECK (octet_length(subject) = 32),
    term            text    NOT NULL,
    record_key      text    NOT NULL,
    generation      bigint  NOT NULL,
    layout          text    NOT NULL,
    period_from     date,
    period_to       date,
    published_from  date    NOT NULL,
    published_until date,
    key_year        integer NOT NULL,
    items_box       bytea   NOT NULL,
    PRIMARY KEY (subject, term, record_key),
    CHECK (period_from <= period_to),
    CHECK (published_from <= published_until)
);
CREATE INDEX replicas_ending ON replicas (published_until) WHERE published_until IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON replicas TO sekisho_app;

-- The last row of a batch for a record counts; an older batch never overwrites a newer one.
CREATE FUNCTION effect_replicas_applied(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_batch record;
BEGIN
    FOR v_batch IN
        SELECT (w.place - 1)::integer AS position, b.*
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (batch_id text))
               WITH ORDINALITY AS w(wanted, place)
          JOIN replica_batches AS b ON b.batch_id = w.wanted
         WHERE b.state = 'receiving'
         ORDER BY b.generation
           FOR UPDATE OF b
    LOOP
        DELETE FROM replicas AS r
         USING (SELECT DISTINCT ON (subject, term, record_key) *
                  FROM replica_rows_staged WHERE batch_id = v_batch.batch_id
                 ORDER BY subject, term, record_key, ordinal DESC) AS s
         WHERE s.is_deletion AND r.subject = s.subject AND r.term = s.term
           AND r.record_key = s.record_key AND r.generation < v_batch.generation;
        INSERT INTO replicas AS r (subject, term, record_key, generation, layout, period_from,
                                   period_to, published_from, published_until, key_year,
                                   items_box)
        SELECT DISTINCT ON (subject, term, record_key)
               subject, term, record_key, v_batch.generation, v_batch.layout, period_from,
               period_to, published_from, published_until, key_year, items_box
          FROM replica_rows_staged
         WHERE batch_id = v_batch.batch_id AND NOT is_deletion
         ORDER BY subject, term, record_key, ordinal DESC
        ON CONFLICT (subject, term, record_key) DO UPDATE
           SET generation = excluded.generation, layout = excluded.layout,
               period_from = excluded.period_from, period_to = excluded.period_to,
               published_from = excluded.published_from,
               published_until = excluded.published_until, key_year = excluded.key_year,
               items_box = excluded.items_box
         WHERE r.generation < excluded.generation;
        DELETE FROM replica_rows_staged WHERE batch_id = v_batch.batch_id;
        UPDATE replica_batches SET state = 'applied', applied_at = now()
         WHERE batch_id = v_batch.batch_id;
        RETURN NEXT v_batch.position;
    END LOOP;
END $$;
