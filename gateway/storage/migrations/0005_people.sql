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
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO sekisho_app;

-- A key past its term stands for nothing any more, also before it is swept.
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
        INSERT INTO idempotency_keys AS k
               (client_id, idempotency_key, digest, inquiry_id, expires_at)
        SELECT client_id, idempotency_key, decode(digest, 'base64'), inquiry_id, expires_at
          FROM wanted
        ON CONFLICT (client_id, idempotency_key) DO UPDATE
           SET digest = EXCLUDED.digest, inquiry_id = EXCLUDED.inquiry_id,
               expires_at = EXCLUDED.expires_at
         WHERE k.expires_at <= now()
        RETURNING client_id, idempotency_key
    )
    SELECT position FROM wanted JOIN stored USING (client_id, idempotency_key)
$$;

-- Replicas (副本): what the provider may be asked for. A batch writes its rows straight to their
-- place, under its own generation; they count from the moment the batch is applied, which is one
-- row's change in the transaction of the entry that says so. However large a batch is, the gate is
-- held no longer for it.
--
-- Of a record the newest applied generation whose publication has begun counts, and hides the
-- older ones for good, also where its own publication has ended: a correction that ends early
-- does not let what it corrected come back. What is hidden is deleted later, by a job.
CREATE SEQUENCE replica_generations;
GRANT USAGE ON SEQUENCE replica_generations TO sekisho_app;

CREATE TABLE replica_batches (
    batch_id    text        PRIMARY KEY CHECK (batch_id ~ '^[0-9a-f]{32}$'),
    client_id   text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN (
                    'initial', 'change', 're-registration', 'layout-revision', 'deletion')),
    term        text        NOT NULL,
    layout      text        NOT NULL,
    generation  bigint      NOT NULL UNIQUE DEFAULT nextval('replica_generations'),
    state       text        NOT NULL CHECK (state IN ('receiving', 'applied', 'refused')),
    reason      text,
    rows_put    bigint      NOT NULL DEFAULT 0,
    rows_deleted bigint     NOT NULL DEFAULT 0,
    rows_refused bigint     NOT NULL DEFAULT 0,
    findings    jsonb       NOT NULL DEFAULT '[]',
    digest      bytea       CHECK (octet_length(digest) = 32),
    created_at  timestamptz NOT NULL DEFAULT now(),
    applied_at  timestamptz,
    -- What this batch hides was deleted up to this day; all of it, once no row begins later.
    swept_on    date,
    is_swept    boolean     NOT NULL DEFAULT false,
    CHECK ((state = 'applied') = (applied_at IS NOT NULL)),
    CHECK ((state = 'refused') = (reason IS NOT NULL))
);
CREATE INDEX replica_batches_of_client
    ON replica_batches (client_id, created_at DESC, batch_id DESC);
CREATE INDEX replica_batches_unswept ON replica_batches (generation) WHERE NOT is_swept;
GRANT SELECT, INSERT, UPDATE, DELETE ON replica_batches TO sekisho_app;

-- Of two rows of one batch about one record the later one (by `ordinal`) counts.
CREATE TABLE replicas (
    subject         bytea   NOT NULL CHECK (octet_length(subject) = 32),
    term            text    NOT NULL,
    record_key      text    NOT NULL,
    generation      bigint  NOT NULL,
    ordinal         bigint  NOT NULL DEFAULT 0,
    is_deletion     boolean NOT NULL DEFAULT false,
    period_from     date,
    period_to       date,
    published_from  date    NOT NULL,
    published_until date,
    key_year        integer NOT NULL,
    items_box       bytea,
    PRIMARY KEY (subject, term, record_key, generation, ordinal),
    CHECK (period_from <= period_to),
    CHECK (published_from <= published_until),
    CHECK (is_deletion = (items_box IS NULL))
);
CREATE INDEX replicas_generation ON replicas (generation, ordinal);
CREATE INDEX replicas_ending ON replicas (published_until) WHERE published_until IS NOT NULL;
CREATE INDEX replicas_deletions ON replicas (published_from) WHERE is_deletion;
GRANT SELECT, INSERT, UPDATE, DELETE ON replicas TO sekisho_app;

CREATE FUNCTION effect_replicas_applied(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   batch_id text, rows_put bigint, rows_deleted bigint, rows_refused bigint,
                   findings jsonb, digest text
               )) WITH ORDINALITY
               AS w(batch_id, rows_put, rows_deleted, rows_refused, findings, digest, place)
    ), moved AS (
        UPDATE replica_batches AS b
           SET state = 'applied', applied_at = now(), rows_put = w.rows_put,
               rows_deleted = w.rows_deleted, rows_refused = w.rows_refused,
               findings = w.findings, digest = decode(w.digest, 'base64')
          FROM wanted AS w
         WHERE b.batch_id = w.batch_id AND b.state = 'receiving'
        RETURNING b.batch_id
    )
    SELECT position FROM wanted JOIN moved USING (batch_id)
$$;
