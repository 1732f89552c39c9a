-- Back-office systems as clients: who they are, how they prove it, and the tokens they hold.
-- Registrations are the operator's acts and each stands in the log; tokens and assertions are
-- transient. Nothing here is about a person.
-- Locks nothing that is in use: everything here is new.

CREATE TABLE clients (
    client_id       text        PRIMARY KEY CHECK (client_id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    version         integer     NOT NULL CHECK (version > 0),
    state           text        NOT NULL CHECK (state IN ('enabled', 'disabled')),
    system          text        NOT NULL,
    scopes          text[]      NOT NULL,
    procedures      text[]      NOT NULL,
    information     text[]      NOT NULL,
    departments     text[]      NOT NULL,
    may_ask         boolean     NOT NULL,
    may_supply      boolean     NOT NULL,
    certificate_uri text        NOT NULL UNIQUE,
    -- How assertions are signed, and by what: a public key, or a secret that only a box holds.
    algorithm       text        NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'PS256', 'HS256')),
    public_key      text,
    secret_box      bytea,
    key_year        integer     NOT NULL,
    added_at        timestamptz NOT NULL DEFAULT now(),
    changed_at      timestamptz NOT NULL DEFAULT now(),
    CHECK ((algorithm = 'HS256') = (secret_box IS NOT NULL)),
    CHECK ((algorithm = 'HS256') = (public_key IS NULL))
);
GRANT SELECT, INSERT, UPDATE ON clients TO sekisho_app;

CREATE FUNCTION effect_client_added(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   client_id text, state text, system text, scopes text[], procedures text[],
                   information text[], departments text[], may_ask boolean, may_supply boolean,
                   certificate_uri text, algorithm text, public_key text, secret_box text,
                   key_year integer
               )) WITH ORDINALITY
               AS w(client_id, state, system, scopes, procedures, information, departments,
                    may_ask, may_supply, certificate_uri, algorithm, public_key, secret_box,
                    key_year, place)
    ), stored AS (
        INSERT INTO clients (client_id, version, state, system, scopes, procedures, information,
                             departments, may_ask, may_supply, certificate_uri, algorithm,
                             public_key, secret_box, key_year)
        SELECT client_id, 1, state, system, scopes, procedures, information, departments,
               may_ask, may_supply, certificate_uri, algorithm, public_key,
               decode(secret_box, 'base64'), key_year
          FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING client_id
    )
    SELECT position FROM wanted JOIN stored USING (client_id)
$$;

-- Opaque tokens by their digest; good for the client certificate they were given to (RFC 8705).
CREATE TABLE access_tokens (
    digest      bytea       PRIMARY KEY CHECK (octet_length(digest) = 32),
    client_id   text        NOT NULL,
    scopes      text[]      NOT NULL,
    certificate bytea       NOT NULL CHECK (octet_length(certificate) = 32),
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    CHECK (expires_at <= issued_at + interval '10 minutes')
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);
CREATE INDEX access_tokens_client ON access_tokens (client_id);
GRANT SELECT, INSERT, DELETE ON access_tokens TO sekisho_app;

-- A change is made to the version its maker saw, or not at all. Tokens of a client that changed
-- end with the change: what they were given for may no longer be so.
CREATE FUNCTION effect_client_changed(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   client_id text, version integer, state text, algorithm text, public_key text,
                   secret_box text, key_year integer
               )) WITH ORDINALITY
               AS w(client_id, version, state, algorithm, public_key, secret_box, key_year, place)
    ), moved AS (
        UPDATE clients AS c
           SET version = c.version + 1, state = w.state, algorithm = w.algorithm,
               public_key = w.public_key, secret_box = decode(w.secret_box, 'base64'),
               key_year = w.key_year, changed_at = now()
          FROM wanted AS w
         WHERE c.client_id = w.client_id AND c.version = w.version
        RETURNING c.client_id
    ), ended AS (
        DELETE FROM access_tokens AS t USING moved AS m WHERE t.client_id = m.client_id
    )
    SELECT position FROM wanted JOIN moved USING (client_id)
$$;

-- Assertions seen before, for as long as each could be shown again. Unique over all workers on
-- (day of its own `exp`, client, jti); the day is that of UTC, as `exp` counts.
CREATE TABLE client_assertions (
    day         date        NOT NULL,
    client_id   text        NOT NULL,
    jti         text        NOT NULL,
    PRIMARY KEY (day, client_id, jti)
) PARTITION BY RANGE (day);
GRANT SELECT, INSERT ON client_assertions TO sekisho_app;

-- An assertion lives five minutes: today's and tomorrow's days are all that can be asked for, and
-- a day ends when its assertions have all expired for a whole day.
INSERT INTO day_tables (name, day_column, zone, behind, ahead, kept)
VALUES ('client_assertions', 'day', 'UTC', 1, 7, 1);
SELECT days_make('client_assertions');

