-- The provider's side: answers kept for a retry, holds, and the core's notices (PROTOCOL §3).
--
-- A permit is used once. What makes it so must be unique, and what is unique here is partitioned
-- by a day that the permit's own signed content fixes: the day (Tokyo) its request expires.
-- Locks nothing that is in use: everything here is new.

CREATE TABLE answers (
    day          date        NOT NULL,
    permit_id    text        NOT NULL CHECK (permit_id ~ '^[0-9a-f]{32}$'),
    inquirer     text        NOT NULL,
    inquiry_leaf bytea       NOT NULL CHECK (octet_length(inquiry_leaf) = 32),
    outcome      text        NOT NULL,
    entry_id     text        NOT NULL,
    -- The message key's header and the sealed answer, byte for byte as they were first sent.
    message_key  jsonb,
    number       bigint,
    sealed       bytea,
    PRIMARY KEY (day, permit_id)
) PARTITION BY RANGE (day);
GRANT SELECT, INSERT, UPDATE ON answers TO sekisho_app;

-- One inquiry, one provision, under whichever permit it was first: no core gets two answers to one
-- statement. The day (Tokyo) is that of the statement's own time, which nobody but its maker fixes.
CREATE TABLE answered_inquiries (
    day       date  NOT NULL,
    leaf      bytea STORAGE PLAIN NOT NULL CHECK (octet_length(leaf) = 32),
    permit_id uuid  NOT NULL,
    PRIMARY KEY (day, leaf)
) PARTITION BY RANGE (day);
GRANT SELECT, INSERT ON answered_inquiries TO sekisho_app;

CREATE TABLE holds (
    hold_id          text        PRIMARY KEY CHECK (hold_id ~ '^[0-9a-f]{32}$'),
    permit_id        text        NOT NULL UNIQUE,
    day              date        NOT NULL,
    state            text        NOT NULL CHECK (state IN (
                         'waiting', 'released', 'refused', 'lapsed', 'stopped', 'delivered')),
    inquirer         text        NOT NULL,
    procedure        text        NOT NULL,
    information      text        NOT NULL,
    subject          bytea       NOT NULL,
    entry_id         text        NOT NULL,
    approvals_needed integer     NOT NULL CHECK (approvals_needed BETWEEN 1 AND 2),
    reasons          text[]      NOT NULL,
    opened_at        timestamptz NOT NULL,
    deadline         timestamptz NOT NULL,
    request_expires  timestamptz NOT NULL,
    key_year         integer     NOT NULL,
    -- What the answer is made from again at release: the inquiry, the permit, code and salt.
    case_box         bytea       NOT NULL,
    -- Which preview the approvals are for; another digest voids them.
    round            integer     NOT NULL DEFAULT 1,
    digest           bytea       NOT NULL CHECK (octet_length(digest) = 32),
    moved_at         timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX holds_waiting ON holds (deadline, hold_id) WHERE state = 'waiting';
CREATE INDEX holds_opened ON holds (opened_at DESC, hold_id DESC);
GRANT SELECT, INSERT, UPDATE, DELETE ON holds TO sekisho_app;

CREATE TABLE notices (
    permit_id       text        PRIMARY KEY CHECK (permit_id ~ '^[0-9a-f]{32}$'),
    state           text        NOT NULL DEFAULT 'told' CHECK (state IN ('told', 'notified')),
    inquirer        text        NOT NULL,
    token_expires   timestamptz NOT NULL,
    request_expires timestamptz NOT NULL,
    requested_at    timestamptz NOT NULL,
    key_year        integer     NOT NULL,
    notice_box      bytea       NOT NULL,
    -- Its box does not open: it waits for an operator, and the others do not wait for it.
    set_aside_at    timestamptz
);
CREATE INDEX notices_due ON notices (state, token_expires);
GRANT SELECT, INSERT, UPDATE, DELETE ON notices TO sekisho_app;

-- A permit never presented before, for an inquiry never answered before, is used by the entry that
-- answers it; a second one drops out. One that is known leaves nothing behind of its inquiry.
CREATE FUNCTION effect_permit_used(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   day date, permit_id text, inquirer text, inquiry_day date, inquiry_leaf text,
                   outcome text, entry_id text, message_key jsonb, number bigint, sealed text
               )) WITH ORDINALITY
               AS w(day, permit_id, inquirer, inquiry_day, inquiry_leaf, outcome, entry_id,
                    message_key, number, sealed, place)
    ), met AS (
        DELETE FROM notices AS n USING wanted AS w WHERE n.permit_id = w.permit_id
    ), first AS (
        INSERT INTO answered_inquiries (day, leaf, permit_id)
        SELECT w.inquiry_day, decode(w.inquiry_leaf, 'base64'), w.permit_id::uuid
          FROM wanted AS w
          -- A probe each, however many there are: a join would read the whole day.
          LEFT JOIN LATERAL (SELECT true AS is_there FROM answers AS a
                              WHERE a.day = w.day AND a.permit_id = w.permit_id
                              LIMIT 1) AS used ON true
         WHERE used.is_there IS NULL
        ON CONFLICT (day, leaf) DO NOTHING
        RETURNING permit_id
    ), stored AS (
        INSERT INTO answers (day, permit_id, inquirer, inquiry_leaf, outcome, entry_id,
                             message_key, number, sealed)
        SELECT w.day, w.permit_id, w.inquirer, decode(w.inquiry_leaf, 'base64'), w.outcome,
               w.entry_id, w.message_key, w.number, decode(w.sealed, 'base64')
          FROM wanted AS w JOIN first ON first.permit_id = w.permit_id::uuid
        ON CONFLICT (day, permit_id) DO NOTHING
        RETURNING permit_id
    )
    SELECT position FROM wanted JOIN stored USING (permit_id)
