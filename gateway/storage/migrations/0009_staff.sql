-- Members of staff: accounts, credentials, sessions, attempts (DESIGN §3, listener `staff`).
--
-- A credential is named by a keyed fingerprint of its second factor, so one second factor is
-- never two people's, not even a retired one. A time step is used once, whichever worker sees it.
-- Locks nothing that is in use: everything here is new.

CREATE TABLE staff (
    staff_id          text        PRIMARY KEY CHECK (staff_id ~ '^[0-9a-f]{32}$'),
    name              text        NOT NULL UNIQUE,
    roles             text[]      NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 4),
    is_disabled       boolean     NOT NULL DEFAULT false,
    version           integer     NOT NULL DEFAULT 1,
    -- The account made over the control socket; there is one.
    is_first          boolean     NOT NULL DEFAULT false,
    added_at          timestamptz NOT NULL DEFAULT now(),
    enrolment_digest  bytea       CHECK (octet_length(enrolment_digest) = 32),
    enrolment_expires timestamptz,
    CHECK ((enrolment_digest IS NULL) = (enrolment_expires IS NULL)),
    -- Whoever makes accounts does nothing else (domain/staff.py, ALONE).
    CHECK (cardinality(roles) = 1 OR NOT 'administrator' = ANY (roles))
);
CREATE UNIQUE INDEX staff_first ON staff (is_first) WHERE is_first;
CREATE INDEX staff_added ON staff (added_at DESC, staff_id DESC);
GRANT SELECT, INSERT, UPDATE ON staff TO sekisho_app;

-- A retired credential keeps its name and nothing that anybody could sign in with.
CREATE TABLE staff_credentials (
    credential_id text        PRIMARY KEY CHECK (credential_id ~ '^[0-9a-f]{32}$'),
    staff_id      text        NOT NULL REFERENCES staff,
    password      text,
    totp_box      bytea,
    key_year      integer     NOT NULL,
    last_step     bigint      NOT NULL DEFAULT 0,
    made_at       timestamptz NOT NULL DEFAULT now(),
    retired_at    timestamptz,
    CHECK ((retired_at IS NULL) = (password IS NOT NULL AND totp_box IS NOT NULL))
);
CREATE UNIQUE INDEX staff_credentials_present ON staff_credentials (staff_id)
    WHERE retired_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON staff_credentials TO sekisho_app;

-- A session is the digest of its token; what ended is gone.
CREATE TABLE staff_sessions (
    token_digest  bytea       PRIMARY KEY CHECK (octet_length(token_digest) = 32),
    staff_id      text        NOT NULL REFERENCES staff,
    credential_id text        NOT NULL REFERENCES staff_credentials,
    begun_at      timestamptz NOT NULL,
    used_at       timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);
CREATE INDEX staff_sessions_staff ON staff_sessions (staff_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON staff_sessions TO sekisho_app;

-- Attempts by keyed hash of a name (there or not) or an address; nobody's name, nobody's address.
CREATE TABLE staff_attempts (
    key           bytea       PRIMARY KEY CHECK (octet_length(key) = 32),
    failures      integer     NOT NULL,
    blocked_until timestamptz NOT NULL,
    was_blocked   boolean     NOT NULL DEFAULT false,
    last_at       timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX staff_attempts_last ON staff_attempts (last_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON staff_attempts TO sekisho_app;

-- Until when nothing is tried: never for the first `p_free` failures, then `p_first_s` doubling up
-- to `p_longest_s`. "Never" is no instant: workers' clocks differ by a little.
CREATE FUNCTION attempt_blocked_until(
    p_failures integer, p_free integer, p_first_s double precision, p_longest_s double precision,
    p_now timestamptz
) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_failures < p_free THEN '-infinity'::timestamptz
                ELSE p_now + make_interval(secs => least(
                    p_longest_s, p_first_s * 2 ^ least(p_failures - p_free, 30))) END
$$;

CREATE FUNCTION effect_staff_added(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   staff_id text, name text, roles text[], is_first boolean,
                   enrolment_digest text, enrolment_expires timestamptz
               )) WITH ORDINALITY
               AS w(staff_id, name, roles, is_first, enrolment_digest, enrolment_expires, place)
    ), stored AS (
        INSERT INTO staff (staff_id, name, roles, is_first, enrolment_digest, enrolment_expires)
        SELECT staff_id, name, roles, is_first, decode(enrolment_digest, 'base64'),
               enrolment_expires
          FROM wanted
         -- The first account is the first; the unique index settles a race of two.
         WHERE NOT is_first OR NOT EXISTS (SELECT FROM staff)
        ON CONFLICT DO NOTHING
        RETURNING staff_id
    )
    SELECT position FROM wanted JOIN stored USING (staff_id)
$$;

-- A credential takes the place of the one before it. By enrolment the code fits and is used up;
-- by change the person has proved the credential it replaces.
CREATE FUNCTION effect_staff_credential(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_row record;
BEGIN
    FOR v_row IN
        SELECT (w.place - 1)::integer AS position, w.*
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   credential_id text, staff_id text, password text, totp_box text,
                   key_year integer, enrolment_digest text
               )) WITH ORDINALITY
               AS w(credential_id, staff_id, password, totp_box, key_year, enrolment_digest, place)
    LOOP
        PERFORM FROM staff WHERE staff_id = v_row.staff_id FOR UPDATE;
        CONTINUE WHEN EXISTS (
            SELECT FROM staff_credentials WHERE credential_id = v_row.credential_id);
        IF v_row.enrolment_digest IS NOT NULL THEN
            UPDATE staff SET enrolment_digest = NULL, enrolment_expires = NULL
             WHERE staff_id = v_row.staff_id AND NOT is_disabled
               AND enrolment_digest = decode(v_row.enrolment_digest, 'base64')
               AND enrolment_expires > now();
            CONTINUE WHEN NOT FOUND;
        END IF;
        UPDATE staff_credentials SET retired_at = now(), password = NULL, totp_box = NULL
         WHERE staff_id = v_row.staff_id AND retired_at IS NULL;
        DELETE FROM staff_sessions WHERE staff_id = v_row.staff_id;
        INSERT INTO staff_credentials (credential_id, staff_id, password, totp_box, key_year)
        VALUES (v_row.credential_id, v_row.staff_id, v_row.password,
                decode(v_row.totp_box, 'base64'), v_row.key_year);
        RETURN NEXT v_row.position;
    END LOOP;
