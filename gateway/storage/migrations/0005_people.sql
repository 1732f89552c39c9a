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