$$;

CREATE FUNCTION effect_hold_opened(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   hold_id text, permit_id text, day date, inquirer text, procedure text,
                   information text, subject text, entry_id text, approvals_needed integer,
                   reasons text[], opened_at timestamptz, deadline timestamptz,
                   request_expires timestamptz, key_year integer, case_box text, digest text
               )) WITH ORDINALITY
               AS w(hold_id, permit_id, day, inquirer, procedure, information, subject, entry_id,
                    approvals_needed, reasons, opened_at, deadline, request_expires, key_year,
                    case_box, digest, place)
    ), stored AS (
        INSERT INTO holds (hold_id, permit_id, day, state, inquirer, procedure, information,
                           subject, entry_id, approvals_needed, reasons, opened_at, deadline,
                           request_expires, key_year, case_box, digest)
        SELECT hold_id, permit_id, day, 'waiting', inquirer, procedure, information,
               decode(subject, 'base64'), entry_id, approvals_needed, reasons, opened_at,
               deadline, request_expires, key_year, decode(case_box, 'base64'),
               decode(digest, 'base64')
          FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING permit_id
    )
    SELECT position FROM wanted JOIN stored USING (permit_id)
$$;

-- A notice moves to `notified` once; what was met meanwhile is gone and drops out.
CREATE FUNCTION effect_notice_notified(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (permit_id text))
               WITH ORDINALITY AS w(permit_id, place)
    ), moved AS (
        UPDATE notices AS n SET state = 'notified' FROM wanted AS w
         WHERE n.permit_id = w.permit_id AND n.state = 'told'
        RETURNING n.permit_id
    )
    SELECT position FROM wanted JOIN moved USING (permit_id)
$$;

CREATE FUNCTION effect_notice_lapsed(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (permit_id text))
               WITH ORDINALITY AS w(permit_id, place)
    ), ended AS (
        DELETE FROM notices AS n USING wanted AS w
         WHERE n.permit_id = w.permit_id AND n.request_expires <= now()
        RETURNING n.permit_id
    )
    SELECT position FROM wanted JOIN ended USING (permit_id)
$$;

-- Tables cut by day: which days each has, counted from today in its zone. The running role names a
-- table; which days are made and which end stands here, whatever a caller says.
CREATE TABLE day_tables (
    name       text    PRIMARY KEY,
    day_column text    NOT NULL,
    zone       text    NOT NULL CHECK (zone IN ('Asia/Tokyo', 'UTC')),
    -- How many days before today are made, how many after it, and how many before it are kept.
    behind     integer NOT NULL CHECK (behind >= 0),
    ahead      integer NOT NULL CHECK (ahead >= 0),
    kept       integer NOT NULL CHECK (kept >= behind)
);

CREATE FUNCTION days_make(p_table text) RETURNS date[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_term day_tables;
    v_day date;
    v_days date[] := '{}';
BEGIN
    SELECT * INTO STRICT v_term FROM day_tables WHERE name = p_table;
    FOR ahead IN -v_term.behind .. v_term.ahead LOOP
        v_day := (now() AT TIME ZONE v_term.zone)::date + ahead;
        PERFORM partition_add(
            p_table, p_table || '_' || to_char(v_day, 'YYYYMMDD'),
            format('%1$I >= DATE %2$L AND %1$I < DATE %3$L', v_term.day_column, v_day, v_day + 1),
            format('FOR VALUES FROM (%L) TO (%L)', v_day, v_day + 1));
        v_days := v_days || v_day;
    END LOOP;
    RETURN v_days;
END $$;
REVOKE EXECUTE ON FUNCTION days_make FROM PUBLIC;
GRANT EXECUTE ON FUNCTION days_make TO sekisho_app;

-- Under the lock of the table's partitions: of several workers one drops a day, the others find
-- it gone.
CREATE FUNCTION days_drop(p_table text) RETURNS text[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_term day_tables;
    v_partition text;
    v_dropped text[] := '{}';
BEGIN
    SELECT * INTO STRICT v_term FROM day_tables WHERE name = p_table;
    PERFORM pg_advisory_xact_lock(3, hashtext(p_table));
    FOR v_partition IN
        SELECT c.relname
          FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = to_regclass(format('public.%I', p_table))
         ORDER BY c.relname
    LOOP
        -- Read here and not in the query, which may look at other tables' names first.
        IF to_date(right(v_partition, 8), 'YYYYMMDD')
           < (now() AT TIME ZONE v_term.zone)::date - v_term.kept
        THEN
            EXECUTE format('DROP TABLE public.%I', v_partition);
            v_dropped := v_dropped || v_partition;
        END IF;
    END LOOP;
    RETURN v_dropped;
END $$;
REVOKE EXECUTE ON FUNCTION days_drop FROM PUBLIC;
GRANT EXECUTE ON FUNCTION days_drop TO sekisho_app;

-- A request lives 30 days at most, and its answer 8 days longer. It begins 8 days after its inquiry
-- at most (`INQUIRY_AGE_MAX` in gateway/flows/presented.py): as old an inquiry may be answered today.
INSERT INTO day_tables (name, day_column, zone, behind, ahead, kept)
VALUES ('answers', 'day', 'Asia/Tokyo', 1, 32, 8),
       ('answered_inquiries', 'day', 'Asia/Tokyo', 39, 2, 40);
SELECT days_make('answers'), days_make('answered_inquiries');