END $$;

-- The person's own new password; the second factor stays.
CREATE FUNCTION effect_staff_password(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (credential_id text, password text))
               WITH ORDINALITY AS w(credential_id, password, place)
    ), moved AS (
        UPDATE staff_credentials AS c SET password = w.password FROM wanted AS w
         WHERE c.credential_id = w.credential_id AND c.retired_at IS NULL
        RETURNING c.credential_id
    ), ended AS (
        DELETE FROM staff_sessions AS s USING moved AS m WHERE s.credential_id = m.credential_id
    )
    SELECT position FROM wanted JOIN moved USING (credential_id)
$$;

-- An account changes on the version it was looked at; its sessions end with the old one.
CREATE FUNCTION effect_staff_changed(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_row record;
BEGIN
    FOR v_row IN
        SELECT (w.place - 1)::integer AS position, w.*
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   staff_id text, version integer, roles text[], is_disabled boolean,
                   enrolment_digest text, enrolment_expires timestamptz
               )) WITH ORDINALITY
               AS w(staff_id, version, roles, is_disabled, enrolment_digest, enrolment_expires,
                    place)
    LOOP
        UPDATE staff
           SET roles = v_row.roles, is_disabled = v_row.is_disabled, version = version + 1,
               enrolment_digest = decode(v_row.enrolment_digest, 'base64'),
               enrolment_expires = v_row.enrolment_expires
         WHERE staff_id = v_row.staff_id AND version = v_row.version;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM staff_sessions WHERE staff_id = v_row.staff_id;
        -- A reset: what the person signed in with until now is worth nothing.
        IF v_row.enrolment_digest IS NOT NULL THEN
            UPDATE staff_credentials SET retired_at = now(), password = NULL, totp_box = NULL
             WHERE staff_id = v_row.staff_id AND retired_at IS NULL;
        END IF;
        RETURN NEXT v_row.position;
    END LOOP;
END $$;

CREATE FUNCTION effect_staff_session(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   token_digest text, staff_id text, credential_id text, begun_at timestamptz,
                   expires_at timestamptz
               )) WITH ORDINALITY
               AS w(token_digest, staff_id, credential_id, begun_at, expires_at, place)
    ), stored AS (
        INSERT INTO staff_sessions (token_digest, staff_id, credential_id, begun_at, used_at,
                                    expires_at)
        SELECT decode(w.token_digest, 'base64'), w.staff_id, w.credential_id, w.begun_at,
               w.begun_at, w.expires_at
          FROM wanted AS w
          JOIN staff AS s ON s.staff_id = w.staff_id AND NOT s.is_disabled
          JOIN staff_credentials AS c
            ON c.credential_id = w.credential_id AND c.retired_at IS NULL
        ON CONFLICT DO NOTHING
        RETURNING token_digest
    )
    SELECT position FROM wanted
      JOIN stored ON stored.token_digest = decode(wanted.token_digest, 'base64')
$$;

CREATE FUNCTION effect_staff_session_ended(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (token_digest text))
               WITH ORDINALITY AS w(token_digest, place)
    ), gone AS (
        DELETE FROM staff_sessions AS s USING wanted AS w
         WHERE s.token_digest = decode(w.token_digest, 'base64')
        RETURNING s.token_digest
    )
    SELECT position FROM wanted
      JOIN gone ON gone.token_digest = decode(wanted.token_digest, 'base64')
$$;