-- Codes being acquired. The acquisition number lies in a box until the code is linked, and is
-- erased by the entry that says so (法21の2③); one acquisition of a person is open at a time.
CREATE TABLE code_acquisitions (
    request_id      text        PRIMARY KEY CHECK (request_id ~ '^[0-9a-f]{32}$'),
    client_id       text        NOT NULL,
    subject         bytea       NOT NULL CHECK (octet_length(subject) = 32),
    number_box      bytea       NOT NULL,
    acquisition_box bytea,
    key_year        integer     NOT NULL,
    state           text        NOT NULL CHECK (state IN (
                        'requested', 'linked', 'already-acquired', 'lapsed')),
    requested_at    timestamptz NOT NULL,
    finished_at     timestamptz,
    CHECK ((state = 'requested') = (finished_at IS NULL)),
    CHECK (state = 'requested' OR acquisition_box IS NULL)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX code_acquisitions_open ON code_acquisitions (subject)
    WHERE state = 'requested';
CREATE INDEX code_acquisitions_subject ON code_acquisitions (subject, requested_at DESC);
CREATE INDEX code_acquisitions_of_client
    ON code_acquisitions (client_id, requested_at DESC, request_id DESC);
CREATE INDEX code_acquisitions_waiting ON code_acquisitions (requested_at)
    WHERE state = 'requested';
GRANT SELECT, INSERT, UPDATE, DELETE ON code_acquisitions TO sekisho_app;

CREATE FUNCTION effect_acquisition_begun(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   request_id text, client_id text, subject text, number_box text,
                   key_year integer, requested_at timestamptz
               )) WITH ORDINALITY
               AS w(request_id, client_id, subject, number_box, key_year, requested_at, place)
    ), stored AS (
        INSERT INTO code_acquisitions (request_id, client_id, subject, number_box, key_year,
                                       state, requested_at)
        SELECT request_id, client_id, decode(subject, 'base64'), decode(number_box, 'base64'),
               key_year, 'requested', requested_at
          FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING request_id
    )
    SELECT position FROM wanted JOIN stored USING (request_id)
$$;

CREATE FUNCTION effect_acquisition_ended(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (request_id text, state text))
               WITH ORDINALITY AS w(request_id, state, place)
    ), moved AS (
        UPDATE code_acquisitions AS a
           SET state = w.state, acquisition_box = NULL, finished_at = now()
          FROM wanted AS w
         WHERE a.request_id = w.request_id AND a.state = 'requested'
        RETURNING a.request_id
    )
    SELECT position FROM wanted JOIN moved USING (request_id)
$$;

-- A code that must not be used, or may again: deaths, wrong links (符号の利用停止).
CREATE FUNCTION effect_code_moved(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (subject text, from_state text, state text))
               WITH ORDINALITY AS w(subject, from_state, state, place)
    ), moved AS (
        UPDATE network_codes AS c SET state = w.state
          FROM wanted AS w
         WHERE c.subject = decode(w.subject, 'base64') AND c.state = w.from_state
        RETURNING c.subject
    )
    SELECT position FROM wanted JOIN moved ON moved.subject = decode(wanted.subject, 'base64')
$$;

-- A person's code goes over to another unified number (番号の統合・分割). Refused where the
-- other number has a code of its own.
CREATE FUNCTION effect_code_handed_over(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   subject text, to_subject text, number_box text, key_year integer
               )) WITH ORDINALITY AS w(subject, to_subject, number_box, key_year, place)
    ), moved AS (
        UPDATE network_codes AS c
           SET subject = decode(w.to_subject, 'base64'), number_box = decode(w.number_box, 'base64'),
               key_year = w.key_year
          FROM wanted AS w
         WHERE c.subject = decode(w.subject, 'base64')
           AND NOT EXISTS (SELECT FROM network_codes AS o
                            WHERE o.subject = decode(w.to_subject, 'base64'))
        RETURNING c.subject
    )
    SELECT position FROM wanted JOIN moved ON moved.subject = decode(wanted.to_subject, 'base64')
$$;

-- 令26③: an inquirer shows four facts of a person and asks for a code; both sides keep the
-- request, in a box, until its registry has seen to it or its term is over.
CREATE TABLE code_wanted (
    request_id  text        NOT NULL CHECK (request_id ~ '^[0-9a-f]{32}$'),
    inquirer    text        NOT NULL,
    key_year    integer     NOT NULL,
    person_box  bytea       NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (inquirer, request_id)
);
CREATE INDEX code_wanted_received ON code_wanted (received_at DESC, request_id DESC);
GRANT SELECT, INSERT, DELETE ON code_wanted TO sekisho_app;

CREATE FUNCTION effect_code_wanted(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   request_id text, inquirer text, key_year integer, person_box text,
                   received_at timestamptz
               )) WITH ORDINALITY
               AS w(request_id, inquirer, key_year, person_box, received_at, place)
    ), stored AS (
        INSERT INTO code_wanted (request_id, inquirer, key_year, person_box, received_at)
        SELECT request_id, inquirer, key_year, decode(person_box, 'base64'), received_at
          FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING inquirer, request_id
    )
    SELECT position FROM wanted JOIN stored USING (inquirer, request_id)
$$;

-- Corrections that others told us of, each taken once (法31).
CREATE TABLE corrections_received (
    leaf        bytea       PRIMARY KEY CHECK (octet_length(leaf) = 32),
    party       text        NOT NULL,
    permit_id   text        NOT NULL,
    entry_id    text        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX corrections_received_permit ON corrections_received (permit_id);
GRANT SELECT, INSERT ON corrections_received TO sekisho_app;

CREATE FUNCTION effect_correction_received(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   leaf text, party text, permit_id text, entry_id text
               )) WITH ORDINALITY AS w(leaf, party, permit_id, entry_id, place)
    ), stored AS (
        INSERT INTO corrections_received (leaf, party, permit_id, entry_id)
        SELECT decode(leaf, 'base64'), party, permit_id, entry_id FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING leaf
    )
    SELECT position FROM wanted JOIN stored ON stored.leaf = decode(wanted.leaf, 'base64')
$$;
