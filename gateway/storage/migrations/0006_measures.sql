-- Flags of people and stop switches of the organisation: both behind the gate (PROTOCOL §4).
-- Locks nothing that is in use: everything here is new.

CREATE TABLE subject_flags (
    flag_id     text        PRIMARY KEY CHECK (flag_id ~ '^[0-9a-f]{32}$'),
    subject     bytea       NOT NULL CHECK (octet_length(subject) = 32),
    kind        text        NOT NULL CHECK (kind IN (
                    'automatic-answer-disabled', 'record-not-disclosed',
                    'own-information-view-disabled')),
    term        text,
    item        text,
    reason      text        NOT NULL,
    maker       text        NOT NULL,
    maker_kind  text        NOT NULL CHECK (maker_kind IN ('staff', 'client')),
    set_at      timestamptz NOT NULL DEFAULT now(),
    until       timestamptz,
    lifted_at   timestamptz,
    lifted_by   text
);
CREATE INDEX subject_flags_subject ON subject_flags (subject) WHERE lifted_at IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON subject_flags TO sekisho_app;

CREATE FUNCTION effect_flag_set(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   flag_id text, subject text, kind text, term text, item text, reason text,
                   maker text, maker_kind text, until timestamptz
               )) WITH ORDINALITY
               AS w(flag_id, subject, kind, term, item, reason, maker, maker_kind, until, place)
    ), stored AS (
        INSERT INTO subject_flags (flag_id, subject, kind, term, item, reason, maker, maker_kind,
                                   until)
        SELECT flag_id, decode(subject, 'base64'), kind, term, item, reason, maker, maker_kind,
               until
          FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING flag_id
    )
    SELECT position FROM wanted JOIN stored USING (flag_id)
$$;

CREATE FUNCTION effect_flag_lifted(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (flag_id text, lifted_by text))
               WITH ORDINALITY AS w(flag_id, lifted_by, place)
    ), moved AS (
        UPDATE subject_flags AS f SET lifted_at = now(), lifted_by = w.lifted_by FROM wanted AS w
         WHERE f.flag_id = w.flag_id AND f.lifted_at IS NULL
        RETURNING f.flag_id
    )
    SELECT position FROM wanted JOIN moved USING (flag_id)
$$;

CREATE TABLE stop_switches (
    switch_id   text        PRIMARY KEY CHECK (switch_id ~ '^[0-9a-f]{32}$'),
    by          text        NOT NULL CHECK (by IN (
                    'procedure', 'information', 'counterparty', 'body', 'all')),
    value       text        NOT NULL DEFAULT '',
    reason      text        NOT NULL,
    maker       text        NOT NULL,
    set_at      timestamptz NOT NULL DEFAULT now(),
    until       timestamptz,
    lifted_at   timestamptz,
    lifted_by   text,
    CHECK ((by = 'all') = (value = ''))
);
CREATE INDEX stop_switches_standing ON stop_switches (set_at) WHERE lifted_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON stop_switches TO sekisho_app;

CREATE FUNCTION effect_switch_set(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   switch_id text, by text, value text, reason text, maker text,
                   until timestamptz
               )) WITH ORDINALITY AS w(switch_id, by, value, reason, maker, until, place)
    ), stored AS (
        INSERT INTO stop_switches (switch_id, by, value, reason, maker, until)
        SELECT switch_id, by, value, reason, maker, until FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING switch_id
    )
    SELECT position FROM wanted JOIN stored USING (switch_id)
$$;

CREATE FUNCTION effect_switch_lifted(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (switch_id text, lifted_by text))
               WITH ORDINALITY AS w(switch_id, lifted_by, place)
    ), moved AS (
        UPDATE stop_switches AS s SET lifted_at = now(), lifted_by = w.lifted_by
          FROM wanted AS w
         WHERE s.switch_id = w.switch_id AND s.lifted_at IS NULL
        RETURNING s.switch_id
    )
    SELECT position FROM wanted JOIN moved USING (switch_id)
$$;
